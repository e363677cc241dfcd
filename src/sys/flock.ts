/** An advisory lock on a file (flock(2)): held until closed or the process ends, however it does. */
import { closeSync, constants, fstatSync, openSync, statSync } from "node:fs";
import { errno, nr, SysError, syscall } from "./libc.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

/** The descriptor that holds the lock; undefined when another process has it. Makes the file. */
export function tryLock(path: string): number | undefined {
  while (true) {
    const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
    const fd = openSync(path, flags, 0o600);
    if (syscall(nr("flock"), fd, LOCK_EX | LOCK_NB) === -1) {
      const error = errno();
      closeSync(fd);
      if (error === EWOULDBLOCK) return undefined;
      throw new SysError("flock", error, path);
    }
    // Whoever held it before may have removed the file between the open and the lock.
    if (isSame(fd, path)) return fd;
    closeSync(fd);
  }
}

function isSame(fd: number, path: string): boolean {
  try {
    return fstatSync(fd).ino === statSync(path).ino;
  } catch {
    return false;
  }
}
