/**
 * Network namespaces (network_namespaces(7)): made and visited by the calling thread, kept alive by a file.
 *
 * Only for a Worker of its own. Threads of Bun that start lazily inherit the namespaces of the thread that starts them, and
 * stay there; those of the JavaScript engine (compiler, collector) come and go at any moment. So everything is prepared
 * before a visit, and the visit is a row of system calls with nothing between them.
 */
import { closeSync, openSync, statfsSync, unlinkSync, writeFileSync } from "node:fs";
import { address, check, cstring, errno, nr, SysError, syscall } from "./libc.ts";

const CLONE_NEWNET = 0x40000000;
const MS_BIND = 4096;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
const AT_FDCWD = -100;
const O_WRONLY = 1;
const O_CLOEXEC = 0o2000000;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const EINVAL = 22;
const ENOENT = 2;
const NSFS_MAGIC = 0x6e736673;

/** The namespace of the calling thread. /proc/self would be that of the main thread. */
const own = "/proc/thread-self/ns/net";

/** The thread could not return to its namespace: nothing more may run on it. */
export class LostError extends Error {}

/** A descriptor of the calling thread's network namespace. */
export function openNetworkNamespace(): number {
  return openSync(own, "r");
}

/** What the kernel reads by its address during a call: without it the collector may take a buffer whose last use is past. */
const kept: { buffers?: unknown } = {};

/** A file below /proc/sys/net, which shows the namespace of the thread that opens it. */
export interface SysctlWrite {
  path: string;
  value: string;
}

export interface Visited {
  /** Descriptor of the namespace. */
  namespace: number;
  /** A routing netlink socket in it. */
  socket: number;
  /** Writes that failed, by their place, with the errno. */
  failed: Map<number, number>;
}

/**
 * Visits the namespace of the file `into`, or a new one, writes the sysctls and comes back to `home`. The caller closes
 * both descriptors. Throws a SysError when it does not get there, a LostError when it does not get back.
 */
export function visitNetwork(home: number, into: string | "new", sysctls: SysctlWrite[]): Visited {
  const target = into === "new" ? -1 : openSync(into, "r");
  const [open, write, close, setns] = [nr("openat"), nr("write"), nr("close"), nr("setns")];
  const [socketCall, unshare] = [nr("socket"), nr("unshare")];
  const ownPath = cstring(own);
  const writes = sysctls.map(({ path, value }) => ({ path: cstring(path), value: Buffer.from(value) }));
  const addresses = writes.map((one) => [address(one.path), address(one.value), one.value.length] as const);
  const ownAddress = address(ownPath);
  kept.buffers = [ownPath, writes];
  const errors = new Int32Array(writes.length);
  let namespace = -1;
  let namespaceError = 0;
  let socket = -1;
  let socketError = 0;

  const entered = target === -1 ? syscall(unshare, CLONE_NEWNET) : syscall(setns, target, CLONE_NEWNET);
  const enterError = errno();
  if (entered !== -1) {
    namespace = syscall(open, AT_FDCWD, ownAddress, O_CLOEXEC);
    namespaceError = errno();
    socket = syscall(socketCall, AF_NETLINK, SOCK_RAW | O_CLOEXEC, 0);
    socketError = errno();
    for (let at = 0; at < addresses.length; at++) {
      const [path, value, length] = addresses[at]!;
      const fd = syscall(open, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
      if (fd === -1 || syscall(write, fd, value, length) === -1) errors[at] = errno();
      if (fd !== -1) syscall(close, fd);
    }
    if (syscall(setns, home, CLONE_NEWNET) === -1) throw new LostError(new SysError("setns", errno()).message);
  }

  if (target !== -1) closeSync(target);
  if (entered === -1) throw new SysError(target === -1 ? "unshare" : "setns", enterError, "network namespace");
  if (namespace === -1 || socket === -1) {
    if (namespace !== -1) closeSync(namespace);
    if (socket !== -1) closeSync(socket);
    throw new SysError("visit", namespace === -1 ? namespaceError : socketError, "network namespace");
  }
  const failed = new Map([...errors.entries()].filter(([, error]) => error !== 0));
  return { namespace, socket, failed };
}

/** Makes the file (it must not exist) and binds the namespace of the descriptor to it. */
export function bindNetworkNamespace(namespace: number, path: string): void {
  writeFileSync(path, "", { flag: "wx", mode: 0o444 });
  const source = cstring(`/proc/self/fd/${namespace}`);
  const target = cstring(path);
  kept.buffers = [source, target];
  check(syscall(nr("mount"), address(source), address(target), 0, MS_BIND, 0), "mount", path);
}

/** Removes what `bindNetworkNamespace` made, whole or half; no error when it is gone. */
export function removeNetworkNamespace(path: string): void {
  const target = cstring(path);
  kept.buffers = target;
  // More than one mount may lie on it when mount namespaces share: until EINVAL, "not a mount point".
  while (syscall(nr("umount2"), address(target), MNT_DETACH | UMOUNT_NOFOLLOW) !== -1);
  const error = errno();
  if (error === ENOENT) return;
  if (error !== EINVAL) throw new SysError("umount", error, path);
  try {
    unlinkSync(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
  }
}

/** Whether a namespace is bound to the file (after a reboot it is an empty file). */
export function isNetworkNamespace(path: string): boolean {
  try {
    return statfsSync(path).type === NSFS_MAGIC;
  } catch {
    return false;
  }
}
