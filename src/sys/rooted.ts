/**
 * A directory tree that somebody else made (an image's, a container's), looked at safely. Every path is resolved as
 * inside a chroot: `/` and `..` and symbolic links lead to the tree's own root, never out of it (openat2(2),
 * RESOLVE_IN_ROOT). Nothing blocks on a FIFO, and no device is ever opened: a file is first opened as a mere place
 * (O_PATH), then seen to be regular, then read.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { close, O_CLOEXEC, O_PATH, openAt, openat2, openDirectory, readDirectory, resolve } from "./directory.ts";
import { SysError } from "./libc.ts";
import { fromBytes, toBytes } from "./names.ts";
import {
  chmodFd,
  chownFd,
  isDirectoryMode,
  makeDirectoryAt,
  readLinkAt,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  type Status,
  statAt,
  statFd,
} from "./nodes.ts";

const { O_DIRECTORY, O_NONBLOCK, O_RDONLY, O_NOCTTY } = constants;
const inRoot = resolve.IN_ROOT | resolve.NO_MAGICLINKS;
/** What the kernel allows in one path (MAXSYMLINKS). */
const linkLimit = 40;

export interface RootedStatus extends Status {
  isDirectory: boolean;
  isFile: boolean;
}

export interface Root {
  /** A descriptor of the root directory itself, valid until `close`. */
  readonly fd: number;
  /**
   * A regular file's bytes; undefined when there is none at the path. Throws when it is not a regular file, or longer
   * than `limit` bytes.
   */
  readFile(path: string, limit: number): Buffer | undefined;
  /** What is at the path, symbolic links followed inside the tree; undefined when nothing is. */
  stat(path: string): RootedStatus | undefined;
  /** Names in a directory, sorted; undefined when there is none. Throws when it is no directory or has over 100,000. */
  list(path: string): string[] | undefined;
  /**
   * Makes the directory and those above it that are missing, with this mode and owner. What is there stays as it is.
   * A symbolic link on the way is followed inside the tree, a dangling one too: its target is made.
   * Throws when something on the way is no directory.
   */
  mkdirAll(path: string, mode: number, uid: number, gid: number): void;
  /** A descriptor of the directory, which the caller closes. Throws SysError: ENOENT, ENOTDIR. */
  openDirectory(path: string): number;
  close(): void;
}

/** Opens the tree at `path`. Throws SysError when that is no directory. */
export function openRoot(path: string): Root {
  const fd = openDirectory(toBytes(path));
  let open = true;

  const place = (inside: string, flags = 0): number | undefined => {
    try {
      return openat2(fd, toBytes(inside) || ".", O_PATH | flags, inRoot);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  };

  const openInside = (inside: string): number =>
    openat2(fd, toBytes(inside) || ".", O_RDONLY | O_DIRECTORY | O_NONBLOCK, inRoot);

  return {
    fd,
    readFile(inside, limit) {
      const at = place(inside);
      if (at === undefined) return undefined;
      try {
        const status = statFd(at);
        if ((status.mode & S_IFMT) !== S_IFREG) throw new Error(`${inside} is not a regular file`);
        if (status.size > limit) throw new Error(`${inside} has ${status.size} bytes, over ${limit}`);
        // Through the descriptor: what was seen is what is read, whatever the path names meanwhile.
        const file = openSync(`/proc/self/fd/${at}`, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        try {
          return readBounded(file, status.size, limit, inside);
        } finally {
          closeSync(file);
        }
      } finally {
        close(at);
      }
    },
    stat(inside) {
      const at = place(inside);
      if (at === undefined) return undefined;
      try {
        const status = statFd(at);
        const isFile = (status.mode & S_IFMT) === S_IFREG;
        return { ...status, isDirectory: isDirectoryMode(status.mode), isFile };
      } finally {
        close(at);
      }
    },
    list(inside) {
      let directory: number;
      try {
        directory = openInside(inside);
      } catch (error) {
        if (error instanceof SysError && error.code === "ENOENT") return undefined;
        throw error;
      }
      try {
        return readDirectory(directory, 100_000)
          .map((entry) => fromBytes(entry.name))
          .sort();
      } finally {
        close(directory);
      }
    },
    mkdirAll(inside, mode, uid, gid) {
      makeAll(fd, inside, mode, uid, gid);
    },
    openDirectory: openInside,
    close() {
      if (open) close(fd);
      open = false;
    },
  };
}

/** Walks part by part, holding each directory: nothing that changes meanwhile can lead out. */
function makeAll(root: number, path: string, mode: number, uid: number, gid: number): void {
  const held: number[] = [];
  const here = (): number => held.at(-1) ?? root;
  const parts = toBytes(path).split("/").reverse();
  let links = 0;
  try {
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      if (part === "" || part === ".") continue;
      if (part === "..") {
        // Up to the directory that we came through, at most to the root: the kernel's own `..` is never asked.
        const left = held.pop();
        if (left !== undefined) close(left);
        continue;
      }
      const status = statAt(here(), part);
      if (status && (status.mode & S_IFMT) === S_IFLNK) {
        if (++links > linkLimit) throw new SysError("mkdir", 40, path);
        const target = readLinkAt(here(), part);
        if (target.startsWith("/")) for (const one of held.splice(0)) close(one);
        parts.push(...target.split("/").reverse());
        continue;
      }
      if (status && !isDirectoryMode(status.mode)) throw new SysError("mkdir", 20, path);
      if (!status) {
        try {
          makeDirectoryAt(here(), part, 0o700);
        } catch (error) {
          if (!(error instanceof SysError && error.code === "EEXIST")) throw error;
        }
      }
      // The last part is not followed: had it become a symbolic link since, this fails instead of leaving the tree.
      const next = openAt(here(), part, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
      held.push(next);
      if (status) continue;
      chownFd(next, uid, gid);
      chmodFd(next, mode);
    }
  } finally {
    for (const one of held) close(one);
  }
}

function readBounded(file: number, expected: number, limit: number, path: string): Buffer {
  // One byte more than it should have: a file that grows meanwhile, or one of /proc that says 0, is seen to go on.
  let buffer = Buffer.allocUnsafe(Math.min(expected, limit) + 1);
  let length = 0;
  for (;;) {
    if (length === buffer.length) {
      if (length > limit) throw new Error(`${path} has more than ${limit} bytes`);
      buffer = Buffer.concat([buffer, Buffer.allocUnsafe(Math.min(Math.max(length, 4096), limit + 1 - length))]);
    }
    const count = readSync(file, buffer, length, buffer.length - length, null);
    if (count === 0) return buffer.subarray(0, length);
    length += count;
  }
}

const isAbsent = (error: unknown): boolean =>
  error instanceof SysError && (error.code === "ENOENT" || error.code === "ENOTDIR");
