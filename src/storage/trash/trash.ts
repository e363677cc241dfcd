/**
 * Removal of directory trees that survives a kill: one rename into a folder takes a tree away, then it is deleted in the
 * background, and what a killed process left in the folder is deleted at the next start.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { close, openDirectory, removeTree } from "../../sys/directory.ts";
import { toBytes } from "../../sys/names.ts";

export interface Trash {
  /** A name in the folder that nothing has: for what is in the making, and is swept if it never gets another name. */
  temporary(): string;
  /** Takes away what is at the path (same file system), synchronously; false when nothing is. Its deletion goes on. */
  take(path: string): boolean;
  /** Deletes a thing in the folder; goes on when it fails, and the next start tries again. */
  discard(path: string): Promise<void>;
  /** Resolves when no deletion is under way. */
  settled(): Promise<void>;
}

/** Opens (or makes) the folder, and begins to delete what is in it. One process at a time may have it. */
export function openTrash(folder: string): Trash {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const running = new Set<Promise<void>>();

  const discard = (path: string): Promise<void> => {
    const removal = remove(folder, path).catch((error) => {
      console.error(`${path} could not be removed: ${error instanceof Error ? error.message : String(error)}`);
    });
    const tracked = removal.finally(() => running.delete(tracked));
    running.add(tracked);
    return tracked;
  };
  for (const name of readdirSync(folder)) void discard(join(folder, name));

  return {
    temporary: () => join(folder, randomBytes(16).toString("hex")),
    take(path) {
      const target = join(folder, randomBytes(16).toString("hex"));
      try {
        renameSync(path, target);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
        throw error;
      }
      void discard(target);
      return true;
    },
    discard,
    async settled() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

async function remove(folder: string, path: string): Promise<void> {
  try {
    // On the thread pool.
    await rm(path, { recursive: true, force: true });
    return;
  } catch {
    // A tree deeper than a path can tell: the slow way, in slices.
  }
  const parent = openDirectory(toBytes(folder));
  try {
    let count = 0;
    for (const _ of removeTree(parent, toBytes(path.slice(folder.length + 1)))) {
      if (++count % 200 === 0) await new Promise<void>((done) => setImmediate(done));
    }
  } finally {
    close(parent);
  }
}
