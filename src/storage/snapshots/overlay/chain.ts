/**
 * Chains of layers: the list of directories that overlayfs merges, and on top of them one that belongs to the chain. That
 * one has the places that a container's mounts need and the image lacks (Docker's "init layer"), so that no container
 * gets them in its writable part, and repaired directories: a layer is unpacked without those below it at hand, so
 * directories that its archive implies but does not list have made-up attributes. Where they would show, the chain's own
 * directory has them, empty, with the attributes that they have below.
 */
import { createHash } from "node:crypto";
import { constants, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { close, openat2, openDirectory, resolve } from "../../../sys/directory.ts";
import { toBytes } from "../../../sys/names.ts";
import {
  chmodAt,
  chmodFd,
  chownFd,
  isDirectoryMode,
  makeDirectoryAt,
  makeNodeAt,
  makeSymlinkAt,
  S_IFDIR,
  S_IFREG,
  setTimesFd,
} from "../../../sys/nodes.ts";
import { getXattrFd, listXattrsFd, setXattrFd } from "../../../sys/xattr.ts";
import type { Digest } from "../../content/content.ts";
import { syncPath } from "../../durable/durable.ts";
import type { LayerFolder } from "../../layers/layer-store.ts";
import type { WhiteoutForm } from "../../layers/unpack/unpack.ts";
import type { Trash } from "../../trash/trash.ts";
import { findAttributes, findRepairs, type OpenLayer, type Repair, see, type View } from "./view.ts";

const { O_RDONLY, O_DIRECTORY } = constants;

/** What is known of a chain; kept as `chain.json`. */
export interface Chain {
  version: 1;
  /** Base first. */
  diffIds: Digest[];
  /** Of the merged root directory. */
  root: { mode: number; uid: number; gid: number };
  /** How many of the topmost layers are seen: those below one that hides everything are not. */
  visible: number;
}

export interface Chains {
  /** The chain's name; made when it is the first time. Throws when a layer is not there. */
  prepare(diffIds: Digest[]): Promise<string>;
  /** Throws when there is none of that name. */
  get(name: string): Chain;
  /** Its directories, topmost first, for `lowerdir`: at least one. */
  directories(name: string): string[];
  /** Removes the chains that hold the layer. */
  removeWith(diffId: Digest): void;
}

/** A chain's name: the hex digits of its chain ID (OCI image-spec, config.md), `empty` without layers. */
export function chainName(diffIds: Digest[]): string {
  const [first, ...rest] = diffIds;
  if (first === undefined) return "empty";
  let id: string = first;
  for (const diffId of rest) id = `sha256:${createHash("sha256").update(`${id} ${diffId}`).digest("hex")}`;
  return id.slice(id.indexOf(":") + 1);
}

/** Opens (or makes) the folder of chains. */
export function openChains(folder: string, layers: LayerFolder, form: WhiteoutForm, trash: Trash): Chains {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const known = new Map<string, Chain | undefined>(readdirSync(folder).map((name) => [name, undefined]));

  const get = (name: string): Chain => {
    const seen = known.get(name);
    if (seen) return seen;
    const chain = JSON.parse(readFileSync(join(folder, name, "chain.json"), "utf8")) as Chain;
    known.set(name, chain);
    return chain;
  };

  const making = new Map<string, Promise<void>>();
  const make = async (name: string, diffIds: Digest[]): Promise<void> => {
    for (const diffId of diffIds) {
      if (!layers.has(diffId)) throw new Error(`the layer ${diffId} is not there`);
    }
    const temporary = trash.temporary();
    mkdirSync(join(temporary, "diff"), { recursive: true, mode: 0o755 });
    const chain = settle(join(temporary, "diff"), layers, diffIds, form);
    const record = join(temporary, "chain.json");
    writeFileSync(record, JSON.stringify(chain));
    await syncPath(record);
    renameSync(temporary, join(folder, name));
    await syncPath(folder);
    known.set(name, chain);
  };

  return {
    get,
    async prepare(diffIds) {
      const name = chainName(diffIds);
      if (known.has(name)) return name;
      const task = making.get(name) ?? make(name, diffIds).finally(() => making.delete(name));
      making.set(name, task);
      await task;
      return name;
    },
    directories(name) {
      const { diffIds, visible } = get(name);
      const seen = diffIds.slice(diffIds.length - visible).reverse();
      return [join(folder, name, "diff"), ...seen.map((diffId) => layers.directory(diffId))];
    },
    removeWith(diffId) {
      for (const name of [...known.keys()]) {
        if (!get(name).diffIds.includes(diffId)) continue;
        known.delete(name);
        trash.take(join(folder, name));
      }
    },
  };
}

/** Fills `target`, the chain's own directory, and tells about the chain. */
function settle(target: string, layers: LayerFolder, diffIds: Digest[], form: WhiteoutForm): Chain {
  const opened: OpenLayer[] = [];
  try {
    // Topmost first, down to one that hides what is below it.
    for (const diffId of diffIds.toReversed()) {
      const { implied, opaque } = layers.describe(diffId);
      opened.push({ fd: openDirectory(toBytes(layers.directory(diffId))), implied: new Set(implied) });
      if (opaque) break;
    }
    const view: View = { layers: opened, opaqueName: `${form}.overlay.opaque` };
    const { mode, uid, gid } = findAttributes(view, "").status ?? { mode: 0o755, uid: 0, gid: 0 };
    const places = findMissingPlaces(view);
    fill(target, findRepairs(view, places), places, `${form}.overlay.`);
    return { version: 1, diffIds, root: { mode: mode & 0o7777, uid, gid }, visible: opened.length };
  } finally {
    for (const layer of opened) close(layer.fd);
  }
}

/** What Docker gives every container, unless its image has it. */
const places: { path: string; kind: "directory" | "file" | "symlink"; target?: string }[] = [
  { path: "dev", kind: "directory" },
  { path: "dev/console", kind: "file" },
  { path: "dev/pts", kind: "directory" },
  { path: "dev/shm", kind: "directory" },
  { path: "etc", kind: "directory" },
  { path: "etc/hostname", kind: "file" },
  { path: "etc/hosts", kind: "file" },
  { path: "etc/mtab", kind: "symlink", target: "/proc/mounts" },
  { path: "etc/resolv.conf", kind: "file" },
  { path: "proc", kind: "directory" },
  { path: "sys", kind: "directory" },
  { path: ".dockerenv", kind: "file" },
];

type Place = (typeof places)[number];

/** Those that the merged layers do not have, and whose parent is a directory (or missing as well). */
function findMissingPlaces(view: View): Place[] {
  const missing = new Set<string>();
  return places.filter((place) => {
    if (see(view, place.path)) return false;
    const parent = place.path.slice(0, Math.max(0, place.path.lastIndexOf("/")));
    const isUsable = missing.has(parent) || isDirectoryMode(see(view, parent)?.status.mode ?? S_IFDIR);
    if (isUsable) missing.add(place.path);
    return isUsable;
  });
}

function fill(target: string, repairs: Repair[], missing: Place[], ownXattrs: string): void {
  const root = openDirectory(toBytes(target));
  const inside = resolve.BENEATH | resolve.NO_SYMLINKS;
  try {
    for (const { path } of repairs) makeDirectoryAt(root, path, 0o700);
    for (const { path, kind, target: link } of missing) {
      if (kind === "directory") makeDirectoryAt(root, path, 0o755);
      else if (kind === "symlink") makeSymlinkAt(root, path, link ?? "");
      else makeNodeAt(root, path, S_IFREG | 0o755);
      if (kind !== "symlink") chmodAt(root, path, 0o755);
    }
    // From the deepest: what is made in a directory changes its time.
    for (const { path, status, layer } of repairs.toReversed()) {
      const from = openat2(layer.fd, path, O_RDONLY | O_DIRECTORY, inside);
      const fd = openat2(root, path, O_RDONLY | O_DIRECTORY, inside);
      try {
        chownFd(fd, status.uid, status.gid);
        chmodFd(fd, status.mode);
        for (const name of listXattrsFd(from)) {
          const value = name.startsWith(ownXattrs) ? undefined : getXattrFd(from, name);
          if (value) setXattrFd(fd, name, value);
        }
        setTimesFd(fd, status.mtime, status.mtimeNs, status.mtime, status.mtimeNs);
      } finally {
        close(from);
        close(fd);
      }
    }
  } finally {
    close(root);
  }
}
