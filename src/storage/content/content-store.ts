/** The content store in a folder: `blobs/sha256/HEX`, as in an OCI image layout, and `ingest/` for what is not whole yet. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncPath } from "../durable/durable.ts";
import type { ContentStore, Digest } from "./content.ts";
import { algorithms, digestOf, isDigest } from "./digest.ts";

const defaultLimit = 4 << 20;

/** What the layer store needs besides: a place for a blob in the making, and the move from there into the store. */
export interface BlobFolder extends ContentStore {
  /** A name of its own in the folder that is swept at the next start. */
  temporary(): string;
  /** Gives a whole, verified and fsynced file its name. It lasts when this resolves. */
  adopt(file: string, digest: Digest): Promise<void>;
}

/** Opens (or makes) the store at `root`. What a process that was killed left half-written is removed. */
export function createContentStore(root: string): BlobFolder {
  const ingest = join(root, "ingest");
  for (const algorithm of algorithms) mkdirSync(join(root, "blobs", algorithm), { recursive: true, mode: 0o700 });
  mkdirSync(ingest, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(ingest)) rmSync(join(ingest, name), { force: true, recursive: true });

  const path = (digest: Digest): string => {
    if (!isDigest(digest)) throw new Error(`${JSON.stringify(digest)} is not a digest`);
    const [algorithm = "", hex = ""] = digest.split(":");
    return join(root, "blobs", algorithm, hex);
  };
  const temporary = (): string => join(ingest, randomBytes(16).toString("hex"));
  const size = (digest: Digest): number | undefined => statSync(path(digest), { throwIfNoEntry: false })?.size;

  const adopt = async (file: string, digest: Digest): Promise<void> => {
    const target = path(digest);
    await rename(file, target);
    await syncPath(dirname(target));
  };

  return {
    path,
    has: (digest) => size(digest) !== undefined,
    size,
    temporary,
    adopt,
    async read(digest, limit = defaultLimit) {
      const file = await open(path(digest), "r").catch((error) => {
        throw (error as NodeJS.ErrnoException).code === "ENOENT"
          ? new Error(`the blob ${digest} is not in the content store`)
          : error;
      });
      try {
        const { size } = await file.stat();
        if (size > limit) throw new Error(`the blob ${digest} has ${size} bytes, over ${limit}`);
        const bytes = await file.readFile();
        if (digestOf(bytes, digest) !== digest) {
          throw new Error(`the blob ${digest} in the content store is damaged: it has the digest ${digestOf(bytes)}`);
        }
        return bytes;
      } finally {
        await file.close();
      }
    },
    async put(bytes, expected) {
      const digest = digestOf(bytes, expected);
      if (expected !== undefined && digest !== expected) {
        throw new Error(`the content has the digest ${digest}, not ${expected}`);
      }
      if (size(digest) === bytes.length) return digest;
      const name = temporary();
      try {
        const file = await open(name, "wx", 0o600);
        try {
          await file.writeFile(bytes);
          await file.sync();
        } finally {
          await file.close();
        }
        await adopt(name, digest);
      } catch (error) {
        await rm(name, { force: true });
        throw error;
      }
      return digest;
    },
    async remove(digest) {
      await rm(path(digest), { force: true });
    },
    async list() {
      const digests: Digest[] = [];
      for (const algorithm of algorithms) {
        for (const hex of await readdir(join(root, "blobs", algorithm))) {
          const digest = `${algorithm}:${hex}`;
          if (isDigest(digest)) digests.push(digest);
        }
      }
      return digests;
    },
  };
}
