/**
 * The C library through FFI, and its errors. Every file of this room takes its calls from here; no other room may.
 *
 * errno is read right after the call and before any `await`: it belongs to the thread, and the next call overwrites it.
 */
import { CString, dlopen, FFIType, type Pointer, ptr, read } from "bun:ffi";
import { constants } from "node:os";

const { symbols } = dlopen("libc.so.6", {
  __errno_location: { args: [], returns: FFIType.ptr },
  strerror: { args: [FFIType.i32], returns: FFIType.ptr },
  syscall: {
    args: [
      FFIType.i64_fast,
      FFIType.i64_fast,
      FFIType.i64_fast,
      FFIType.i64_fast,
      FFIType.i64_fast,
      FFIType.i64_fast,
      FFIType.i64_fast,
    ],
    returns: FFIType.i64_fast,
  },
});

const errnoAddress = symbols.__errno_location() as Pointer;
// Some numbers have two names (EAGAIN and EWOULDBLOCK): the first of the alphabet stays.
const errorNames = new Map<number, string>(
  Object.entries(constants.errno)
    .map(([name, number]) => [number, name] as const)
    .reverse(),
);

/** A failed system call. `code` is the errno's name (`ENOENT`), `message` reads `mount /a: No such file or directory`. */
export class SysError extends Error {
  readonly code: string;
  constructor(
    readonly call: string,
    readonly errno: number,
    readonly subject?: string,
  ) {
    const text = new CString(symbols.strerror(errno) as Pointer).toString();
    super(subject === undefined ? `${call}: ${text}` : `${call} ${subject}: ${text}`);
    this.name = "SysError";
    this.code = errorNames.get(errno) ?? `E${errno}`;
  }
}

/** The calling thread's errno. */
export function errno(): number {
  return read.i32(errnoAddress, 0);
}

/** Throws a SysError when `result` is -1, else returns it. */
export function check(result: number, call: string, subject?: string): number {
  if (result === -1) throw new SysError(call, errno(), subject);
  return result;
}

/** A NUL-terminated copy of `text`. Throws when it holds a NUL itself: the kernel would read a shorter name. */
export function cstring(text: string): Buffer {
  if (text.includes("\0")) throw new Error(`${JSON.stringify(text)} holds a NUL byte`);
  return Buffer.from(`${text}\0`);
}

/** The address of a buffer as a number that `syscall` takes. The caller keeps the buffer alive over the call. */
export function address(buffer: NodeJS.TypedArray): number {
  return ptr(buffer) as unknown as number;
}

/**
 * syscall(2) with up to six arguments; -1 means that it failed, and `errno()` says why.
 * Pass strings as `address(cstring(…))`.
 */
export function syscall(number: number, ...args: number[]): number {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = args;
  return symbols.syscall(number, a, b, c, d, e, f) as number;
}

type Call =
  | "getdents64"
  | "mount"
  | "umount2"
  | "mknodat"
  | "openat2"
  | "pidfd_open"
  | "pidfd_send_signal"
  | "setns"
  | "unshare"
  | "socket"
  | "connect"
  | "shutdown"
  | "sendmsg"
  | "recvmsg"
  | "socketpair"
  | "ioctl"
  | "prctl"
  | "wait4"
  | "kill"
  | "lsetxattr"
  | "fsetxattr"
  | "lgetxattr"
  | "llistxattr"
  | "fchownat"
  | "linkat"
  | "utimensat"
  | "syncfs"
  | "clock_gettime"
  | "move_mount"
  | "open_tree"
  | "mount_setattr"
  | "fsopen"
  | "fsconfig"
  | "fsmount"
  | "flock"
  | "prlimit64"
  | "statx"
  | "fallocate"
  | "close_range"
  | "inotify_add_watch"
  | "inotify_init1"
  | "inotify_rm_watch"
  | "poll"
  | "statfs"
  | "copy_file_range"
  | "gettid"
  | "sethostname"
  | "bpf"
  | "fchmodat"
  | "symlinkat"
  | "mkdirat"
  | "unlinkat"
  | "bind"
  | "listen"
  | "setsockopt"
  | "getsockname"
  | "getsockopt"
  | "sendto"
  | "recvfrom"
  | "renameat2"
  | "madvise"
  | "memfd_create"
  | "accept4"
  | "fcntl"
  | "openat"
  | "write"
  | "close"
  | "fchown"
  | "fchmod"
  | "ftruncate"
  | "readlinkat"
  | "fgetxattr"
  | "flistxattr"
  | "fremovexattr"
  | "fsync"
  | "clone"
  | "read";

// From the kernel's arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h (arm64).
const numbers: Record<Call, [x64: number, arm64: number]> = {
  getdents64: [217, 61],
  mount: [165, 40],
  umount2: [166, 39],
  mknodat: [259, 33],
  openat2: [437, 437],
  pidfd_open: [434, 434],
  pidfd_send_signal: [424, 424],
  setns: [308, 268],
  unshare: [272, 97],
  socket: [41, 198],
  connect: [42, 203],
  shutdown: [48, 210],
  sendmsg: [46, 211],
  recvmsg: [47, 212],
  socketpair: [53, 199],
  ioctl: [16, 29],
  prctl: [157, 167],
  wait4: [61, 260],
  kill: [62, 129],
  lsetxattr: [189, 6],
  fsetxattr: [190, 7],
  lgetxattr: [192, 9],
  llistxattr: [195, 12],
  fchownat: [260, 54],
  linkat: [265, 37],
  utimensat: [280, 88],
  syncfs: [306, 267],
  clock_gettime: [228, 113],
  move_mount: [429, 429],
  open_tree: [428, 428],
  mount_setattr: [442, 442],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  flock: [73, 32],
  prlimit64: [302, 261],
  statx: [332, 291],
  fallocate: [285, 47],
  close_range: [436, 436],
  inotify_add_watch: [254, 27],
  inotify_init1: [294, 26],
  inotify_rm_watch: [255, 28],
  poll: [7, 73],
  statfs: [137, 43],
  copy_file_range: [326, 285],
  gettid: [186, 178],
  sethostname: [170, 161],
  bpf: [321, 280],
  fchmodat: [268, 53],
  symlinkat: [266, 36],
  mkdirat: [258, 34],
  unlinkat: [263, 35],
  bind: [49, 200],
  listen: [50, 201],
  setsockopt: [54, 208],
  getsockname: [51, 204],
  getsockopt: [55, 209],
  sendto: [44, 206],
  recvfrom: [45, 207],
  renameat2: [316, 276],
  madvise: [28, 233],
  memfd_create: [319, 279],
  accept4: [288, 242],
  fcntl: [72, 25],
  openat: [257, 56],
  write: [1, 64],
  close: [3, 57],
  fchown: [93, 55],
  fchmod: [91, 52],
  ftruncate: [77, 46],
  readlinkat: [267, 78],
  fgetxattr: [193, 10],
  flistxattr: [196, 13],
  fremovexattr: [199, 16],
  fsync: [74, 82],
  clone: [56, 220],
  read: [0, 63],
};
// poll does not exist on arm64 (73 is ppoll, with other arguments): its callers take care of that.

const column = process.arch === "arm64" ? 1 : 0;

/** The system call's number on this machine. */
export function nr(call: Call): number {
  return numbers[call][column];
}
