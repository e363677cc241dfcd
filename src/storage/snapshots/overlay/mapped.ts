/** Overlays whose layers have their IDs mapped (userns-remap, rootless): Linux 5.19. */
import { closeSync, mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { attach, openMapped, unmount } from "../../../sys/mount.ts";
import { openUserNamespace } from "../../../sys/userns.ts";
import type { IdMapping, MountOptions } from "../snapshots.ts";
import { mountOverlay, type Plan } from "./merge.ts";

/**
 * Mounts the plan over copies of its mounts that map IDs: a file that root owns on the disk belongs to the host's ID of
 * the container's root, for layers and writable part alike. The copies are attached in `folder` for the moment that the
 * merge takes: it keeps its own.
 */
export function mountMapped(plan: Plan, folder: string, options: MountOptions): void {
  const namespace = openUserNamespace(options.uids ?? identity, options.gids ?? identity);
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
    // Upper and work must be on one mount: their parent is copied.
    const own = plan.upper === undefined ? undefined : map(folder);
    mountOverlay({
      ...plan,
      lower: plan.lower.map(map),
      ...(own === undefined ? {} : { upper: join(own, "upper"), work: join(own, "work") }),
    });
  } finally {
    for (const target of attached.reverse()) {
      unmount(target, { lazy: true });
      rmdirSync(target);
    }
    if (attached.length > 0) rmdirSync(place);
    closeSync(namespace);
  }
}

/** All IDs as they are. */
const identity: IdMapping[] = [{ container: 0, host: 0, size: 2 ** 32 - 1 }];
