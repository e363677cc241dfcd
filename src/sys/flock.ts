/** flock(2): one holder of a file at a time, released when the descriptor is closed or its process ends. */
import { check, nr, syscall } from "./libc.ts";

const LOCK_EX = 2;

/** Waits until no one else holds the file, and blocks the thread meanwhile. `path` names it in errors. */
export function lockFileExclusive(fd: number, path: string): void {
  check(syscall(nr("flock"), fd, LOCK_EX), "flock", path);
}
