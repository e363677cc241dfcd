/** Making file operations last, off the event loop's thread: an fsync may wait for all that others wrote. */
import { closeSync, fsync, openSync } from "node:fs";

/** fsync of a file or a folder: a folder's names are then on the disk. */
export async function syncPath(path: string): Promise<void> {
  // Only the fsync waits: one hop to another thread, not three.
  const fd = openSync(path, "r");
  try {
    await new Promise<void>((resolve, reject) => fsync(fd, (error) => (error ? reject(error) : resolve())));
  } finally {
    closeSync(fd);
  }
}
