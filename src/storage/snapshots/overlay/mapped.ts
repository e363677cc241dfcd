/** Overlays whose layers have their IDs mapped (userns-remap, rootless): Linux 5.19. */
import { chmodSync, chownSync, closeSync, lstatSync, mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { attach, openMapped, unmount } from "../../../sys/mount.ts";
import { openUserNamespace } from "../../../sys/userns.ts";
import type { IdMapping, MountOptions } from "../snapshots.ts";
import { mountOverlay, type Plan } from "./merge.ts";

/**
 * Mounts the plan over copies of the layers' mounts that map IDs: a file that root owns on the disk belongs to the host's
 * ID of the container's root. The writable directory has the host's IDs on the disk (whoever mounts could not write to it
 * otherwise): its own owner is set, the first time. The copies are attached in `folder` for the moment that the merge
 * takes: it keeps its own.
 */
export function mountMapped(
  plan: Plan & { upper: string },
  folder: string,
  owner: { uid: number; gid: number },
  options: MountOptions,
): void {
  const uids = options.uids ?? identity;
  const gids = options.gids ?? identity;
  const namespace = openUserNamespace(uids, gids);
  const place = join(folder, "mapped");
  const attached: string[] = [];
  const map = (directory: string): string => {
    const target = join(place, String(attached.length));
    mkdirSync(target, { recursive: true, mode: 0o700 });
    const tree = openMapped(directory, namespace);
    try {
      attach(tree, target);
    } finally {
      closeSync(tree);
    }
    attached.push(target);
    return target;
  };
  try {
    own(plan.upper, owner, { uid: toHost(owner.uid, uids), gid: toHost(owner.gid, gids) });
    mountOverlay({ ...plan, lower: plan.lower.map(map) });
  } finally {
    for (const target of attached.reverse()) {
      unmount(target, { lazy: true });
      rmdirSync(target);
    }
    if (attached.length > 0) rmdirSync(place);
    closeSync(namespace);
  }
}

/** Gives the directory its mapped owner, unless it was given one before: a container cannot make it the unmapped one. */
function own(directory: string, before: { uid: number; gid: number }, after: { uid: number; gid: number }): void {
  const { uid, gid, mode } = lstatSync(directory);
  if (uid !== before.uid || gid !== before.gid) return;
  chownSync(directory, after.uid, after.gid);
  chmodSync(directory, mode & 0o7777);
}

function toHost(id: number, mappings: IdMapping[]): number {
  const mapping = mappings.find(({ container, size }) => id >= container && id < container + size);
  if (!mapping) throw new Error(`the root directory's owner ${id} is in no ID mapping`);
  return mapping.host + id - mapping.container;
}

/** All IDs as they are. */
const identity: IdMapping[] = [{ container: 0, host: 0, size: 2 ** 32 - 1 }];
