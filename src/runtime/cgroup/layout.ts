/** Which kinds of control groups this machine has, and where they are mounted: cgroups(7). */
import { readFileSync } from "node:fs";

export interface CgroupLayout {
  /** v2: one tree. v1: a tree a controller. hybrid: v1, with a v2 tree beside it that holds no limits of ours. */
  version: "v1" | "v2" | "hybrid";
  /** v1: each mounted tree, by its controllers (`cpu,cpuacct`) or name (`name=systemd`). */
  trees: Map<string, string>;
  /** Where the v2 tree is mounted, if it is. */
  unified?: string;
  /** Controllers that the v2 tree holds. In a hybrid layout crun works only when there are none. */
  unifiedControllers: string[];
  /** v1 controllers that are listed in /proc/self/cgroup but mounted nowhere. */
  unmounted: string[];
}

/** Pure: takes the texts of /proc/self/mountinfo and /proc/self/cgroup, and reads cgroup.controllers by `read`. */
export function parseLayout(
  mountinfo: string,
  selfCgroup: string,
  read: (path: string) => string | undefined,
): CgroupLayout {
  const trees = new Map<string, string>();
  const seen = new Set<string>();
  let unified: string | undefined;
  for (const line of mountinfo.split("\n")) {
    const [before, after] = line.split(" - ");
    if (before === undefined || after === undefined) continue;
    const [type, , superOptions = ""] = after.split(" ");
    const point = unescapePath(before.split(" ")[4] ?? "");
    if (!point.startsWith("/sys/fs/cgroup")) continue;
    if (type === "cgroup2") unified ??= point;
    if (type !== "cgroup") continue;
    const names = superOptions
      .split(",")
      .filter((option) => option.startsWith("name=") || controllers.has(option))
      .sort();
    const key = names.join(",");
    if (names.length === 0 || seen.has(key)) continue;
    seen.add(key);
    trees.set(key, point);
  }
  const unifiedControllers =
    unified === undefined ? [] : (read(`${unified}/cgroup.controllers`) ?? "").split(/\s+/).filter(Boolean);
  const mounted = new Set([...trees.keys()].flatMap((key) => key.split(",")));
  const unmounted: string[] = [];
  for (const line of selfCgroup.split("\n")) {
    const names = line.split(":")[1];
    if (!names) continue;
    for (const name of names.split(",")) if (!mounted.has(name)) unmounted.push(name);
  }
  const version = unified === "/sys/fs/cgroup" ? "v2" : unified !== undefined && trees.size > 0 ? "hybrid" : "v1";
  return { version, trees, ...(unified === undefined ? {} : { unified }), unifiedControllers, unmounted };
}

/** This machine's layout, read anew at each call. */
export function detectCgroups(): CgroupLayout {
  return parseLayout(
    readFileSync("/proc/self/mountinfo", "utf8"),
    readFileSync("/proc/self/cgroup", "utf8"),
    (path) => {
      try {
        return readFileSync(path, "utf8");
      } catch {
        return undefined;
      }
    },
  );
}

const controllers = new Set([
  "blkio",
  "cpu",
  "cpuacct",
  "cpuset",
  "devices",
  "freezer",
  "hugetlb",
  "memory",
  "misc",
  "net_cls",
  "net_prio",
  "perf_event",
  "pids",
  "rdma",
]);

/** mountinfo writes blanks in paths as octal. */
function unescapePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
