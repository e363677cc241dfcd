/** Files that live in memory and belong to this process: memfd_create(2). */
import { writeSync } from "node:fs";
import { address, check, cstring, nr, syscall } from "./libc.ts";

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
/** Asks for the executable bit in words, where the kernel wants that (6.3 and later); EINVAL before. */
const MFD_EXEC = 0x10;
const F_ADD_SEALS = 1033;
const everySeal = 0x1 | 0x2 | 0x4 | 0x8;

/** A program that nothing can change any more. Its path holds for every process as long as this one lives. Throws SysError. */
export function makeMemoryProgram(name: string, bytes: Uint8Array): { fd: number; path: string } {
  const text = cstring(name);
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  let fd = syscall(nr("memfd_create"), address(text), flags | MFD_EXEC);
  if (fd === -1) fd = check(syscall(nr("memfd_create"), address(text), flags), "memfd_create", name);
  writeSync(fd, bytes);
  check(syscall(nr("fcntl"), fd, F_ADD_SEALS, everySeal), "fcntl", name);
  return { fd, path: `/proc/${process.pid}/fd/${fd}` };
}
