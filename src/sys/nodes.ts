/**
 * Making and describing files below directory descriptors: mknod and the like. Names are byte strings (names.ts) and no
 * call follows a symbolic link in the last part of one. All throw SysError.
 */
import { address, check, errno, nr, SysError, syscall } from "./libc.ts";
import { type ByteString, place } from "./names.ts";

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
const ENOENT = 2;
const ENOTDIR = 20;

/** The kind bits of a mode. */
export const S_IFMT = 0o170000;
export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFDIR = 0o040000;
export const S_IFBLK = 0o060000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;
export const S_IFSOCK = 0o140000;

export const isDirectoryMode = (mode: number): boolean => (mode & S_IFMT) === S_IFDIR;
export const isSymlinkMode = (mode: number): boolean => (mode & S_IFMT) === S_IFLNK;

export interface Status {
  /** Kind and permission bits. */
  mode: number;
  uid: number;
  gid: number;
  links: number;
  inode: number;
  size: number;
  /** 512-byte blocks that it takes. */
  blocks: number;
  /** Seconds since the epoch, and nanoseconds. */
  mtime: number;
  mtimeNs: number;
  ctime: number;
  ctimeNs: number;
  atime: number;
  atimeNs: number;
  /** The device that a device node stands for. */
  major: number;
  minor: number;
  /** The device that holds it, as `major:minor`. */
  device: string;
  /** It is the root of a mount (kernel 5.8 and later; else undefined). */
  mountRoot: boolean | undefined;
}

const status = Buffer.from(new ArrayBuffer(256));
const statusAddress = address(status);
const STATX_ATTR_MOUNT_ROOT = 0x2000;

function parse(): Status {
  const word = (at: number) => status.readUInt32LE(at);
  const long = (at: number) => word(at) + word(at + 4) * 2 ** 32;
  const seconds = (at: number) => word(at) + status.readInt32LE(at + 4) * 2 ** 32;
  return {
    links: word(16),
    uid: word(20),
    gid: word(24),
    mode: status.readUInt16LE(28),
    inode: long(32),
    size: long(40),
    blocks: long(48),
    atime: seconds(64),
    atimeNs: word(72),
    ctime: seconds(96),
    ctimeNs: word(104),
    mtime: seconds(112),
    mtimeNs: word(120),
    major: word(128),
    minor: word(132),
    device: `${word(136)}:${word(140)}`,
    mountRoot: word(56) & STATX_ATTR_MOUNT_ROOT ? (word(8) & STATX_ATTR_MOUNT_ROOT) !== 0 : undefined,
  };
}

/** statx(2) of a name, not followed; undefined when it is absent (or below something that is no directory). */
export function statAt(directory: number, name: ByteString): Status | undefined {
  const path = place(name, "stat");
  if (syscall(nr("statx"), directory, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, statusAddress) === 0)
    return parse();
  const error = errno();
  if (error === ENOENT || error === ENOTDIR) return undefined;
  throw new SysError("stat", error, name);
}

/** statx(2) of an open file. */
export function statFd(fd: number): Status {
  const path = place("", "stat");
  check(syscall(nr("statx"), fd, path, AT_EMPTY_PATH, STATX_BASIC_STATS, statusAddress), "stat");
  return parse();
}

/** mkdirat(2); the umask applies. */
export function makeDirectoryAt(directory: number, name: ByteString, mode: number): void {
  check(syscall(nr("mkdirat"), directory, place(name, "mkdir"), mode), "mkdir", name);
}

/** mknodat(2): `mode` with its kind bits; the umask applies. */
export function makeNodeAt(directory: number, name: ByteString, mode: number, major = 0, minor = 0): void {
  // The kernel's own packing of a device number (new_encode_dev), which the system call takes in 32 bits.
  if (major < 0 || major > 0xfff || minor < 0 || minor > 0xfffff) {
    throw new SysError("mknod", 22, `${name} (device ${major}:${minor})`);
  }
  const device = (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);
  check(syscall(nr("mknodat"), directory, place(name, "mknod"), mode, device >>> 0), "mknod", name);
}

/** symlinkat(2). */
export function makeSymlinkAt(directory: number, name: ByteString, target: ByteString): void {
  const targetAddress = place(target, "symlink", 0);
  check(syscall(nr("symlinkat"), targetAddress, directory, place(name, "symlink", 1)), "symlink", name);
}

/** linkat(2): another name for `from`, which is not followed when it is a symbolic link. */
export function makeLinkAt(fromDirectory: number, from: ByteString, directory: number, name: ByteString): void {
  const fromAddress = place(from, "link", 0);
  check(syscall(nr("linkat"), fromDirectory, fromAddress, directory, place(name, "link", 1), 0), "link", name);
}

/** Where a symbolic link points to. */
export function readLinkAt(directory: number, name: ByteString): ByteString {
  const target = Buffer.from(new ArrayBuffer(4096));
  const length = syscall(nr("readlinkat"), directory, place(name, "readlink"), address(target), target.length);
  return target.toString("latin1", 0, check(length, "readlink", name));
}

/** fchownat(2), not following. It clears the setuid and setgid bits and file capabilities: set those after it. */
export function chownAt(directory: number, name: ByteString, uid: number, gid: number): void {
  check(syscall(nr("fchownat"), directory, place(name, "chown"), uid, gid, AT_SYMLINK_NOFOLLOW), "chown", name);
}

/** fchown(2) of an open file. */
export function chownFd(fd: number, uid: number, gid: number): void {
  check(syscall(nr("fchown"), fd, uid, gid), "chown");
}

/** fchmod(2) of an open file. */
export function chmodFd(fd: number, mode: number): void {
  check(syscall(nr("fchmod"), fd, mode & 0o7777), "chmod");
}

/** fchmodat(2). It *follows* a symbolic link: only for a name that the caller just made as something else. */
export function chmodAt(directory: number, name: ByteString, mode: number): void {
  check(syscall(nr("fchmodat"), directory, place(name, "chmod"), mode & 0o7777), "chmod", name);
}

const times = new BigInt64Array(new ArrayBuffer(32));
const timesAddress = address(times);
const timesWords = new Int32Array(times.buffer);

function placeTimes(atime: number, atimeNs: number, mtime: number, mtimeNs: number): void {
  // Words instead of BigInts: this is on the path of every file of a layer.
  timesWords[0] = atime | 0;
  timesWords[1] = Math.floor(atime / 2 ** 32);
  timesWords[2] = atimeNs;
  timesWords[4] = mtime | 0;
  timesWords[5] = Math.floor(mtime / 2 ** 32);
  timesWords[6] = mtimeNs;
}

/** utimensat(2) of an open file: whole seconds (may be negative) and nanoseconds. */
export function setTimesFd(fd: number, atime: number, atimeNs: number, mtime: number, mtimeNs: number): void {
  placeTimes(atime, atimeNs, mtime, mtimeNs);
  check(syscall(nr("utimensat"), fd, 0, timesAddress, 0), "utimensat");
}

/** utimensat(2) of a name, not following. */
export function setTimesAt(
  directory: number,
  name: ByteString,
  atime: number,
  atimeNs: number,
  mtime: number,
  mtimeNs: number,
): void {
  placeTimes(atime, atimeNs, mtime, mtimeNs);
  const path = place(name, "utimensat");
  check(syscall(nr("utimensat"), directory, path, timesAddress, AT_SYMLINK_NOFOLLOW), "utimensat", name);
}

/** ftruncate(2). */
export function truncateFd(fd: number, size: number): void {
  check(syscall(nr("ftruncate"), fd, size), "ftruncate");
}
