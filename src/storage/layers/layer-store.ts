/** The layer store in a folder: `sha256/HEX/` with `diff/` and `layer.json` for each layer. */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { close, openDirectory } from "../../sys/directory.ts";
import { spreadDirectories } from "../../sys/filesystem.ts";
import { toBytes } from "../../sys/names.ts";
import type { Digest } from "../content/content.ts";
import type { BlobFolder } from "../content/content-store.ts";
import { algorithms, isDigest } from "../content/digest.ts";
import { syncPath } from "../durable/durable.ts";
import { openTrash } from "../trash/trash.ts";
import { feed } from "./feed.ts";
import type { IngestOptions, LayerSource, LayerStore } from "./layers.ts";
import type { Order } from "./messages.ts";
import { createPool, LayerFailure } from "./pool.ts";
import { defaultLimits, type TarLimits } from "./tar/tar.ts";
import type { Unpacked, WhiteoutForm } from "./unpack/unpack.ts";

export interface LayerFolderOptions {
  root: string;
  content: BlobFolder;
  form: WhiteoutForm;
  limits?: Partial<TarLimits>;
  /** Milliseconds that an unpacking thread waits for more work. */
  idle?: number;
}

/** What a snapshot driver needs besides. */
export interface LayerFolder extends LayerStore {
  /** The directory of the layer's files. */
  directory(diffId: Digest): string;
  /** What was seen when it was unpacked. Throws when the layer is not there. */
  describe(diffId: Digest): Unpacked;
  /** Resolves when nothing goes on in the background: deletions, above all the sweep at the start. */
  settled(): Promise<void>;
  /** Ends the unpacking threads. */
  close(): void;
}

/** Opens (or makes) the store. What a process that was killed left half-made is removed, in the background. */
export function createLayerStore(options: LayerFolderOptions): LayerFolder {
  const { root, content, form } = options;
  const limits = { ...defaultLimits, ...options.limits };
  for (const algorithm of algorithms) mkdirSync(join(root, algorithm), { recursive: true, mode: 0o700 });
  const ingest = join(root, "ingest");
  const trash = openTrash(ingest);
  // ext4 passes over inodes that were freed in the last minutes, one by one, in the part of the disk where a directory
  // is: to take a layer in where another was just removed took five times as long. So each goes elsewhere.
  const fd = openDirectory(toBytes(ingest));
  spreadDirectories(fd);
  close(fd);
  const pool = createPool(options.idle);
  const known = new Map<Digest, Unpacked | undefined>();
  const running = new Map<Digest, Promise<void>>();

  const folder = (diffId: Digest): string => join(root, ...diffId.split(":"));
  for (const algorithm of algorithms) {
    for (const hex of readdirSync(join(root, algorithm))) {
      const diffId = `${algorithm}:${hex}`;
      if (isDigest(diffId)) known.set(diffId, undefined);
    }
  }

  const describe = (diffId: Digest): Unpacked => {
    if (!known.has(diffId)) throw new Error(`the layer ${diffId} is not there`);
    const seen = known.get(diffId);
    if (seen) return seen;
    const read = JSON.parse(readFileSync(join(folder(diffId), "layer.json"), "utf8")) as Unpacked;
    known.set(diffId, read);
    return read;
  };

  /** Gives the unpacked directory its name. The blob has its own already: a layer is never there without it. */
  const adopt = async (temporary: string, diffId: Digest, unpacked: Unpacked): Promise<void> => {
    const target = folder(diffId);
    if (known.has(diffId)) {
      trash.take(temporary);
      return;
    }
    await rename(temporary, target);
    await syncPath(dirname(target));
    known.set(diffId, unpacked);
  };

  const order = (source: LayerSource, where: Pick<Order, "blob" | "source">): Order => ({
    digest: source.descriptor.digest,
    size: source.descriptor.size,
    mediaType: source.descriptor.mediaType,
    diffId: source.diffId,
    directory: trash.temporary(),
    form,
    limits,
    ...where,
  });

  const unpackStored = async (source: LayerSource, options: IngestOptions): Promise<void> => {
    const { digest } = source.descriptor;
    const task = order(source, { source: content.path(digest) });
    const unpacked = await feed(pool, task, undefined, options, trash);
    await adopt(task.directory, source.diffId, unpacked);
  };

  const ingestBody = async (
    source: LayerSource,
    body: ReadableStream<Uint8Array>,
    options: IngestOptions,
  ): Promise<void> => {
    const { digest, size } = source.descriptor;
    if (content.size(digest) === size) {
      try {
        await unpackStored(source, options);
        await body.cancel();
        return;
      } catch (error) {
        if (!(error instanceof LayerFailure && error.damaged)) {
          await body.cancel();
          throw error;
        }
        // The blob went bad on the disk: take it anew.
        await content.remove(digest);
      }
    }
    const blob = content.temporary();
    const task = order(source, { blob });
    const unpacked = await feed(pool, task, body, options, trash);
    try {
      await content.adopt(blob, digest);
      await adopt(task.directory, source.diffId, unpacked);
    } catch (error) {
      trash.take(task.directory);
      trash.take(blob);
      throw error;
    }
  };

  /** Does the work for a layer, unless it is there or somebody does it: then it waits, and takes over if they fail. */
  const once = async (
    source: LayerSource,
    options: IngestOptions,
    work: () => Promise<void>,
    skip: () => Promise<void>,
  ): Promise<void> => {
    const { diffId, descriptor } = source;
    for (const digest of [diffId, descriptor.digest]) {
      if (!isDigest(digest)) throw new Error(`${JSON.stringify(digest)} is not a digest`);
    }
    try {
      for (let other = running.get(diffId); other; other = running.get(diffId)) await settledOr(other, options.signal);
      options.signal?.throwIfAborted();
    } catch (error) {
      await skip();
      throw error;
    }
    // A layer may be there without its blob, when it came with another one or was revived.
    if (known.has(diffId) && content.has(descriptor.digest)) {
      await skip();
      options.onDownloaded?.();
      return;
    }
    const task = work();
    const tracked = task.then(
      () => {},
      () => {},
    );
    running.set(diffId, tracked);
    try {
      await task;
    } finally {
      running.delete(diffId);
    }
  };

  return {
    has: (diffId) => known.has(diffId),
    ingest: (source, body, options = {}) =>
      once(
        source,
        options,
        () => ingestBody(source, body, options),
        () => body.cancel(),
      ),
    unpack: (source, options = {}) =>
      once(
        source,
        options,
        () => (known.has(source.diffId) ? Promise.resolve() : unpackStored(source, options)),
        async () => {},
      ),
    size: (diffId) => describe(diffId).size,
    async remove(diffId) {
      if (!known.delete(diffId)) return;
      trash.take(folder(diffId));
      await syncPath(dirname(folder(diffId)));
    },
    list: () => [...known.keys()],
    directory: (diffId) => join(folder(diffId), "diff"),
    describe,
    settled: () => trash.settled(),
    close: () => pool.close(),
  };
}

/** Resolves with the other's end, whatever it was; rejects when the signal says so first. */
function settledOr(other: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return other;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    void other.then(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    });
  });
}
