/** Copies a directory tree out of an image or container, with all that belongs to its files. */
import { closeSync, constants, readSync, writeSync } from "node:fs";
import { close, openAt, openat2, openDirectory, resolve } from "../../sys/directory.ts";
import { type ByteString, toBytes } from "../../sys/names.ts";
import {
  chmodAt,
  chmodFd,
  chownAt,
  chownFd,
  isDirectoryMode,
  isSymlinkMode,
  makeDirectoryAt,
  makeLinkAt,
  makeNodeAt,
  makeSymlinkAt,
  readLinkAt,
  S_IFMT,
  S_IFREG,
  type Status,
  setTimesAt,
  setTimesFd,
  statFd,
  truncateFd,
} from "../../sys/nodes.ts";
import type { Root } from "../../sys/rooted.ts";
import {
  getXattr,
  getXattrFd,
  isUnsupported,
  listXattrs,
  listXattrsFd,
  setXattr,
  setXattrFd,
} from "../../sys/xattr.ts";
import { walkTree } from "./walk.ts";

const { O_RDONLY, O_DIRECTORY, O_WRONLY, O_CREAT, O_EXCL, O_NONBLOCK } = constants;
const inside = resolve.BENEATH | resolve.NO_SYMLINKS;
const bufferSize = 1 << 20;

/**
 * Copies what is in the directory `path` of the tree `source` into the directory `target`, which is there and empty, and
 * gives `target` the attributes of that directory: owners, modes, extended attributes, times, hard links, devices, holes.
 * Symbolic links are copied, never followed. Not fsynced: who renames it into place does that. Throws when it fails
 * halfway; what was copied so far stays.
 */
export async function copyTree(source: Root, path: string, target: string): Promise<void> {
  const from = source.openDirectory(path);
  let to = -1;
  try {
    to = openDirectory(toBytes(target));
    await copyInto(from, to);
  } finally {
    close(from);
    if (to !== -1) close(to);
  }
}

async function copyInto(from: number, to: number): Promise<void> {
  /** First copy of each file with several names, by its inode. */
  const links = new Map<string, ByteString>();
  const directories: { path: ByteString; status: Status }[] = [{ path: ".", status: statFd(from) }];
  let buffer: Buffer | undefined;
  let current: ByteString = "";
  let parent = -1;
  try {
    for await (const { directory, name, path, status } of walkTree(from)) {
      const above = path.slice(0, Math.max(0, path.length - name.length - 1));
      if (parent === -1 || above !== current) {
        if (parent !== -1) close(parent);
        parent = -1;
        parent = openat2(to, above || ".", O_RDONLY | O_DIRECTORY, inside);
        current = above;
      }
      if (isDirectoryMode(status.mode)) {
        makeDirectoryAt(parent, name, 0o700);
        directories.push({ path, status });
        continue;
      }
      const key = `${status.device} ${status.inode}`;
      const first = status.links > 1 ? links.get(key) : undefined;
      if (first !== undefined) {
        makeLinkAt(to, first, parent, name);
        continue;
      }
      if (status.links > 1) links.set(key, path);
      if ((status.mode & S_IFMT) === S_IFREG) {
        buffer ??= Buffer.allocUnsafeSlow(bufferSize);
        await copyFile(directory, parent, name, status, buffer);
      } else {
        copyNode(directory, parent, name, status);
      }
    }
  } finally {
    if (parent !== -1) close(parent);
  }
  // From the deepest: what is made in a directory changes its time.
  for (const { path, status } of directories.reverse()) {
    const [source, target] = [
      openat2(from, path, O_RDONLY | O_DIRECTORY, inside),
      openat2(to, path, O_RDONLY | O_DIRECTORY, inside),
    ];
    try {
      copyAttributes(source, target, status);
    } finally {
      close(source);
      close(target);
    }
  }
}

async function copyFile(from: number, to: number, name: ByteString, status: Status, buffer: Buffer): Promise<void> {
  const source = openAt(from, name, O_RDONLY | O_NONBLOCK);
  let target = -1;
  try {
    target = openAt(to, name, O_WRONLY | O_CREAT | O_EXCL, 0o600);
    // With fewer blocks than bytes it has holes: what is all zeros is left out.
    const hasHoles = status.blocks * 512 < status.size;
    let at = 0;
    for (;;) {
      const length = readSync(source, buffer, 0, buffer.length, at);
      if (length === 0) break;
      if (!hasHoles || !isZero(buffer, length)) writeAll(target, buffer, length, at);
      at += length;
      if (length === buffer.length) await new Promise<void>((done) => setImmediate(done));
    }
    if (hasHoles) truncateFd(target, at);
    copyAttributes(source, target, status);
  } finally {
    closeSync(source);
    if (target !== -1) closeSync(target);
  }
}

/** In this order: a change of owner takes away setuid bits and file capabilities. */
function copyAttributes(source: number, target: number, status: Status): void {
  chownFd(target, status.uid, status.gid);
  chmodFd(target, status.mode);
  for (const name of listXattrsFd(source)) {
    const value = getXattrFd(source, name);
    if (value && isWanted(name)) setWhereSupported(() => setXattrFd(target, name, value));
  }
  setTimesFd(target, status.atime, status.atimeNs, status.mtime, status.mtimeNs);
}

function copyNode(from: number, to: number, name: ByteString, status: Status): void {
  const isSymlink = isSymlinkMode(status.mode);
  if (isSymlink) makeSymlinkAt(to, name, readLinkAt(from, name));
  else makeNodeAt(to, name, status.mode, status.major, status.minor);
  chownAt(to, name, status.uid, status.gid);
  if (!isSymlink) chmodAt(to, name, status.mode);
  const [source, target] = [`/proc/self/fd/${from}/${name}`, `/proc/self/fd/${to}/${name}`];
  for (const key of listXattrs(source)) {
    const value = getXattr(source, key);
    if (value && isWanted(key)) setWhereSupported(() => setXattr(target, key, value));
  }
  setTimesAt(to, name, status.atime, status.atimeNs, status.mtime, status.mtimeNs);
}

const isWanted = (name: ByteString): boolean => !name.startsWith("trusted.overlay.") && name !== "security.selinux";

function setWhereSupported(set: () => void): void {
  try {
    set();
  } catch (error) {
    if (!isUnsupported(error)) throw error;
  }
}

function isZero(buffer: Buffer, length: number): boolean {
  const whole = length & ~7;
  const words = new BigUint64Array(buffer.buffer, buffer.byteOffset, whole / 8);
  for (const word of words) if (word !== 0n) return false;
  for (let i = whole; i < length; i++) if (buffer[i] !== 0) return false;
  return true;
}

function writeAll(fd: number, buffer: Buffer, length: number, position: number): void {
  for (let at = 0; at < length; ) at += writeSync(fd, buffer, at, length - at, position + at);
}
