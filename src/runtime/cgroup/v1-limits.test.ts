import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultDeviceRules } from "../spec/defaults.ts";
import { writeLimits } from "./v1-limits.ts";

let root: string;
let order: string[];
const group = (controller: string) => {
  order.push(controller);
  return join(root, controller);
};

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "gantry-limits-"));
  order = [];
  for (const name of ["memory", "cpu", "cpuset", "pids", "blkio", "devices"]) mkdirSync(join(root, name));
  writeFileSync(join(root, "memory/memory.memsw.limit_in_bytes"), "");
});
afterEach(() => rmSync(root, { recursive: true }));

const read = (file: string) => readFileSync(join(root, file), "utf8");

describe("writeLimits", () => {
  test("writes each limit to its file", () => {
    writeLimits(group, {
      memory: { limit: 64 << 20, swap: 128 << 20, reservation: 32 << 20 },
      cpu: { shares: 512, period: 100000, quota: 50000, cpus: "0" },
      pids: { limit: 20 },
      blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1000 }] },
    });
    expect(read("memory/memory.limit_in_bytes")).toBe("67108864");
    expect(read("memory/memory.memsw.limit_in_bytes")).toBe("134217728");
    expect(read("memory/memory.soft_limit_in_bytes")).toBe("33554432");
    expect(read("cpu/cpu.shares")).toBe("512");
    expect(read("cpu/cpu.cfs_quota_us")).toBe("50000");
    expect(read("cpuset/cpuset.cpus")).toBe("0");
    expect(read("pids/pids.max")).toBe("20");
    expect(read("blkio/blkio.throttle.read_bps_device")).toBe("8:0 1000");
  });

  test("denies all devices first", () => {
    writeLimits(group, { devices: defaultDeviceRules });
    expect(read("devices/devices.deny")).toBe("a");
    expect(read("devices/devices.allow")).toMatch(/^c \d+:\d+ rwm$/);
  });

  test("names the limit that cannot be set", () => {
    expect(() => writeLimits(() => undefined, { pids: { limit: 5 } })).toThrow(
      "pids.max needs the cgroup controller pids, which is not mounted here",
    );
    rmSync(join(root, "pids"), { recursive: true });
    expect(() => writeLimits(group, { pids: { limit: 5 } })).toThrow("cannot set pids.max to 5");
  });
});
