/** File systems as a whole: statfs(2). */
import { address, check, cstring, nr, syscall } from "./libc.ts";

/** The type of the file system that holds `path`: a number of the kernel's include/uapi/linux/magic.h. Throws SysError. */
export function fileSystemType(path: string): number {
  const [name, result] = [cstring(path), Buffer.from(new ArrayBuffer(256))];
  check(syscall(nr("statfs"), address(name), address(result)), "statfs", path);
  return result.readUInt32LE(0);
}
