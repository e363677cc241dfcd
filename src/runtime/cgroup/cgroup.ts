/**
 * Control groups, both versions: everything that differs between them is here and in layout.ts and repair.ts.
 * A group is named by its path below the root of each tree, as OCI's `cgroupsPath`: `/gantry/ID`.
 */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { kill } from "../../sys/process.ts";
import type { Resources } from "../spec/types.ts";
import { type CgroupLayout, detectCgroups } from "./layout.ts";
import { writeLimits } from "./v1-limits.ts";

export interface Cgroups {
  readonly layout: CgroupLayout;
  /** Makes the group in every tree, ready to take processes. Nothing happens when it is there. */
  make(path: string): void;
  /**
   * The files to which a thread writes `0` to enter the group: cgroup v1 only. Undefined on v2, where entering needs the
   * lock over all threads whoever does it.
   */
  entries(path: string): string[] | undefined;
  /** Puts limits and device rules on the group: cgroup v1 only, on v2 crun does. Throws with the limit that cannot be set. */
  limit(path: string, resources: Resources): void;
  /** Moves a process that has one thread into the group. */
  place(pid: number, path: string): void;
  /** Process ids in the group and below it, as this process sees them, ascending. Empty when there is no such group. */
  processes(path: string): number[];
  /** Freezes or thaws the group; resolves when it is so. Throws when there is no such group. */
  freeze(path: string, frozen: boolean): Promise<void>;
  /** How many processes the kernel killed in the group for want of memory. */
  oomKills(path: string): number;
  /** SIGKILL to all in the group, frozen or not; resolves when none is left. Throws after `seconds`. */
  killAll(path: string, seconds?: number): Promise<void>;
  /** Removes the empty group and those below it. No error when it is not there. */
  remove(path: string): Promise<void>;
  /** Removes the group where nothing is in it or below it; never waits, never throws. */
  removeIfEmpty(path: string): void;
  /** Names of the groups right below `path`, in any tree. */
  children(path: string): string[];
}

/** Control groups of this machine as they are mounted now. */
export function openCgroups(layout: CgroupLayout = detectCgroups()): Cgroups {
  const v2 = layout.version === "v2";
  /** Every tree in which a container has a group. crun makes them in the hybrid's v2 tree too. */
  const roots = [...layout.trees.values(), ...(layout.unified === undefined ? [] : [layout.unified])];
  const limiting = v2 ? roots : [...layout.trees.values()];
  const processTree = v2 ? layout.unified : (tree("pids") ?? tree("memory") ?? tree("name=systemd") ?? roots[0]);

  function tree(controller: string): string | undefined {
    if (v2) return layout.unified;
    for (const [key, point] of layout.trees) if (key.split(",").includes(controller)) return point;
    return undefined;
  }

  function make(path: string): void {
    for (const root of limiting) mkdirSync(root + path, { recursive: true });
    const cpuset = v2 ? undefined : tree("cpuset");
    if (cpuset !== undefined) inheritCpuset(cpuset, path);
  }

  return {
    layout,
    make,

    entries: (path) => (v2 ? undefined : limiting.map((root) => `${root}${path}/tasks`)),

    limit(path, resources) {
      const folder = (controller: string) => {
        const root = tree(controller);
        return root === undefined ? undefined : root + path;
      };
      if (!v2) writeLimits(folder, resources);
    },

    place(pid, path) {
      // v1's `tasks` does not wait for the threadgroup lock, which costs milliseconds on an idle machine.
      const file = v2 ? "cgroup.procs" : "tasks";
      for (const root of limiting) writeFileSync(`${root}${path}/${file}`, String(pid));
    },

    processes(path) {
      if (processTree === undefined) return [];
      const pids: number[] = [];
      for (const group of groupsBelow(processTree + path)) {
        for (const line of (read(`${group}/cgroup.procs`) ?? "").split("\n")) if (line !== "") pids.push(Number(line));
      }
      return pids.sort((a, b) => a - b);
    },

    async freeze(path, frozen) {
      const root = tree("freezer");
      if (root === undefined) throw new Error("the freezer of the control groups is not mounted");
      const [file, word] = v2
        ? [`${root}${path}/cgroup.freeze`, frozen ? "1" : "0"]
        : [`${root}${path}/freezer.state`, frozen ? "FROZEN" : "THAWED"];
      const done = (): boolean =>
        v2
          ? (read(`${root}${path}/cgroup.events`) ?? "").includes(`frozen ${word}`)
          : (read(file) ?? "").trim() === word;
      writeFileSync(file, word);
      // Neither version of the file can be waited for by v1's rules; a task in a long system call delays it.
      for (let round = 0; !done(); round++) {
        if (round === 1000) {
          writeFileSync(file, v2 ? "0" : "THAWED");
          throw new Error(`the processes of ${path} could not be ${frozen ? "frozen" : "thawed"} within 10 s`);
        }
        await sleep(10);
        // v1: a fork that ran at the same moment leaves the group half frozen until it is asked again.
        if (!v2 && round % 5 === 4) writeFileSync(file, word);
      }
    },

    oomKills(path) {
      const root = tree("memory");
      if (root === undefined) return 0;
      const text = read(`${root}${path}/${v2 ? "memory.events" : "memory.oom_control"}`) ?? "";
      return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
    },

    async killAll(path, seconds = 10) {
      const until = performance.now() + seconds * 1000;
      for (let delay = 1; ; delay = Math.min(delay * 2, 50)) {
        const pids = this.processes(path);
        if (pids.length === 0) return;
        if (performance.now() > until) throw new Error(`processes of ${path} do not end: ${pids.join(", ")}`);
        if (!v2 || !write(`${tree("memory")}${path}/cgroup.kill`, "1")) {
          for (const pid of pids) signalIfThere(pid, 9);
        }
        // A frozen process of v1 dies only once thawed.
        const freezer = v2 ? undefined : tree("freezer");
        if (freezer !== undefined) {
          for (const group of groupsBelow(freezer + path)) write(`${group}/freezer.state`, "THAWED");
        }
        await sleep(delay);
      }
    },

    async remove(path) {
      const until = performance.now() + 5000;
      for (const root of roots) {
        // Nearly always it is empty and has none below it.
        if (removed(root + path)) continue;
        // Deepest first. A zombie that its parent has not read yet keeps a group busy.
        for (const group of groupsBelow(root + path).reverse()) {
          for (;;) {
            try {
              rmdirSync(group);
            } catch (error) {
              const code = (error as NodeJS.ErrnoException).code;
              if (code === "EBUSY" && performance.now() < until) {
                await sleep(5);
                continue;
              }
              if (code !== "ENOENT") throw error;
            }
            break;
          }
        }
      }
    },

    removeIfEmpty(path) {
      for (const root of roots) {
        try {
          rmdirSync(root + path);
        } catch {
          // In use, or not there.
        }
      }
    },

    children(path) {
      const names = new Set<string>();
      for (const root of roots) for (const name of folders(root + path)) names.add(name);
      return [...names];
    },
  };
}

/** A new group of cpuset has no processors and no memory until they are written: copy those of its parents, from above. */
function inheritCpuset(root: string, path: string): void {
  let group = root;
  for (const part of path.split("/").filter(Boolean)) {
    const child = `${group}/${part}`;
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      if (read(`${child}/${file}`)?.trim() === "") writeFileSync(`${child}/${file}`, read(`${group}/${file}`) ?? "");
    }
    group = child;
  }
}

/** The group and all below it, parents before children; empty when there is none. */
function groupsBelow(group: string): string[] {
  const names = folders(group);
  if (names === undefined) return [];
  return exists(group) ? [group, ...names.flatMap((name) => groupsBelow(`${group}/${name}`))] : [];
}

function folders(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}

/** Whether the group is gone now; false when something is in it or below it. */
function removed(group: string): boolean {
  try {
    rmdirSync(group);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

function exists(group: string): boolean {
  return read(`${group}/cgroup.procs`) !== undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function write(path: string, text: string): boolean {
  try {
    writeFileSync(path, text);
    return true;
  } catch {
    return false;
  }
}

function signalIfThere(pid: number, signal: number): void {
  try {
    kill(pid, signal);
  } catch {
    // It ended between the list and the signal.
  }
}
