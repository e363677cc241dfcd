/**
 * The folder for what lives as long as the machine runs: bundles, sockets, namespaces, the files mounted into containers.
 * Where /run is no file system in memory, one is mounted: such files are many, small and short-lived (a disk's file system
 * takes up to half a millisecond for each), and what is left of them after a crash of the machine would be wrong.
 */
import { mkdirSync } from "node:fs";
import { fileSystemType } from "../sys/filesystem.ts";
import { flags, mount, unmount } from "../sys/mount.ts";

const TMPFS_MAGIC = 0x01021994;
const RAMFS_MAGIC = 0x858458f6;

export interface MemoryFolder {
  path: string;
  /** Takes the file system away again, if it is ours and holds nothing that is needed (`needed` false). */
  close(needed: boolean): void;
}

export function openMemoryFolder(path: string): MemoryFolder {
  mkdirSync(path, { recursive: true, mode: 0o711 });
  const type = fileSystemType(path);
  // Left by an earlier server with its containers, or /run itself.
  if (type !== TMPFS_MAGIC && type !== RAMFS_MAGIC) {
    mount("gantry", path, "tmpfs", flags.NOSUID | flags.NODEV, "mode=0711");
  }
  return {
    path,
    close(needed) {
      if (needed) return;
      try {
        // Nothing is mounted there when /run itself is in memory.
        unmount(path, { lazy: true });
      } catch {
        // The next server takes it over.
      }
    },
  };
}
