/** File systems as a whole: statfs(2). */
import { address, check, cstring, nr, syscall } from "./libc.ts";

/** The type of the file system that holds `path`: a number of the kernel's include/uapi/linux/magic.h. Throws SysError. */
export function fileSystemType(path: string): number {
  const [name, result] = [cstring(path), Buffer.from(new ArrayBuffer(256))];
  check(syscall(nr("statfs"), address(name), address(result)), "statfs", path);
  return result.readUInt32LE(0);
}

/** From the kernel's include/uapi/linux/fs.h; the numbers hold for x86-64 and arm64. */
const FS_IOC_GETFLAGS = 0x80086601;
const FS_IOC_SETFLAGS = 0x40086602;
const FS_TOPDIR_FL = 0x20000;

/**
 * Asks the file system to put each directory that is made in this open one into a part of the disk of its own, as it
 * does for home directories (ext4's "top of hierarchies" flag). False when it knows no such thing.
 */
export function spreadDirectories(fd: number): boolean {
  const value = Buffer.from(new ArrayBuffer(8));
  if (syscall(nr("ioctl"), fd, FS_IOC_GETFLAGS, address(value)) === -1) return false;
  value.writeUInt32LE((value.readUInt32LE(0) | FS_TOPDIR_FL) >>> 0, 0);
  return syscall(nr("ioctl"), fd, FS_IOC_SETFLAGS, address(value)) === 0;
}
