/** Directories by descriptor: opening names below them, listing, removing trees. Names are byte strings (names.ts). */
import { constants } from "node:fs";
import { address, check, nr, SysError, syscall } from "./libc.ts";
import { type ByteString, PATH_MAX, place } from "./names.ts";
import { isDirectoryMode, statAt } from "./nodes.ts";

export const O_PATH = 0x200000;
export const O_CLOEXEC = 0x80000;
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;

/** From the kernel's include/uapi/linux/openat2.h. */
export const resolve = {
  NO_XDEV: 0x01,
  NO_MAGICLINKS: 0x02,
  NO_SYMLINKS: 0x04,
  BENEATH: 0x08,
  IN_ROOT: 0x10,
} as const;

const how = new BigUint64Array(new ArrayBuffer(24));
const howAddress = address(how);

/**
 * openat2(2): opens `path` below `directory`, resolved as the flags say (RESOLVE_*). O_CLOEXEC is added.
 * Throws SysError. A race with a rename above (EAGAIN) is tried again a few times.
 */
export function openat2(directory: number, path: ByteString, flags: number, resolution: number, mode = 0): number {
  for (let attempt = 0; ; attempt++) {
    how[0] = BigInt((flags | O_CLOEXEC) >>> 0);
    how[1] = BigInt(mode);
    how[2] = BigInt(resolution);
    const fd = syscall(nr("openat2"), directory, place(path, "openat2"), howAddress, 24);
    if (fd !== -1) return fd;
    try {
      check(-1, "openat2", path);
    } catch (error) {
      if (!(error instanceof SysError && error.code === "EAGAIN" && attempt < 32)) throw error;
    }
  }
}

/** openat(2) of a single name, never through a symbolic link in its place. O_CLOEXEC is added. Throws SysError. */
export function openAt(directory: number, name: ByteString, flags: number, mode = 0): number {
  const fd = syscall(nr("openat"), directory, place(name, "open"), flags | O_CLOEXEC | O_NOFOLLOW, mode);
  return check(fd, "open", name);
}

/** Opens a directory for reading by its path, not following a symbolic link in its last part. */
export const openDirectory = (path: ByteString): number => openAt(-100, path, O_RDONLY | O_DIRECTORY);

/** close(2); no error when it fails. */
export function close(fd: number): void {
  syscall(nr("close"), fd);
}

/** An entry's kind as getdents64 tells it (DT_*); `unknown` where the file system does not tell. */
export type EntryKind = "directory" | "other" | "unknown";

export interface DirectoryEntry {
  name: ByteString;
  kind: EntryKind;
}

const bufferSize = 65536;
let listing: Buffer | undefined;

/** The entries of an open directory, from its beginning, without `.` and `..`; at most `limit` of them (then it throws). */
export function readDirectory(fd: number, limit = Number.POSITIVE_INFINITY): DirectoryEntry[] {
  listing ??= Buffer.from(new ArrayBuffer(bufferSize));
  const buffer = listing;
  const entries: DirectoryEntry[] = [];
  for (;;) {
    const length = check(syscall(nr("getdents64"), fd, address(buffer), bufferSize), "getdents64");
    if (length === 0) return entries;
    for (let at = 0; at < length; ) {
      const size = buffer.readUInt16LE(at + 16);
      const type = buffer[at + 18];
      const end = buffer.indexOf(0, at + 19);
      const name = buffer.toString("latin1", at + 19, end);
      at += size;
      if (name === "." || name === "..") continue;
      entries.push({ name, kind: type === 4 ? "directory" : type === 0 ? "unknown" : "other" });
      if (entries.length > limit) throw new Error(`the directory has more than ${limit} entries`);
    }
  }
}

/** unlinkat(2). Throws SysError. */
export function unlinkAt(directory: number, name: ByteString): void {
  check(syscall(nr("unlinkat"), directory, place(name, "unlink"), 0), "unlink", name);
}

const AT_REMOVEDIR = 0x200;

/** rmdir of a name below a directory. Throws SysError. */
export function removeDirectoryAt(directory: number, name: ByteString): void {
  check(syscall(nr("unlinkat"), directory, place(name, "rmdir"), AT_REMOVEDIR), "rmdir", name);
}

/** renameat2(2) with no flags. Throws SysError. */
export function renameAt(from: number, name: ByteString, to: number, newName: ByteString): void {
  const result = syscall(nr("renameat2"), from, place(name, "rename", 0), to, place(newName, "rename", 1), 0);
  check(result, "rename", name);
}

/**
 * Removes `name` below `directory` and all that it holds, never through a symbolic link; no error when it is absent.
 * Each step is one entry, so that a caller on the event loop can pause: `for (const _ of removeTree(…)) …`.
 * Trees deeper than PATH_MAX (a container can make them) are cut: the deep part is moved up first.
 */
export function* removeTree(directory: number, name: ByteString): Generator<void> {
  const kind = statAt(directory, name)?.mode;
  if (kind === undefined) return;
  if (!isDirectoryMode(kind)) return unlinkAt(directory, name);
  const pending: { path: ByteString; listed: boolean }[] = [{ path: name, listed: false }];
  let moved = 0;
  for (let top = pending.at(-1); top; top = pending.at(-1)) {
    if (top.listed) {
      removeDirectoryAt(directory, top.path);
      pending.pop();
      yield;
      continue;
    }
    top.listed = true;
    const fd = openat2(directory, top.path, O_RDONLY | O_DIRECTORY, resolve.BENEATH | resolve.NO_SYMLINKS);
    try {
      for (const entry of readDirectory(fd)) {
        const isDirectory =
          entry.kind === "directory" ||
          (entry.kind === "unknown" && isDirectoryMode(statAt(fd, entry.name)?.mode ?? 0));
        if (!isDirectory) {
          unlinkAt(fd, entry.name);
          yield;
          continue;
        }
        let path = `${top.path}/${entry.name}`;
        if (path.length >= PATH_MAX - 1) {
          path = `${name}.${moved++}.deep`;
          renameAt(fd, entry.name, directory, path);
        }
        pending.push({ path, listed: false });
      }
    } finally {
      close(fd);
    }
  }
}

/** removeTree in one go: for a Worker, or a tree that is known to be small. */
export function removeTreeNow(directory: number, name: ByteString): void {
  for (const _ of removeTree(directory, name));
}

/** fsync of a directory (or file) by its path: makes a rename into it last. Throws SysError. */
export function syncDirectory(path: ByteString): void {
  const fd = openDirectory(path);
  try {
    check(syscall(nr("fsync"), fd), "fsync", path);
  } finally {
    close(fd);
  }
}

/** syncfs(2): everything written to the file system that holds the open file. Throws SysError. */
export function syncFileSystem(fd: number): void {
  check(syscall(nr("syncfs"), fd), "syncfs");
}
