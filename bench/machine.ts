/** What the measurements were made on, in words that anybody can compare with. */
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";

const read = (path: string): string => readFileSync(path, "utf8");

export interface Machine {
  processor: string;
  cores: number;
  memory: string;
  kernel: string;
  cgroups: "v1" | "v2" | "hybrid";
}

interface Mount {
  point: string;
  type: string;
  options: string[];
}

export function parseMounts(text: string): Mount[] {
  return text.split("\n").flatMap((line) => {
    const [, point, type, options] = line.split(" ");
    return point && type && options ? [{ point, type, options: options.split(",") }] : [];
  });
}

export function cgroupLayout(mounts: Mount[]): Machine["cgroups"] {
  const v1 = mounts.some(({ type }) => type === "cgroup");
  return !v1 ? "v2" : mounts.some(({ type }) => type === "cgroup2") ? "hybrid" : "v1";
}

export function describeMachine(): Machine {
  const processors = cpus();
  return {
    processor: processors[0]?.model.trim() || "unknown",
    cores: processors.length,
    memory: `${(totalmem() / 2 ** 30).toFixed(0)} GB`,
    // The first numbers: what is behind them is the builder's own.
    kernel: /^\d+\.\d+/.exec(release())?.[0] ?? release(),
    cgroups: cgroupLayout(parseMounts(read("/proc/self/mounts"))),
  };
}

/**
 * The v1 controllers that /proc/self/cgroup lists although they are mounted nowhere. A containerd that starts then loses
 * statistics and OOM events: dockerd would be measured broken.
 */
export function unmountedControllers(cgroup: string, mounts: Mount[]): string[] {
  const mounted = new Set(mounts.filter(({ type }) => type === "cgroup").flatMap(({ options }) => options));
  return cgroup.split("\n").flatMap((line) => {
    const controllers = /^\d+:([^:]+):/.exec(line)?.[1];
    return controllers && !controllers.split(",").some((name) => mounted.has(name)) ? [controllers] : [];
  });
}

/** Mounts what is missing, and leaves it mounted. Returns what that was. Before dockerd starts. */
export function mountControllers(): string[] {
  const mounts = parseMounts(read("/proc/self/mounts"));
  const missing = cgroupLayout(mounts) === "v2" ? [] : unmountedControllers(read("/proc/self/cgroup"), mounts);
  for (const controllers of missing) {
    const point = `/sys/fs/cgroup/${controllers.replace(/^name=/, "")}`;
    Bun.spawnSync(["mkdir", "-p", point]);
    const { success, stderr } = Bun.spawnSync(["mount", "-t", "cgroup", "-o", controllers, "cgroup", point]);
    if (!success) throw new Error(`cannot mount the cgroup controller ${controllers}: ${stderr.toString().trim()}`);
  }
  return missing;
}
