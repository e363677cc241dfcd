/**
 * OCI resources as cgroup v1 has them (Documentation/admin-guide/cgroup-v1 of the kernel): what crun would write if it
 * managed the group. A limit that was asked for and cannot be set is an error: nothing is left out in silence.
 */
import { existsSync, writeFileSync } from "node:fs";
import type { DeviceRule, Resources, Throttle } from "../spec/types.ts";

/**
 * What every container needs of devices besides its rules: making nodes (which opens none), its console and the
 * pseudo-terminals of its own instance of devpts.
 */
const inherent = ["c *:* m", "b *:* m", "c 5:1 rwm", "c 5:2 rwm", "c 136:* rwm"];

/** `group` gives the folder of the container's group in a controller's tree, undefined where that is not mounted. */
export function writeLimits(group: (controller: string) => string | undefined, resources: Resources): void {
  const write = (controller: string, file: string, value: string | number): void => {
    const folder = group(controller);
    if (folder === undefined)
      throw new Error(`the limit ${file} needs the cgroup controller ${controller}, which is not mounted here`);
    try {
      writeFileSync(`${folder}/${file}`, String(value));
    } catch (error) {
      throw new Error(`cannot set ${file} to ${value}: ${(error as Error).message}`);
    }
  };
  writeDevices(write, resources.devices ?? []);
  writeMemory(write, group("memory"), resources.memory ?? {});
  writeCpu(write, resources.cpu ?? {});
  if (resources.pids) write("pids", "pids.max", resources.pids.limit > 0 ? resources.pids.limit : "max");
  writeBlockIO(write, group("blkio"), resources.blockIO ?? {});
}

type Write = (controller: string, file: string, value: string | number) => void;

function writeDevices(write: Write, rules: DeviceRule[]): void {
  for (const rule of rules) {
    // A rule without a type is about everything: it replaces all that came before it.
    if (rule.type === undefined || rule.type === "a") {
      write("devices", rule.allow ? "devices.allow" : "devices.deny", "a");
      if (!rule.allow) for (const line of inherent) write("devices", "devices.allow", line);
      continue;
    }
    const number = (value: number | undefined) => (value === undefined || value < 0 ? "*" : value);
    const line = `${rule.type} ${number(rule.major)}:${number(rule.minor)} ${rule.access ?? "rwm"}`;
    write("devices", rule.allow ? "devices.allow" : "devices.deny", line);
  }
}

function writeMemory(write: Write, folder: string | undefined, memory: NonNullable<Resources["memory"]>): void {
  if (memory.limit !== undefined) write("memory", "memory.limit_in_bytes", memory.limit);
  // Kernels that do not count swap have no such file; the creation warned of it.
  if (memory.swap !== undefined && existsSync(`${folder}/memory.memsw.limit_in_bytes`)) {
    write("memory", "memory.memsw.limit_in_bytes", memory.swap);
  }
  if (memory.reservation !== undefined) write("memory", "memory.soft_limit_in_bytes", memory.reservation);
  if (memory.swappiness !== undefined) write("memory", "memory.swappiness", memory.swappiness);
  if (memory.disableOOMKiller) write("memory", "memory.oom_control", 1);
}

function writeCpu(write: Write, cpu: NonNullable<Resources["cpu"]>): void {
  if (cpu.shares !== undefined) write("cpu", "cpu.shares", cpu.shares);
  if (cpu.period !== undefined) write("cpu", "cpu.cfs_period_us", cpu.period);
  if (cpu.quota !== undefined) write("cpu", "cpu.cfs_quota_us", cpu.quota);
  if (cpu.realtimePeriod !== undefined) write("cpu", "cpu.rt_period_us", cpu.realtimePeriod);
  if (cpu.realtimeRuntime !== undefined) write("cpu", "cpu.rt_runtime_us", cpu.realtimeRuntime);
  if (cpu.cpus !== undefined) write("cpuset", "cpuset.cpus", cpu.cpus);
  if (cpu.mems !== undefined) write("cpuset", "cpuset.mems", cpu.mems);
}

function writeBlockIO(write: Write, folder: string | undefined, blockIO: NonNullable<Resources["blockIO"]>): void {
  // The weight's file is named after the scheduler that knows it.
  const weight = existsSync(`${folder}/blkio.bfq.weight`) ? "blkio.bfq.weight" : "blkio.weight";
  if (blockIO.weight !== undefined) write("blkio", weight, blockIO.weight);
  for (const { major, minor, weight: value } of blockIO.weightDevice ?? []) {
    write("blkio", `${weight}_device`, `${major}:${minor} ${value}`);
  }
  const throttles: [file: string, devices: Throttle[] | undefined][] = [
    ["blkio.throttle.read_bps_device", blockIO.throttleReadBpsDevice],
    ["blkio.throttle.write_bps_device", blockIO.throttleWriteBpsDevice],
    ["blkio.throttle.read_iops_device", blockIO.throttleReadIOPSDevice],
    ["blkio.throttle.write_iops_device", blockIO.throttleWriteIOPSDevice],
  ];
  for (const [file, devices] of throttles) {
    for (const { major, minor, rate } of devices ?? []) write("blkio", file, `${major}:${minor} ${rate}`);
  }
}
