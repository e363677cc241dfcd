/**
 * Network namespaces (network_namespaces(7)): made and entered by the calling thread, kept alive by a file.
 *
 * Only for a Worker of its own: threads of Bun that start lazily inherit the namespaces of the thread that starts them. So
 * a thread stays in a foreign namespace for a few system calls only, with no await between.
 */
import { closeSync, openSync, statfsSync, unlinkSync, writeFileSync } from "node:fs";
import { address, check, cstring, errno, nr, SysError, syscall } from "./libc.ts";

const CLONE_NEWNET = 0x40000000;
const MS_BIND = 4096;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
const EINVAL = 22;
const ENOENT = 2;
const NSFS_MAGIC = 0x6e736673;

/** The namespace of the calling thread. /proc/self would be that of the main thread. */
const own = "/proc/thread-self/ns/net";

/** A descriptor of the calling thread's network namespace. */
export function openNetworkNamespace(): number {
  return openSync(own, "r");
}

/** Moves the calling thread into a new, empty network namespace. */
export function unshareNetwork(): void {
  check(syscall(nr("unshare"), CLONE_NEWNET), "unshare", "network namespace");
}

/** Moves the calling thread into the namespace of the descriptor. */
export function enterNetwork(fd: number): void {
  check(syscall(nr("setns"), fd, CLONE_NEWNET), "setns", "network namespace");
}

/** Runs `work`, which must not await, in the namespace of the file; the thread is back home afterwards, or this throws. */
export function insideNetwork<T>(path: string, home: number, work: () => T): T {
  const fd = openSync(path, "r");
  try {
    enterNetwork(fd);
    try {
      return work();
    } finally {
      enterNetwork(home);
    }
  } finally {
    closeSync(fd);
  }
}

/** Makes the file (it must not exist) and binds the calling thread's network namespace to it. */
export function bindNetworkNamespace(path: string): void {
  writeFileSync(path, "", { flag: "wx", mode: 0o444 });
  const source = cstring(own);
  const target = cstring(path);
  check(syscall(nr("mount"), address(source), address(target), 0, MS_BIND, 0), "mount", path);
}

/** Removes what `bindNetworkNamespace` made, whole or half; no error when it is gone. */
export function removeNetworkNamespace(path: string): void {
  const target = cstring(path);
  // More than one mount may lie on it when a mount namespace was copied and merged: until EINVAL, "not a mount point".
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
