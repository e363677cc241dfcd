/**
 * The snapshot driver on overlayfs. Below its root: `layers/` (layer-store.ts), `chains/` (chain.ts), `snapshots/ID/`
 * with `upper/`, `work/`, the mount point `merged/` and a symbolic link `chain` that names the chain, `removed/` for what
 * is in the making or on its way out.
 */
import {
  chmodSync,
  chownSync,
  close,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { O_CLOEXEC, O_PATH, openDirectory } from "../../../sys/directory.ts";
import { isMounted, listMounts, unmount } from "../../../sys/mount.ts";
import { toBytes } from "../../../sys/names.ts";
import type { Digest } from "../../content/content.ts";
import type { BlobFolder } from "../../content/content-store.ts";
import { createLayerStore, type LayerFolder } from "../../layers/layer-store.ts";
import type { TarLimits } from "../../layers/tar/tar.ts";
import type { WhiteoutForm } from "../../layers/unpack/unpack.ts";
import { openTrash } from "../../trash/trash.ts";
import type { MountOptions, Snapshots } from "../snapshots.ts";
import { openChains } from "./chain.ts";
import { findChanges, measure } from "./changes.ts";
import { checkDataRoot } from "./check.ts";
import { mountMapped } from "./mapped.ts";
import { mergeDetached, mountOverlay } from "./merge.ts";

export interface OverlayOptions {
  /** A folder of its own below the data root. */
  root: string;
  content: BlobFolder;
  /** Of layers that are unpacked. */
  limits?: Partial<TarLimits>;
  /** `user`: overlayfs with `userxattr`, for a server without CAP_SYS_ADMIN in the first user namespace. */
  form?: WhiteoutForm;
  /** Milliseconds that an unpacking thread waits for more work. */
  idle?: number;
}

export interface OverlaySnapshots extends Snapshots {
  readonly layers: LayerFolder;
  /** Resolves when nothing goes on in the background: deletions, above all the sweep at the start. */
  settled(): Promise<void>;
  /** Ends the unpacking threads; mounts stay. */
  close(): void;
}

/**
 * Opens (or makes) the driver's folder. Throws when overlayfs cannot work there. What a process that was killed left
 * half-made is removed, in the background.
 */
export function createOverlaySnapshots(options: OverlayOptions): OverlaySnapshots {
  const { content, form = "trusted" } = options;
  mkdirSync(options.root, { recursive: true, mode: 0o700 });
  // As the kernel names it in the list of mounts.
  const root = realpathSync(options.root);
  const problem = checkDataRoot(root);
  if (problem !== undefined) throw new Error(problem);
  const folder = join(root, "snapshots");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Before anything is deleted: nobody else looks there, and removal must not go through a mount.
  unmountLeftovers(root);
  const trash = openTrash(join(root, "removed"));
  const store = createLayerStore({
    root: join(root, "layers"),
    content,
    form,
    ...(options.limits ? { limits: options.limits } : {}),
    ...(options.idle === undefined ? {} : { idle: options.idle }),
  });
  const chains = openChains(join(root, "chains"), store, form, trash);
  const place = (id: string, name = ""): string => {
    if (!/^[0-9a-f]{64}$/.test(id)) throw new Error(`${JSON.stringify(id)} is not a container's ID`);
    return join(folder, id, name);
  };
  const chainOf = (id: string): string => {
    try {
      return readlinkSync(place(id, "chain"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") throw new Error(`there is no snapshot ${id}`);
      throw error;
    }
  };
  const has = (id: string): boolean => {
    try {
      return chainOf(id) !== undefined;
    } catch {
      return false;
    }
  };

  const list = (): string[] => readdirSync(folder).filter((name) => /^[0-9a-f]{64}$/.test(name));

  /** Layers that were removed while a snapshot still stands on them: they go with the last one that does. */
  const unwanted = new Set<Digest>();
  const isInUse = (diffId: Digest): boolean => list().some((id) => chains.get(chainOf(id)).diffIds.includes(diffId));
  const removeLayer = async (diffId: Digest): Promise<void> => {
    unwanted.delete(diffId);
    chains.removeWith(diffId);
    await store.remove(diffId);
  };
  const layers: LayerFolder = {
    ...store,
    has: (diffId) => store.has(diffId) && !unwanted.has(diffId),
    list: () => store.list().filter((diffId) => !unwanted.has(diffId)),
    ingest(source, body, ingestOptions) {
      unwanted.delete(source.diffId);
      return store.ingest(source, body, ingestOptions);
    },
    unpack(source, ingestOptions) {
      unwanted.delete(source.diffId);
      return store.unpack(source, ingestOptions);
    },
    async remove(diffId) {
      if (!store.has(diffId)) return;
      if (isInUse(diffId)) unwanted.add(diffId);
      else await removeLayer(diffId);
    },
  };

  const unmountSnapshot = (id: string): void => {
    const merged = place(id, "merged");
    if (!isMounted(merged)) return;
    // The end of an overlay waits until the whole file system below is on the disk. Held open here, it comes when the
    // descriptor is closed, and that is done on another thread.
    const held = openSync(merged, O_PATH | O_CLOEXEC);
    let isGone = false;
    try {
      isGone = unmount(merged, { lazy: true });
    } finally {
      if (isGone) close(held, () => {});
      else closeSync(held);
    }
  };

  return {
    driver: "overlay2",
    layers,
    async prepare(id, chain) {
      const target = place(id);
      if (has(id)) throw new Error(`the snapshot ${id} is there already`);
      const name = await chains.prepare(chain);
      const { mode, uid, gid } = chains.get(name).root;
      const temporary = trash.temporary();
      mkdirSync(temporary, { mode: 0o700 });
      const upper = join(temporary, "upper");
      for (const one of [upper, join(temporary, "work"), join(temporary, "merged")]) mkdirSync(one, { mode: 0o755 });
      if (uid !== 0 || gid !== 0) chownSync(upper, uid, gid);
      chmodSync(upper, mode);
      symlinkSync(name, join(temporary, "chain"));
      // Not synced, which would take a millisecond or two of every start: the interface says what a power cut may do.
      renameSync(temporary, target);
    },
    mount(id, mountOptions: MountOptions = {}) {
      const merged = place(id, "merged");
      if (isMounted(merged)) return merged;
      const chain = chainOf(id);
      const plan = {
        lower: chains.directories(chain),
        upper: place(id, "upper"),
        work: place(id, "work"),
        target: merged,
        readonly: mountOptions.readonly ?? false,
        form,
      };
      if (mountOptions.uids || mountOptions.gids) mountMapped(plan, place(id), chains.get(chain).root, mountOptions);
      else mountOverlay(plan);
      return merged;
    },
    unmount: unmountSnapshot,
    root: (id) => place(id, "merged"),
    has,
    async remove(id) {
      unmountSnapshot(id);
      trash.take(place(id));
      for (const diffId of [...unwanted]) if (!isInUse(diffId)) await removeLayer(diffId);
    },
    list,
    async changes(id) {
      const lower = mergeDetached(chains.directories(chainOf(id)), form, trash.temporary());
      const upper = openDirectory(toBytes(place(id, "upper")));
      try {
        return await findChanges(upper, lower, `${form}.overlay.opaque`);
      } finally {
        closeSync(upper);
        closeSync(lower);
      }
    },
    async usage(id) {
      const upper = openDirectory(toBytes(place(id, "upper")));
      try {
        return await measure(upper);
      } finally {
        closeSync(upper);
      }
    },
    describe: (id) => ({
      LowerDir: chains.directories(chainOf(id)).join(":"),
      MergedDir: place(id, "merged"),
      UpperDir: place(id, "upper"),
      WorkDir: place(id, "work"),
    }),
    async settled() {
      await trash.settled();
      await store.settled();
    },
    close: () => store.close(),
  };
}

/** Mounts that a killed process left where things are made or removed, not those of containers. */
function unmountLeftovers(root: string): void {
  const isOurs = (target: string): boolean => {
    const inside = target.startsWith(`${root}/`) ? target.slice(root.length + 1) : "";
    return inside.startsWith("removed/") || /^snapshots\/[0-9a-f]{64}\/mapped\//.test(inside);
  };
  for (const { target } of listMounts().toReversed()) if (isOurs(target)) unmount(target, { lazy: true });
}
