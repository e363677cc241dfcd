/** Names in an archive, and descriptors of the directories that they are in. */
import { constants } from "node:fs";
import { close, openAt, openat2, resolve, unlinkAt } from "../../../sys/directory.ts";
import { SysError } from "../../../sys/libc.ts";
import type { ByteString } from "../../../sys/names.ts";
import {
  isDirectoryMode,
  isSymlinkMode,
  makeDirectoryAt,
  readLinkAt,
  S_IFCHR,
  S_IFMT,
  type Status,
  statAt,
} from "../../../sys/nodes.ts";
import { TarError } from "../tar/tar.ts";

const { O_RDONLY, O_DIRECTORY } = constants;
const strict = resolve.BENEATH | resolve.NO_SYMLINKS | resolve.NO_XDEV;
const confined = resolve.IN_ROOT | resolve.NO_MAGICLINKS | resolve.NO_XDEV;
/** Descriptors that are kept open. */
const cacheSize = 64;

/**
 * The name without the slashes and dots that mean nothing; "" is the root. Throws TarError when it has a `..`: what it
 * would mean depends on symbolic links.
 */
export function cleanName(name: ByteString, what: string): ByteString {
  if (!/(?:^|\/)\.{0,2}(?:\/|$)/.test(name)) return name;
  const parts: ByteString[] = [];
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") throw new TarError(`its ${what} ${JSON.stringify(name)} leads out of the layer`);
    parts.push(part);
  }
  return parts.join("/");
}

/** A whiteout in overlayfs's form: a character device 0:0. */
export const isWhiteout = (status: Status): boolean =>
  (status.mode & S_IFMT) === S_IFCHR && status.major === 0 && status.minor === 0;

export interface Parents {
  /**
   * A descriptor of the directory, made if it is missing, and its real path: another one where the archive itself leads
   * through a symbolic link to a directory that it holds. Owned by the cache: for the next call only.
   */
  make(path: ByteString): [fd: number, path: ByteString];
  /** The same for what must be there; undefined when it is not. Stays open over one call of `make` at most. */
  find(path: ByteString): number | undefined;
  /** A directory or symbolic link at the path was removed: what led through it is found anew. */
  forget(path: ByteString): void;
  /** The archive does list the directory. */
  listed(path: ByteString): void;
  /** Directories that were made and never listed; some may have been replaced since. */
  implied(): Set<ByteString>;
  close(): void;
}

/** `setOpaque` marks a directory that takes a whiteout's place. */
export function createParents(root: number, setOpaque: (fd: number) => void): Parents {
  const cache = new Map<ByteString, [fd: number, path: ByteString]>();
  const implied = new Set<ByteString>();
  /** Descriptors that are out of the cache, but may be in the caller's hand until its next call. */
  const stale: number[] = [];
  let last: ByteString = "";
  const atRoot: [number, ByteString] = [root, ""];
  let lastHit = atRoot;

  const keep = (path: ByteString, fd: number, real: ByteString): [number, ByteString] => {
    if (cache.size >= cacheSize) {
      // The least recently used: never the one that was asked for last.
      const [oldest, [old]] = cache.entries().next().value as [ByteString, [number, ByteString]];
      cache.delete(oldest);
      close(old);
    }
    const hit: [number, ByteString] = [fd, real];
    cache.set(path, hit);
    last = path;
    lastHit = hit;
    return hit;
  };

  const closeStale = (): void => {
    for (const fd of stale.splice(0)) close(fd);
  };

  const lookup = (path: ByteString): [number, ByteString] | undefined => {
    if (path === last) return lastHit;
    if (path === "") return atRoot;
    const hit = cache.get(path);
    if (hit) {
      cache.delete(path);
      cache.set(path, hit);
      last = path;
      lastHit = hit;
      return hit;
    }
    try {
      return keep(path, openat2(root, path, O_RDONLY | O_DIRECTORY, strict), path);
    } catch (error) {
      if (isNoDirectory(error)) return undefined;
      throw error;
    }
  };

  /** The directory that a symbolic link of the archive leads to, resolved by the kernel with our root as its root. */
  const throughLink = (path: ByteString): [number, ByteString] => {
    let fd: number;
    try {
      fd = openat2(root, path, O_RDONLY | O_DIRECTORY, confined);
    } catch (error) {
      const reason = error instanceof SysError ? error.code : String(error);
      throw new TarError(`it leads through the symbolic link ${JSON.stringify(path)} out of the layer (${reason})`);
    }
    const base = readLinkAt(-100, `/proc/self/fd/${root}`);
    const real = readLinkAt(-100, `/proc/self/fd/${fd}`);
    return [fd, real === base ? "" : real.slice(base.length + 1)];
  };

  /** Walks from the root; `real` is the way without symbolic links. Undefined when it ends and nothing is to be made. */
  const walk = (path: ByteString, create: boolean): [number, ByteString] | undefined => {
    let here = root;
    let real = "";
    const leave = () => {
      if (here !== root) close(here);
      here = root;
    };
    try {
      for (const part of path.split("/")) {
        const next = real === "" ? part : `${real}/${part}`;
        const there = statAt(here, part);
        if (there && isSymlinkMode(there.mode)) {
          const [fd, target] = throughLink(next);
          leave();
          here = fd;
          real = target;
          continue;
        }
        const hidden = there !== undefined && isWhiteout(there);
        if (!there || hidden) {
          if (!create) return undefined;
          if (hidden) unlinkAt(here, part);
          makeDirectoryAt(here, part, 0o700);
          implied.add(next);
        } else if (!isDirectoryMode(there.mode)) {
          if (!create) return undefined;
          throw new TarError(`${JSON.stringify(next)} is not a directory`);
        }
        const fd = openAt(here, part, O_RDONLY | O_DIRECTORY);
        leave();
        here = fd;
        real = next;
        if (hidden) setOpaque(here);
      }
      const hit = keep(path, here, real);
      here = root;
      return hit;
    } finally {
      leave();
    }
  };

  return {
    make(path) {
      closeStale();
      return lookup(path) ?? (walk(path, true) as [number, ByteString]);
    },
    find: (path) => (lookup(path) ?? walk(path, false))?.[0],
    forget(path) {
      for (const [key, [fd, real]] of cache) {
        const isBelow = real === path || real.startsWith(`${path}/`);
        if (!isBelow && key === real) continue;
        cache.delete(key);
        stale.push(fd);
      }
      last = "";
      lastHit = atRoot;
    },
    listed(path) {
      implied.delete(path);
    },
    implied: () => new Set(implied),
    close() {
      for (const [fd] of cache.values()) close(fd);
      cache.clear();
      closeStale();
    },
  };
}

/** The error says that no directory is at the path, or that a symbolic link is on the way. */
export const isNoDirectory = (error: unknown): boolean =>
  error instanceof SysError && (error.code === "ENOENT" || error.code === "ENOTDIR" || error.code === "ELOOP");
