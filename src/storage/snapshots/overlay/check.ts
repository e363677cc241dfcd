/** Whether overlayfs can work in a place. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileSystemType } from "../../../sys/filesystem.ts";
import { unmount } from "../../../sys/mount.ts";
import { mountOverlay } from "./merge.ts";

/** File systems that cannot hold overlayfs's writable directory, from the kernel's include/uapi/linux/magic.h. */
const unsuitable: Record<number, string> = {
  2035054128: "overlayfs",
  26985: "NFS",
  4283649346: "CIFS",
  4266872130: "SMB",
  16914839: "9p",
  1702057286: "FUSE",
  19780: "FAT",
  538032816: "exFAT",
  61791: "eCryptfs",
  1635083891: "aufs",
};

/**
 * Why overlayfs cannot work below `path` (which need not be there yet), in words for a person; undefined when it can.
 * Tried by mounting a small one, if the path is there and we may write to it.
 */
export function checkDataRoot(path: string): string | undefined {
  let place = resolve(path);
  while (!existsSync(place)) place = dirname(place);
  const name = unsuitable[fileSystemType(place)];
  if (name !== undefined) {
    const why = name === "overlayfs" ? "one overlay cannot lie on another" : "overlayfs cannot write there";
    return `the data root ${path} lies on ${name} (${place}): ${why}. Put it on ext4, XFS, Btrfs or tmpfs with --data-root`;
  }
  if (place !== resolve(path)) return undefined;
  return tryOut(place);
}

function tryOut(place: string): string | undefined {
  const folder = mkdtempSync(join(place, ".overlay-check-"));
  try {
    for (const name of ["lower", "upper", "work", "merged"]) mkdirSync(join(folder, name));
    const target = join(folder, "merged");
    mountOverlay({
      lower: [join(folder, "lower")],
      upper: join(folder, "upper"),
      work: join(folder, "work"),
      target,
      readonly: false,
      form: "trusted",
    });
    unmount(target, { lazy: true });
    return undefined;
  } catch (error) {
    return `overlayfs cannot be mounted below ${place}: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
