/**
 * The hybrid layout's repair. crun refuses to work while the v2 tree beside v1 holds a controller ("cgroups in hybrid mode
 * not supported"). A controller that is mounted as a v1 tree leaves the v2 tree, and comes back within a second when that
 * is unmounted: so it is mounted, and stays.
 */
import { mkdirSync } from "node:fs";
import { flags, mount } from "../../sys/mount.ts";
import { type CgroupLayout, detectCgroups } from "./layout.ts";

/** Controllers that must leave the v2 tree before crun works; empty when nothing is wrong. */
export function needsRepair(layout: CgroupLayout = detectCgroups()): string[] {
  return layout.version === "hybrid" ? layout.unifiedControllers : [];
}

/**
 * Mounts each of them at /sys/fs/cgroup/NAME. Returns the names. Throws SysError: EBUSY when a v2 group uses one.
 * Harmless when done twice or by several servers at once.
 */
export function repairHybrid(): string[] {
  const names = needsRepair();
  for (const name of names) {
    const target = `/sys/fs/cgroup/${name}`;
    mkdirSync(target, { recursive: true });
    mount("cgroup", target, "cgroup", flags.NOSUID | flags.NODEV | flags.NOEXEC, name);
  }
  return names;
}
