import { expect, test } from "bun:test";
import { cgroupLayout, describeMachine, parseMounts, unmountedControllers } from "./machine.ts";

const hybrid = parseMounts(`tmpfs /sys/fs/cgroup tmpfs rw,relatime 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,relatime,name=systemd 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0
`);
const unified = parseMounts("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");

test("tells layouts apart", () => {
  expect(cgroupLayout(hybrid)).toBe("hybrid");
  expect(cgroupLayout(unified)).toBe("v2");
  expect(cgroupLayout(hybrid.filter(({ type }) => type !== "cgroup2"))).toBe("v1");
});

test("finds controllers that are mounted nowhere", () => {
  const lines = "10:hugetlb:/\n9:name=systemd:/\n2:cpuacct,cpu:/\n0::/\n";
  expect(unmountedControllers(lines, hybrid)).toEqual(["hugetlb"]);
});

test("describes this machine", () => {
  const { cores, kernel } = describeMachine();
  expect(cores).toBeGreaterThan(0);
  expect(kernel).toMatch(/^\d+\.\d+$/);
});
