import { expect, test } from "bun:test";
import { parseLayout } from "./layout.ts";
import { needsRepair } from "./repair.ts";

const v1 = (names: string[]) =>
  names
    .map((name, i) => `${32 + i} 31 0:${29 + i} / /sys/fs/cgroup/${name} rw,relatime - cgroup cgroup rw,${name}`)
    .join("\n");
const nothing = () => undefined;

test("v2", () => {
  const layout = parseLayout(
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
    "0::/user.slice\n",
    (path) => (path === "/sys/fs/cgroup/cgroup.controllers" ? "cpu memory pids\n" : undefined),
  );
  expect(layout).toMatchObject({
    version: "v2",
    unified: "/sys/fs/cgroup",
    unifiedControllers: ["cpu", "memory", "pids"],
  });
  expect(needsRepair(layout)).toEqual([]);
});

test("v1, controllers together and unmounted ones", () => {
  const layout = parseLayout(
    `${v1(["memory", "cpu,cpuacct"])}\n40 31 0:40 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n`,
    "5:net_cls:/\n4:cpu,cpuacct:/\n3:memory:/\n1:name=systemd:/\n",
    nothing,
  );
  expect(layout.version).toBe("v1");
  expect([...layout.trees.keys()].sort()).toEqual(["cpu,cpuacct", "memory", "name=systemd"]);
  expect(layout.unmounted).toEqual(["net_cls"]);
});

test("hybrid: what the v2 tree holds must leave it", () => {
  const text = `${v1(["memory", "pids"])}\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n`;
  const layout = parseLayout(text, "0::/\n", (path) =>
    path.endsWith("unified/cgroup.controllers") ? "hugetlb\n" : undefined,
  );
  expect(layout.version).toBe("hybrid");
  expect(needsRepair(layout)).toEqual(["hugetlb"]);
  expect(needsRepair(parseLayout(text, "0::/\n", () => "\n"))).toEqual([]);
});

test("trees elsewhere, and mounted twice, do not count", () => {
  const text = `${v1(["memory"])}\n${v1(["memory"])}\n50 1 0:30 / /mnt/cg rw - cgroup cgroup rw,pids\nrubbish\n`;
  expect([...parseLayout(text, "", nothing).trees]).toEqual([["memory", "/sys/fs/cgroup/memory"]]);
});
