/** Named pipes: mkfifo(3), which node:fs has not. */
import { address, check, cstring, nr, syscall } from "./libc.ts";

const AT_FDCWD = -100;
const S_IFIFO = 0o010000;

/** Throws SysError. */
export function makeFifo(path: string, mode: number): void {
  const name = cstring(path);
  check(syscall(nr("mknodat"), AT_FDCWD, address(name), S_IFIFO | mode, 0), "mkfifo", path);
}
