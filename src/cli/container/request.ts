/**
 * From the flags of `run` and `create` to the request that makes the container. What was not given is left out: the
 * server has the defaults. Errors are Docker's texts.
 */
import type { ContainerCreateRequest, HealthConfig, HostConfig, RestartPolicy } from "@docker/node-sdk";
import { CliError } from "../errors.ts";
import type { Values } from "../flags/flag.ts";
import { cut } from "../flags/flag.ts";
import type { ConfigFile } from "../settings/config.ts";
import { parseDevices } from "./devices.ts";
import { readPairs, toRecord } from "./environment.ts";
import type { containerFlags } from "./flags.ts";
import { checkMac, networksOf } from "./networks.ts";
import { parsePorts } from "./ports.ts";
import { parseSecurity } from "./security.ts";
import { parseVolumes } from "./volumes.ts";

export type ContainerFlags = Values<typeof containerFlags>;

export interface RequestOptions {
  flags: ContainerFlags;
  given: ReadonlySet<string>;
  image: string;
  command: string[];
  config: ConfigFile;
  /** For the proxy settings of the configuration file. */
  host: string;
}

/** Throws CliError with the reason, exit code 125 (1 for what another system has). */
export function containerRequest(options: RequestOptions): ContainerCreateRequest {
  try {
    return makeRequest(options);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError((error as Error).message, { status: 125, named: true, help: true });
  }
}

function makeRequest(options: RequestOptions): ContainerCreateRequest {
  const { flags, given, image, command } = options;
  refuse(flags, given);
  const attached = flags.attach.length > 0 ? flags.attach : ["stdout", "stderr"];
  const { "memory-swappiness": swappiness } = flags;
  if (swappiness !== -1 && (swappiness < 0 || swappiness > 100)) {
    throw new Error(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  }
  if (flags["mac-address"] !== "") checkMac(flags["mac-address"]);
  const volumes = parseVolumes(flags.volume);
  const tmpfs = Object.fromEntries(
    flags.tmpfs.map((text) => {
      const at = text.indexOf(":");
      return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
  const ports = parsePorts(flags.publish, flags.expose);
  const devices = parseDevices(flags.device);
  const env = readPairs(flags["env-file"], flags.env, (name) => process.env[name]);
  const labels = toRecord(readPairs(flags["label-file"], flags.label, undefined));
  const mode = (flag: string, value: string, pattern: RegExp, name: string) => {
    if (!pattern.test(value)) throw new Error(`--${flag}: invalid ${name} mode`);
    return value;
  };
  const pid = mode("pid", flags.pid, /^(?:|host|container:.+)$/s, "PID");
  const uts = mode("uts", flags.uts, /^(?:|host)$/, "UTS");
  const userns = mode("userns", flags.userns, /^(?:|host)$/, "USER");
  const cgroupns = mode("cgroupns", flags.cgroupns, /^(?:|host|private)$/, "CGROUP");
  const restart = restartPolicy(flags.restart);
  const logging = { Type: flags["log-driver"], Config: logOptions(flags["log-driver"], flags["log-opt"]) };
  const security = parseSecurity(flags["security-opt"]);
  const storage = storageOptions(flags["storage-opt"]);
  const health = healthConfig(flags);
  if (flags.rm && restart.Name !== "" && restart.Name !== "no") {
    throw new Error("conflicting options: cannot specify both --restart and --rm");
  }
  const networks = networksOf([...flags.network, ...flags.net], {
    ...flags,
    "network-alias": [...flags["network-alias"], ...flags["net-alias"]],
  });
  const capabilities = capabilitySets(flags["cap-add"], flags["cap-drop"]);
  const requests = [...flags.gpus, ...(devices.cdi.length === 0 ? [] : [{ Driver: "cdi", DeviceIDs: devices.cdi }])];

  const host: HostConfig & { KernelMemory?: number } = {
    NetworkMode: networks.mode,
    ...present({
      Binds: volumes.binds,
      ContainerIDFile: flags.cidfile,
      PortBindings: ports.bindings,
      AutoRemove: flags.rm,
      VolumeDriver: flags["volume-driver"],
      VolumesFrom: flags["volumes-from"],
      CapAdd: capabilities.add,
      CapDrop: capabilities.drop,
      CgroupnsMode: cgroupns as "host" | "private",
      Dns: flags.dns,
      DnsOptions: [...flags["dns-option"], ...flags["dns-opt"]],
      DnsSearch: flags["dns-search"],
      ExtraHosts: flags["add-host"],
      GroupAdd: flags["group-add"],
      IpcMode: flags.ipc,
      Links: flags.link,
      OomScoreAdj: flags["oom-score-adj"],
      PidMode: pid,
      Privileged: flags.privileged,
      PublishAllPorts: flags["publish-all"],
      ReadonlyRootfs: flags["read-only"],
      SecurityOpt: security.options,
      StorageOpt: storage,
      Tmpfs: tmpfs,
      UTSMode: uts,
      UsernsMode: userns,
      ShmSize: flags["shm-size"],
      Sysctls: Object.fromEntries(flags.sysctl),
      Runtime: flags.runtime,
      Isolation: flags.isolation as "default",
      Annotations: Object.fromEntries(flags.annotation),
      Mounts: flags.mount,
      CpuShares: flags["cpu-shares"],
      Memory: flags.memory,
      NanoCpus: flags.cpus,
      CgroupParent: flags["cgroup-parent"],
      BlkioWeight: flags["blkio-weight"],
      BlkioWeightDevice: flags["blkio-weight-device"],
      BlkioDeviceReadBps: flags["device-read-bps"],
      BlkioDeviceWriteBps: flags["device-write-bps"],
      BlkioDeviceReadIOps: flags["device-read-iops"],
      BlkioDeviceWriteIOps: flags["device-write-iops"],
      CpuPeriod: flags["cpu-period"],
      CpuQuota: flags["cpu-quota"],
      CpuRealtimePeriod: flags["cpu-rt-period"],
      CpuRealtimeRuntime: flags["cpu-rt-runtime"],
      CpusetCpus: flags["cpuset-cpus"],
      CpusetMems: flags["cpuset-mems"],
      Devices: devices.mappings,
      DeviceCgroupRules: flags["device-cgroup-rule"],
      DeviceRequests: requests,
      KernelMemory: flags["kernel-memory"],
      MemoryReservation: flags["memory-reservation"],
      MemorySwap: flags["memory-swap"],
      OomKillDisable: flags["oom-kill-disable"],
      PidsLimit: flags["pids-limit"],
      Ulimits: [...flags.ulimit.values()].sort((a, b) => (a.Name < b.Name ? -1 : 1)),
    }),
    MemorySwappiness: swappiness,
    ...(given.has("init") ? { Init: flags.init } : {}),
    ...(restart.Name === "" ? {} : { RestartPolicy: restart }),
    ...(logging.Type === "" && Object.keys(logging.Config).length === 0 ? {} : { LogConfig: logging as never }),
    ...(security.systemPaths ? { MaskedPaths: [], ReadonlyPaths: [] } : {}),
  };

  return {
    Image: image,
    AttachStdin: flags.interactive || attached.includes("stdin"),
    AttachStdout: attached.includes("stdout"),
    AttachStderr: attached.includes("stderr"),
    ...present({
      Hostname: flags.hostname,
      Domainname: flags.domainname,
      User: flags.user,
      Tty: flags.tty,
      OpenStdin: flags.interactive,
      StdinOnce: flags.interactive,
      Env: [...env, ...proxyVariables(options, env)],
      Cmd: command,
      ExposedPorts: Object.fromEntries(ports.exposed.map((port) => [port, {}])),
      Volumes: Object.fromEntries(volumes.anonymous.map((path) => [path, {}])),
      WorkingDir: flags.workdir,
      Labels: labels,
      StopSignal: flags["stop-signal"],
      MacAddress: flags["mac-address"],
    }),
    ...(flags.entrypoint === undefined ? {} : { Entrypoint: [flags.entrypoint] }),
    ...(flags["stop-timeout"] === undefined ? {} : { StopTimeout: flags["stop-timeout"] }),
    ...(health === undefined ? {} : { Healthcheck: health }),
    HostConfig: host,
    NetworkingConfig: { EndpointsConfig: networks.endpoints },
  };
}

/** What cannot be done is said by name. */
function refuse(flags: ContainerFlags, given: ReadonlySet<string>): void {
  for (const flag of ["cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops"]) {
    if (given.has(flag)) {
      throw new CliError(`"--${flag}" is only supported on a daemon running on windows`, { final: true });
    }
  }
  if (flags["use-api-socket"]) throw new Error("--use-api-socket is not supported");
  if (!flags["disable-content-trust"]) throw new Error("content trust is not supported: --disable-content-trust=false");
}

/** Without what is empty, zero or false: the server has those as defaults. */
function present<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => {
      if (Array.isArray(value)) return value.length > 0;
      if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
      return Boolean(value);
    }),
  ) as Partial<T>;
}

/** Names in full and in order; what is added is not dropped, and ALL stands for all. */
export function capabilitySets(add: readonly string[], drop: readonly string[]): { add: string[]; drop: string[] } {
  const normal = (names: readonly string[]) => {
    const set = names
      .map((name) => name.trim().toUpperCase())
      .map((name) => {
        return name === "ALL" || name.startsWith("CAP_") ? name : `CAP_${name}`;
      });
    return set.includes("ALL") ? ["ALL"] : [...new Set(set)].sort();
  };
  const added = normal(add);
  return { add: added, drop: normal(drop).filter((name) => !added.includes(name)) };
}

export function restartPolicy(text: string): RestartPolicy & { Name: string } {
  if (text === "") return { Name: "" };
  const at = text.indexOf(":");
  const name = at < 0 ? text : text.slice(0, at);
  const count = at < 0 ? undefined : text.slice(at + 1);
  if (name === "") throw new Error("invalid restart policy format: no policy provided before colon");
  if (count !== undefined && !/^[+-]?\d+$/.test(count)) {
    throw new Error("invalid restart policy format: maximum retry count must be an integer");
  }
  return { Name: name as "no", MaximumRetryCount: Number(count ?? 0) };
}

function logOptions(driver: string, options: readonly string[]): Record<string, string> {
  if (driver === "none" && options.length > 0) throw new Error("invalid logging opts for driver none");
  return toRecord(options);
}

function storageOptions(options: readonly string[]): Record<string, string> {
  for (const option of options) if (!cut(option).found) throw new Error("invalid storage option");
  return toRecord(options);
}

function healthConfig(flags: ContainerFlags): (HealthConfig & { StartInterval?: number }) | undefined {
  const numbers = {
    Interval: flags["health-interval"],
    Timeout: flags["health-timeout"],
    Retries: flags["health-retries"],
    StartPeriod: flags["health-start-period"],
    StartInterval: flags["health-start-interval"],
  };
  const some = flags["health-cmd"] !== "" || Object.values(numbers).some((value) => value !== 0);
  if (flags["no-healthcheck"]) {
    if (some) throw new Error("--no-healthcheck conflicts with --health-* options");
    return { Test: ["NONE"] };
  }
  if (!some) return undefined;
  const names = {
    Interval: "interval",
    Timeout: "timeout",
    Retries: "retries",
    StartPeriod: "start-period",
    StartInterval: "start-interval",
  };
  for (const [key, name] of Object.entries(names)) {
    if (numbers[key as keyof typeof numbers] < 0) throw new Error(`--health-${name} cannot be negative`);
  }
  const test = flags["health-cmd"] === "" ? {} : { Test: ["CMD-SHELL", flags["health-cmd"]] };
  return { ...test, ...present(numbers) };
}

const proxySettings: Record<string, string> = {
  httpProxy: "HTTP_PROXY",
  httpsProxy: "HTTPS_PROXY",
  noProxy: "NO_PROXY",
  ftpProxy: "FTP_PROXY",
  allProxy: "ALL_PROXY",
};

/** The proxies of the configuration file, for what was not given by flag; in capitals and in small letters. */
function proxyVariables({ config, host }: RequestOptions, env: readonly string[]): string[] {
  const settings = config.proxies?.[host] ?? config.proxies?.default;
  const taken = new Set(env.map((pair) => cut(pair).key));
  return Object.entries(proxySettings).flatMap(([key, name]) => {
    const value = settings?.[key];
    if (!value) return [];
    return [name, name.toLowerCase()].filter((one) => !taken.has(one)).map((one) => `${one}=${value}`);
  });
}
