/** Which limits this machine's kernel and control groups know. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { ResourceSupport } from "./resources.ts";

const root = "/sys/fs/cgroup";
let known: ResourceSupport | undefined;

/** Read once: mounts of control groups do not change under a server. */
export function resourceSupport(): ResourceSupport {
  known ??= existsSync(join(root, "cgroup.controllers")) ? supportOfV2() : supportOfV1();
  return known;
}

function supportOfV1(): ResourceSupport {
  return {
    cpus: availableParallelism(),
    swap: existsSync(join(root, "memory/memory.memsw.limit_in_bytes")),
    // Where the scheduler bfq has files of its own (blkio.bfq.weight) crun does not find them.
    weights: existsSync(join(root, "blkio/blkio.weight")),
    swappiness: true,
    oomKillDisable: true,
    ...available("cpuset/cpuset.effective_cpus", "cpuset/cpuset.effective_mems"),
  };
}

function supportOfV2(): ResourceSupport {
  return {
    cpus: availableParallelism(),
    swap: someGroupHas("memory.swap.max"),
    weights: someGroupHas("io.weight") || someGroupHas("io.bfq.weight"),
    swappiness: false,
    oomKillDisable: false,
    ...available("cpuset.cpus.effective", "cpuset.mems.effective"),
  };
}

/** The root group of v2 shows no limits. Where no group is below it nothing can be said against one. */
function someGroupHas(file: string): boolean {
  const groups = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return groups.length === 0 || groups.some((group) => existsSync(join(root, group.name, file)));
}

function available(cpus: string, mems: string): { online?: { cpus: string; mems: string } } {
  try {
    const read = (path: string, otherwise: string) =>
      readFileSync(existsSync(join(root, path)) ? join(root, path) : otherwise, "utf8").trim();
    return {
      online: {
        cpus: read(cpus, "/sys/devices/system/cpu/online"),
        mems: read(mems, "/sys/devices/system/node/online"),
      },
    };
  } catch {
    return {};
  }
}
