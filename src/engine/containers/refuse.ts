/** What a container may not ask for: bad values (400), and what the server does not do yet (501, by name). */
import type { ContainerConfig, HostConfig } from "@docker/node-sdk";
import { invalid, notImplemented } from "../errors.ts";

/** Every field that some client can set and that nothing here acts on; never ignored in silence. */
const absent: { name: string; set: (host: HostConfig, config: ContainerConfig) => unknown }[] = [
  {
    name: "health checks (--health-cmd, --health-interval, --health-timeout, --health-retries, --health-start-period, --health-start-interval)",
    set: (_, { Healthcheck: check }) => {
      const { Test: test, ...times } = check ?? {};
      return (test?.length && test[0] !== "NONE") || Object.values(times).some((value) => Number(value) !== 0);
    },
  },
  {
    name: "limits of kernel memory (--kernel-memory)",
    set: (host) => {
      const { KernelMemory: all, KernelMemoryTCP: tcp } = host as { KernelMemory?: number; KernelMemoryTCP?: number };
      return all || tcp;
    },
  },
  {
    name: "limits that Windows alone has (--cpu-count, --cpu-percent, --io-maxbandwidth, --io-maxiops)",
    set: (host) => host.CpuCount || host.CpuPercent || host.IOMaximumBandwidth || host.IOMaximumIOps,
  },
  { name: "containers without network settings (NetworkDisabled)", set: (_, config) => config.NetworkDisabled },
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
  for (const key of Object.keys(host.Annotations ?? {})) {
    // crun obeys annotations of this name: they would undo what confines the container.
    if (/^(run\.oci|org\.systemd|io\.gantry)\b/.test(key))
      throw invalid(`the annotation ${JSON.stringify(key)} is not allowed`);
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
