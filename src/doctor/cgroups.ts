/** Control groups: which kind, whether crun can work with them, and the repair when it cannot. */
import { accessSync, constants } from "node:fs";
import { type CgroupLayout, detectCgroups } from "../runtime/cgroup/layout.ts";
import { needsRepair, repairHybrid } from "../runtime/cgroup/repair.ts";
import type { Check } from "./doctor.ts";

const name = "cgroups";
/** Without these a container cannot be limited, frozen or kept from devices. */
const wanted = { v2: ["cpu", "memory", "pids"], v1: ["cpu", "memory", "pids", "devices", "freezer"] };

export function checkCgroups(options: { repair: boolean }): Check {
  const layout = detectCgroups();
  const wrong = needsRepair(layout);
  if (wrong.length === 0) return judge(layout);
  const trouble = `hybrid, and the v2 tree holds ${wrong.join(", ")}: crun refuses to work`;
  const byHand = wrong
    .map(
      (controller) =>
        `mkdir -p /sys/fs/cgroup/${controller} && mount -t cgroup -o ${controller} cgroup /sys/fs/cgroup/${controller}`,
    )
    .join("; ");
  if (!options.repair) return { name, status: "failed", found: trouble, advice: byHand };
  try {
    repairHybrid();
  } catch (error) {
    return { name, status: "failed", found: `${trouble}; ${(error as Error).message}`, advice: byHand };
  }
  const repaired = judge(detectCgroups());
  if (repaired.status !== "ok") return repaired;
  return { name, status: "repaired", found: `${repaired.found}; mounted ${wrong.join(", ")} as v1` };
}

function writable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** What is to be said of a layout that needs no repair. */
export function judge(layout: CgroupLayout, canWrite: (path: string) => boolean = writable): Check {
  const points = [...layout.trees.values(), ...(layout.unified === undefined ? [] : [layout.unified])];
  if (points.length === 0) {
    const advice = "mount -t cgroup2 none /sys/fs/cgroup";
    return { name, status: "failed", found: "none mounted", advice };
  }
  const found = layout.version === "v2" ? "v2" : layout.version === "hybrid" ? "v1, beside an empty v2 tree" : "v1";
  const readonly = points.filter((point) => !canWrite(point));
  if (readonly.length > 0 && process.geteuid?.() === 0) {
    const advice = "mount it read-write; in a container: run that with --privileged";
    return { name, status: "failed", found: `${found}, ${readonly[0]} is read-only`, advice };
  }
  const there =
    layout.version === "v2" ? layout.unifiedControllers : [...layout.trees.keys()].flatMap((key) => key.split(","));
  const lacking = wanted[layout.version === "v2" ? "v2" : "v1"].filter((controller) => !there.includes(controller));
  if (lacking.length > 0) {
    const advice =
      layout.version === "v2"
        ? "enable them in the parent's cgroup.subtree_control, or on the kernel's command line (cgroup_enable=memory)"
        : `mount them: ${lacking.map((one) => `mount -t cgroup -o ${one} cgroup /sys/fs/cgroup/${one}`).join("; ")}`;
    return { name, status: "warning", found: `${found}, without ${lacking.join(", ")}`, advice };
  }
  return { name, status: "ok", found };
}
