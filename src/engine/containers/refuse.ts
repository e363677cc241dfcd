/** What a container may not ask for: bad values (400), and what the server does not do yet (501, by name). */
import type { ContainerConfig, HostConfig } from "@docker/node-sdk";
import { invalid, notImplemented } from "../errors.ts";

const MiB = 1 << 20;

/** Every field that some client can set and that nothing here acts on; never ignored in silence. */
const absent: { name: string; set: (host: HostConfig, config: ContainerConfig) => unknown }[] = [
  {
    name: "health checks (--health-cmd)",
    set: (_, config) => config.Healthcheck?.Test?.length && config.Healthcheck.Test[0] !== "NONE",
  },
  { name: "links (--link)", set: (host) => host.Links?.length },
  { name: "volumes of other containers (--volumes-from)", set: (host) => host.VolumesFrom?.length },
  { name: "volume drivers (--volume-driver)", set: (host) => host.VolumeDriver && host.VolumeDriver !== "local" },
  { name: "device requests (--gpus)", set: (host) => host.DeviceRequests?.length },
  { name: "storage options (--storage-opt)", set: (host) => Object.keys(host.StorageOpt ?? {}).length },
  { name: "user namespaces (--userns)", set: (host) => host.UsernsMode && host.UsernsMode !== "host" },
  {
    name: "real-time CPU (--cpu-rt-period, --cpu-rt-runtime)",
    set: (host) => host.CpuRealtimePeriod || host.CpuRealtimeRuntime,
  },
  { name: "a cgroup parent of the container's own (--cgroup-parent)", set: (host) => host.CgroupParent },
];

const logDrivers = ["", "json-file", "local", "none"];

/** Throws 400 or 501 for the first thing that cannot be. */
export function checkRequest(config: ContainerConfig, host: HostConfig): void {
  for (const one of absent) if (one.set(host, config)) throw notImplemented(`not there yet: ${one.name}`);
  checkMemory(host);
  checkCpu(host);
  checkPolicy(host);
  const driver = host.LogConfig?.Type ?? "";
  if (!logDrivers.includes(driver)) {
    throw ["syslog", "journald", "gelf", "fluentd", "awslogs", "splunk", "gcplogs", "etwlogs"].includes(driver)
      ? notImplemented(`the log driver "${driver}" is not there yet`)
      : invalid(`logger: no log driver named '${driver}' is registered`);
  }
  if (Object.keys(host.LogConfig?.Config ?? {}).length > 0)
    throw notImplemented("log options (--log-opt) are not there yet");
  if (host.Runtime && !["crun", "runc", "io.containerd.runc.v2"].includes(host.Runtime)) {
    throw invalid(`unknown or invalid runtime name: ${host.Runtime}`);
  }
  if (host.Isolation && String(host.Isolation) !== "default") {
    throw invalid(`invalid isolation '${host.Isolation}' on linux`);
  }
  for (const variable of config.Env ?? []) {
    if (variable === "" || variable.startsWith("=")) throw invalid(`invalid environment variable: ${variable}`);
    if (variable.includes("\0")) throw invalid(`invalid environment variable: ${JSON.stringify(variable)}`);
  }
  if (config.WorkingDir && !config.WorkingDir.startsWith("/")) {
    throw invalid(`the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`);
  }
  if (config.Hostname && !/^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,62})$/.test(config.Hostname)) {
    throw invalid(`invalid hostname format: ${config.Hostname}`);
  }
  if ((config.StopTimeout ?? 0) < -1) throw invalid(`invalid stop timeout ${config.StopTimeout}`);
  if (host.ShmSize !== undefined && host.ShmSize < 0) throw invalid("SHM size can not be less than 0");
  if (host.OomScoreAdj !== undefined && Math.abs(host.OomScoreAdj) > 1000) {
    throw invalid(`Invalid value ${host.OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
  for (const key of Object.keys(host.Annotations ?? {})) {
    // crun obeys annotations of this name: they would undo what confines the container.
    if (/^(run\.oci|org\.systemd|io\.gantry)\b/.test(key))
      throw invalid(`the annotation ${JSON.stringify(key)} is not allowed`);
  }
}

function checkMemory(host: HostConfig): void {
  const { Memory: memory = 0, MemorySwap: swap = 0, MemoryReservation: reservation = 0 } = host;
  const swappiness = host.MemorySwappiness;
  if (memory !== 0 && memory < 6 * MiB) throw invalid("Minimum memory limit allowed is 6MB");
  if (memory > 0 && swap > 0 && swap < memory) {
    throw invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
  }
  if (memory === 0 && swap > 0) {
    throw invalid("You should always set the Memory limit when using Memoryswap limit, see usage");
  }
  if (swappiness !== undefined && swappiness !== null && (swappiness < -1 || swappiness > 100)) {
    throw invalid(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  }
  if (reservation !== 0 && reservation < 6 * MiB) throw invalid("Minimum memory reservation allowed is 6MB");
  if (memory > 0 && reservation > memory) {
    throw invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
  }
}

function checkCpu(host: HostConfig): void {
  const { NanoCpus: nano = 0, CpuQuota: quota = 0, CpuPeriod: period = 0, CpuShares: shares = 0 } = host;
  const available = navigator.hardwareConcurrency;
  if (nano > 0 && (quota > 0 || period > 0)) {
    throw invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  }
  if (nano < 0 || nano > available * 1e9) {
    throw invalid(`range of CPUs is from 0.01 to ${available}.00, as there are only ${available} CPUs available`);
  }
  if (shares < 0) throw invalid(`invalid CPU shares (${shares}): value must be a positive integer`);
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    throw invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  }
  if (quota > 0 && quota < 1000) throw invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  for (const [name, value] of [
    ["cpuset cpus", host.CpusetCpus],
    ["cpuset mems", host.CpusetMems],
  ] as const) {
    if (value && !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(value)) throw invalid(`Invalid value ${value} for ${name}`);
  }
  const highest = Math.max(-1, ...(host.CpusetCpus ?? "").split(/[,-]/).filter(Boolean).map(Number));
  if (highest >= available) {
    throw invalid(`Requested CPUs are not available - requested ${host.CpusetCpus}, available: 0-${available - 1}`);
  }
}

function checkPolicy(host: HostConfig): void {
  const { Name: name = "", MaximumRetryCount: retries = 0 } = (host.RestartPolicy ?? {}) as {
    Name?: string;
    MaximumRetryCount?: number;
  };
  if (!["", "no", "always", "unless-stopped", "on-failure"].includes(name)) {
    throw invalid(
      `invalid restart policy: unknown policy '${name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (retries < 0) throw invalid("invalid restart policy: maximum retry count cannot be negative");
  if (retries > 0 && name !== "on-failure") {
    throw invalid("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  }
  if (host.AutoRemove && name !== "" && name !== "no") {
    throw invalid("can't create 'AutoRemove' container with restart policy");
  }
}
