/** Limits of a container, from the Engine API's HostConfig to OCI's resources, with Docker's checks and texts. */
import { statSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { HostConfig } from "@docker/node-sdk";
import { deviceNumbers } from "./devices.ts";
import { SpecError } from "./errors.ts";
import type { Resources, Throttle } from "./types.ts";

export interface ResourceLimits {
  resources: Resources;
  /** What was asked for and cannot be had here: Docker's warnings of create. */
  warnings: string[];
}

export interface ResourceSupport {
  /** The kernel counts swap for groups. */
  swap: boolean;
  cpus: number;
  /** Weights of block devices. Like those below it is taken to be there unless it says false. */
  weights?: boolean;
  swappiness?: boolean;
  oomKillDisable?: boolean;
  /** Processors and memory nodes, as `0-2,5`. */
  online?: { cpus: string; mems: string };
}

const leastMemory = 6 << 20;

/** Device rules are not here: see build.ts. Throws SpecError. */
export function resolveResources(
  host: HostConfig,
  support: ResourceSupport = { swap: true, cpus: availableParallelism() },
): ResourceLimits {
  const warnings: string[] = [];
  const memory = resolveMemory(host, support, warnings);
  const cpu = resolveCpu(host, support);
  const blockIO = resolveBlockIO(host, support, warnings);
  const pids = whole(host.PidsLimit, "PidsLimit", -1);
  const resources: Resources = {
    ...(Object.keys(memory).length === 0 ? {} : { memory }),
    ...(Object.keys(cpu).length === 0 ? {} : { cpu }),
    ...(Object.keys(blockIO).length === 0 ? {} : { blockIO }),
    ...(pids > 0 ? { pids: { limit: pids } } : {}),
  };
  return { resources, warnings };
}

function resolveMemory(
  host: HostConfig,
  support: ResourceSupport,
  warnings: string[],
): NonNullable<Resources["memory"]> {
  const limit = whole(host.Memory, "Memory", 0);
  let swap = whole(host.MemorySwap, "MemorySwap", -1);
  const reservation = whole(host.MemoryReservation, "MemoryReservation", 0);
  const swappiness = whole(host.MemorySwappiness, "MemorySwappiness", -1);
  const given = host.MemorySwappiness !== undefined && host.MemorySwappiness !== null && swappiness !== -1;
  if (limit > 0 && limit < leastMemory) throw new SpecError("Minimum memory limit allowed is 6MB");
  if (limit === 0 && swap > 0) {
    throw new SpecError("You should always set the Memory limit when using Memoryswap limit, see usage");
  }
  if (limit > 0 && swap > 0 && swap < limit) {
    throw new SpecError("Minimum memoryswap limit should be larger than memory limit, see usage");
  }
  if (reservation > 0 && reservation < leastMemory) throw new SpecError("Minimum memory reservation allowed is 6MB");
  if (limit > 0 && reservation > limit) {
    throw new SpecError("Minimum memory limit can not be less than memory reservation limit, see usage");
  }
  if (given && swappiness > 100) {
    throw new SpecError(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  }
  // Docker's default: as much swap as memory.
  if (limit > 0 && swap === 0) swap = limit * 2;
  if (swap !== 0 && limit > 0 && !support.swap) {
    if ((host.MemorySwap ?? 0) > 0) {
      warnings.push(
        "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
      );
    }
    swap = 0;
  }
  const swappable = support.swappiness !== false;
  if (given && !swappable) {
    warnings.push(
      "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
    );
  }
  const endless = (host.OomKillDisable ?? false) && support.oomKillDisable !== false;
  if (host.OomKillDisable && !endless) {
    warnings.push("Your kernel does not support OomKillDisable. OomKillDisable discarded.");
  }
  return {
    ...(limit > 0 ? { limit } : {}),
    ...(limit > 0 && swap !== 0 ? { swap } : {}),
    ...(reservation > 0 ? { reservation } : {}),
    ...(given && swappable ? { swappiness } : {}),
    ...(endless ? { disableOOMKiller: true } : {}),
  };
}

function resolveCpu(host: HostConfig, support: ResourceSupport): NonNullable<Resources["cpu"]> {
  const shares = whole(host.CpuShares, "CpuShares", 0);
  const nano = whole(host.NanoCpus, "NanoCpus", 0);
  let period = whole(host.CpuPeriod, "CpuPeriod", 0);
  let quota = whole(host.CpuQuota, "CpuQuota", -1);
  if (nano > 0 && period > 0) throw new SpecError("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  if (nano > 0 && quota > 0) throw new SpecError("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  if (nano > 0 && (nano < 1e7 || nano > support.cpus * 1e9)) {
    throw new SpecError(
      `range of CPUs is from 0.01 to ${support.cpus}.00, as there are only ${support.cpus} CPUs available`,
    );
  }
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    throw new SpecError("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  }
  if (quota > 0 && quota < 1000) throw new SpecError("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  if (nano > 0) {
    period = 100_000;
    quota = Math.round((nano * period) / 1e9);
  }
  const cpus = processors(host.CpusetCpus, "cpuset cpus", "CPUs", support.online?.cpus);
  const mems = processors(host.CpusetMems, "cpuset mems", "memory nodes", support.online?.mems);
  const realtimePeriod = whole(host.CpuRealtimePeriod, "CpuRealtimePeriod", 0);
  const realtimeRuntime = whole(host.CpuRealtimeRuntime, "CpuRealtimeRuntime", 0);
  return {
    ...(shares > 0 ? { shares } : {}),
    ...(period > 0 ? { period } : {}),
    ...(quota !== 0 ? { quota } : {}),
    ...(cpus === "" ? {} : { cpus }),
    ...(mems === "" ? {} : { mems }),
    ...(realtimePeriod > 0 ? { realtimePeriod } : {}),
    ...(realtimeRuntime > 0 ? { realtimeRuntime } : {}),
  };
}

function resolveBlockIO(
  host: HostConfig,
  support: ResourceSupport,
  warnings: string[],
): NonNullable<Resources["blockIO"]> {
  const weight = whole(host.BlkioWeight, "BlkioWeight", 0);
  if (weight !== 0 && (weight < 10 || weight > 1000)) throw new SpecError("Range of blkio weight is from 10 to 1000");
  const weighs = support.weights !== false;
  const blockIO: NonNullable<Resources["blockIO"]> = weight > 0 && weighs ? { weight } : {};
  if (weight > 0 && !weighs) {
    warnings.push("Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.");
  }
  if (host.BlkioWeightDevice?.length) {
    const weights = host.BlkioWeightDevice.map(({ Path = "", Weight }) => {
      const value = whole(Weight, "BlkioWeightDevice", 0);
      if (value < 10 || value > 1000) throw new SpecError("Range of blkio weight is from 10 to 1000");
      return { ...blockDevice(Path), weight: value };
    });
    if (weighs) blockIO.weightDevice = weights;
    else {
      warnings.push(
        "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.",
      );
    }
  }
  const throttles = [
    ["throttleReadBpsDevice", host.BlkioDeviceReadBps],
    ["throttleWriteBpsDevice", host.BlkioDeviceWriteBps],
    ["throttleReadIOPSDevice", host.BlkioDeviceReadIOps],
    ["throttleWriteIOPSDevice", host.BlkioDeviceWriteIOps],
  ] as const;
  for (const [key, devices] of throttles) {
    if (!devices?.length) continue;
    blockIO[key] = devices.map(
      ({ Path = "", Rate }): Throttle => ({ ...blockDevice(Path), rate: whole(Rate, key, 0) }),
    );
  }
  return blockIO;
}

function blockDevice(path: string): { major: number; minor: number } {
  let rdev: number;
  try {
    const stats = statSync(path);
    if (!stats.isBlockDevice()) throw new Error("not a block device");
    rdev = stats.rdev;
  } catch (error) {
    throw new SpecError(`no block device at ${JSON.stringify(path)}: ${(error as Error).message}`);
  }
  return deviceNumbers(rdev);
}

/** `0-2,5`. */
function processors(text: string | undefined, what: string, plural: string, online: string | undefined): string {
  if (text === undefined || text === null || text === "") return "";
  if (!/^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/.test(text)) {
    throw new SpecError(`Invalid value ${text} for ${what}`);
  }
  if (online && ranges(text).some(([low, high]) => !covers(online, low, high))) {
    throw new SpecError(`Requested ${plural} are not available - requested ${text}, available: ${online}`);
  }
  return text;
}

const ranges = (text: string): [number, number][] =>
  text.split(",").map((part) => {
    const [low, high = low] = part.split("-").map(Number);
    return [low!, high!];
  });

function covers(online: string, low: number, high: number): boolean {
  const has = ranges(online);
  for (let at = low; at <= high; at++) if (!has.some(([from, to]) => at >= from && at <= to)) return false;
  return true;
}

function whole(value: number | null | undefined, name: string, least: number): number {
  if (value === undefined || value === null) return 0;
  if (!Number.isSafeInteger(value) || value < least) throw new SpecError(`invalid ${name}: ${value}`);
  return value;
}
