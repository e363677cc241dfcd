/** The data root: on which file system it lies, whether layers can be mounted there, and how much room it has. */
import { mkdirSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Check } from "./doctor.ts";
import { inNamespaces } from "./trial.ts";

/** Magic numbers of include/uapi/linux/magic.h; those on which an overlay cannot have its writable part. */
const unfit: Record<number, string> = {
  2035054128: "overlayfs",
  26985: "NFS",
  4283649346: "CIFS",
  4266872130: "SMB",
  19780: "FAT",
  538032816: "exFAT",
  16914839: "9p",
};
const fit: Record<number, string> = {
  61267: "ext4",
  1481003842: "XFS",
  2435016766: "Btrfs",
  16914836: "tmpfs",
  801189825: "ZFS",
  4076150800: "F2FS",
  3393526350: "bcachefs",
};

const MiB = 1024 * 1024;
/** Below the first nothing can be pulled, below the second not much. */
const leastSpace = 100 * MiB;
const littleSpace = 2048 * MiB;

/** The path itself, or the nearest folder above it that is there. */
export function nearest(path: string): string {
  for (let folder = path; ; folder = dirname(folder)) {
    try {
      statfsSync(folder);
      return folder;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || folder === "/") throw error;
    }
  }
}

export function checkDataRoot(dataRoot: string, type?: number): Check {
  const name = "data root";
  let magic: number;
  try {
    magic = type ?? statfsSync(nearest(dataRoot)).type >>> 0;
  } catch (error) {
    return { name, status: "failed", found: (error as Error).message, advice: "name another folder with --data-root" };
  }
  const bad = unfit[magic];
  if (bad !== undefined) {
    const advice = "name a folder on ext4 or XFS with --data-root (in a container: a volume)";
    return { name, status: "failed", found: `${dataRoot} lies on ${bad}: layers cannot be mounted there`, advice };
  }
  return {
    name,
    status: "ok",
    found: `${dataRoot} on ${fit[magic] ?? `a file system of type 0x${magic.toString(16)}`}`,
  };
}

export function checkSpace(dataRoot: string): Check {
  const name = "free space";
  try {
    const { bavail, bsize, files, ffree } = statfsSync(nearest(dataRoot));
    const free = bavail * bsize;
    const found = free >= 10_240 * MiB ? `${Math.floor(free / 1024 / MiB)} GiB` : `${Math.floor(free / MiB)} MiB`;
    // Some file systems count no inodes.
    if (files > 0 && ffree < 1000) {
      return { name, status: "failed", found: `${ffree} inodes`, advice: "remove files, or use another --data-root" };
    }
    if (free < littleSpace) {
      const status = free < leastSpace ? "failed" : "warning";
      return {
        name,
        status,
        found,
        advice: "remove what is not needed (gantry image prune), or use another --data-root",
      };
    }
    return { name, status: "ok", found };
  } catch (error) {
    return { name, status: "failed", found: (error as Error).message, advice: "name another folder with --data-root" };
  }
}

/** Mounts an overlay there, in a mount namespace that vanishes. Needs root. undefined when the data root is unfit anyway. */
export async function checkOverlayMount(dataRoot: string): Promise<Check | undefined> {
  const name = "overlay mount";
  if (checkDataRoot(dataRoot).status === "failed") return undefined;
  let folder: string | undefined;
  try {
    folder = mkdtempSync(join(nearest(dataRoot), ".gantry-doctor-"));
    const [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map((part) => join(folder!, part));
    for (const part of [lower, upper, work, merged]) mkdirSync(part!);
    const options = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    const trial = await inNamespaces(["mount"], ["mount", "-t", "overlay", "overlay", "-o", options, merged!]);
    if (trial.ok) return { name, status: "ok", found: "works on the data root" };
    const advice = trial.said.startsWith("unshare:")
      ? "mount namespaces must be allowed, and the root must be a mount point (so not in a chroot)"
      : "name a folder on ext4 or XFS with --data-root";
    return { name, status: "failed", found: trial.said, advice };
  } catch (error) {
    return { name, status: "failed", found: (error as Error).message, advice: "name another folder with --data-root" };
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}
