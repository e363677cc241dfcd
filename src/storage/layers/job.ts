/**
 * One layer's way through a Worker, in one pass: the blob's bytes are hashed and written to a file, decompressed, hashed
 * again and unpacked. Files are written by synchronous calls: this thread has nothing else to do.
 */
import { createHash, type Hash } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readSync, unlinkSync, writeFileSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { close, openDirectory, removeTreeNow, syncFileSystem } from "../../sys/directory.ts";
import { toBytes } from "../../sys/names.ts";
import { chmodFd } from "../../sys/nodes.ts";
import type { Digest } from "../content/content.ts";
import { algorithmOf } from "../content/digest.ts";
import { createDecompressor, type Decompressor, detectCompression, expectedCompression } from "./decompress.ts";
import type { FromWorker, Order } from "./messages.ts";
import { createTarReader } from "./tar/reader.ts";
import { createUnpacker } from "./unpack/unpack.ts";

export interface Job {
  piece(buffer: ArrayBuffer, length: number): void;
  last(): void;
  abort(): void;
}

const readSize = 262144;

/** The bytes are not those of the digest. */
class DigestError extends Error {}

/** Begins the job; `finished` is called once, when nothing more comes of it. Never throws: failures are messages. */
export function startJob(
  id: number,
  order: Order,
  post: (message: FromWorker, transfer?: ArrayBuffer[]) => void,
  finished: () => void,
): Job {
  let over = false;
  let blob = -1;
  let source = -1;
  let root = -1;
  let unpacker: ReturnType<typeof createUnpacker> | undefined;
  let tar: ReturnType<typeof createTarReader> | undefined;
  let decompressor: Decompressor | undefined;
  const blobHash = createHash(algorithmOf(order.digest));
  const diffHash = createHash(algorithmOf(order.diffId));
  let bytes = 0;

  const cleanUp = (): void => {
    decompressor?.destroy();
    unpacker?.close();
    if (root !== -1) close(root);
    if (blob !== -1) closeSync(blob);
    if (source !== -1) closeSync(source);
    root = -1;
    blob = -1;
    source = -1;
  };

  const discard = (): void => {
    const parent = openDirectory(toBytes(dirname(order.directory)));
    try {
      removeTreeNow(parent, toBytes(order.directory.slice(dirname(order.directory).length + 1)));
    } finally {
      close(parent);
    }
    if (order.blob === undefined) return;
    try {
      unlinkSync(order.blob);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  };

  const fail = (error: unknown, isAborted = false): void => {
    if (over) return;
    over = true;
    let damaged = error instanceof DigestError;
    let message = error instanceof Error ? error.message : String(error);
    try {
      cleanUp();
      discard();
      // Bytes that went bad on the disk break the decompression before the digest is known.
      if (order.source !== undefined && !damaged && !isAborted) damaged = !isIntact(order.source, order.digest);
    } catch (second) {
      message += ` (and it could not be cleaned up: ${second instanceof Error ? second.message : String(second)})`;
    }
    post({ kind: "failed", id, message: `layer ${order.digest}: ${message}`, damaged });
    finished();
  };

  /** Runs a step; what it throws ends the job. */
  const guard = (step: () => void): void => {
    if (over) return;
    try {
      step();
    } catch (error) {
      fail(error);
    }
  };

  const unpacked = (): void => {
    if (!tar || !unpacker) throw new Error("it ended before it began");
    tar.end();
    verify(diffHash, order.diffId, "its content has the diff ID", (text) => new Error(text));
    const result = unpacker.finish();
    writeFileSync(join(order.directory, "layer.json"), JSON.stringify({ version: 1, diffId: order.diffId, ...result }));
    if (blob !== -1) fsyncSync(blob);
    syncFileSystem(root);
    over = true;
    cleanUp();
    post({ kind: "done", id, unpacked: result });
    finished();
  };

  const begin = (start: Uint8Array): Decompressor => {
    const compression = detectCompression(start);
    const expected = expectedCompression(order.mediaType);
    if (expected !== undefined && compression !== expected) {
      const found = compression === "none" ? "not compressed" : `${compression} data`;
      throw new Error(`it is ${found}, but its media type is ${order.mediaType}`);
    }
    return createDecompressor(compression, {
      data(chunk) {
        if (over) return;
        diffHash.update(chunk);
        tar?.write(chunk);
      },
      end: () => guard(unpacked),
      fail: (error) => fail(error),
    });
  };

  const take = (chunk: Uint8Array, taken: () => void): void => {
    bytes += chunk.length;
    if (bytes > order.size) throw new DigestError(`it is longer than the ${order.size} bytes that its descriptor says`);
    blobHash.update(chunk);
    if (blob !== -1) writeAll(blob, chunk);
    decompressor ??= begin(chunk);
    decompressor.write(chunk, taken);
  };

  const last = (): void => {
    if (bytes !== order.size) {
      throw new DigestError(`it ends after ${bytes} bytes of the ${order.size} that its descriptor says`);
    }
    verify(blobHash, order.digest, "it has the digest", (text) => new DigestError(text));
    post({ kind: "verified", id });
    decompressor ??= begin(new Uint8Array());
    decompressor.end();
  };

  /** Reads the blob from its file, a piece whenever the one before is used up. */
  const readFile = (path: string): void => {
    source = openSync(path, "r");
    const next = (): void =>
      guard(() => {
        const buffer = Buffer.allocUnsafeSlow(readSize);
        const length = readSync(source, buffer, 0, readSize, null);
        if (length === 0) {
          last();
          return;
        }
        take(buffer.subarray(0, length), () => {
          post({ kind: "read", id, bytes });
          // By way of the event loop: an order to stop is heard between two pieces.
          setImmediate(next);
        });
      });
    next();
  };

  const job: Job = {
    piece(buffer, length) {
      const taken = () => post({ kind: "taken", id, buffer }, [buffer]);
      guard(() => take(new Uint8Array(buffer, 0, length), taken));
    },
    last: () => guard(last),
    abort: () => fail(new Error("it was given up"), true),
  };

  guard(() => {
    mkdirSync(order.directory, { mode: 0o700 });
    const diff = join(order.directory, "diff");
    mkdirSync(diff, { mode: 0o700 });
    if (order.blob !== undefined) blob = openSync(order.blob, "wx", 0o600);
    root = openDirectory(toBytes(diff));
    chmodFd(root, 0o700);
    unpacker = createUnpacker(root, order.form);
    tar = createTarReader(unpacker, order.limits);
    if (order.source !== undefined) readFile(order.source);
  });
  return job;
}

function verify(hash: Hash, expected: Digest, what: string, failure: (text: string) => Error): void {
  const found = `${algorithmOf(expected)}:${hash.digest("hex")}`;
  if (found !== expected) throw failure(`${what} ${found}, not ${expected}`);
}

function isIntact(file: string, digest: Digest): boolean {
  const [hash, buffer] = [createHash(algorithmOf(digest)), Buffer.allocUnsafeSlow(readSize)];
  const fd = openSync(file, "r");
  try {
    for (let length = readSync(fd, buffer); length > 0; length = readSync(fd, buffer)) {
      hash.update(buffer.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
  return `${algorithmOf(digest)}:${hash.digest("hex")}` === digest;
}

function writeAll(fd: number, chunk: Uint8Array): void {
  for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at, chunk.length - at);
}
