/** `docker inspect` of a container, in the shape of Docker's OpenAPI document. */
import type { ContainerInspectResponse } from "@docker/node-sdk";
import { defaultMaskedPaths, defaultReadonlyPaths } from "../../runtime/spec/defaults.ts";
import { zeroTime } from "../clock.ts";
import type { Container, ContainerRecord, MountRecord } from "./container.ts";
import { isRunning } from "./container.ts";
import type { Parts } from "./containers.ts";
import { filesOf } from "./files.ts";
import { logFile } from "./log-file.ts";
import { readSecurity } from "./security.ts";

/** "" when the container keeps none. */
export const logPath = (parts: Parts, record: ContainerRecord): string =>
  record.hostConfig.LogConfig?.Type === "none" ? "" : logFile(parts.folder, record.id);

export async function inspectContainer(
  parts: Parts,
  container: Container,
  size: boolean,
): Promise<ContainerInspectResponse> {
  const { record, state } = container;
  const { config, hostConfig: host } = record;
  const files = filesOf(parts, record);
  const privileged = host.Privileged ?? false;
  const answer = {
    Id: record.id,
    Created: record.created,
    Path: record.path,
    Args: record.args,
    State: {
      Status: state.status,
      Running: isRunning(container) || state.status === "restarting",
      Paused: state.status === "paused",
      Restarting: state.status === "restarting",
      OOMKilled: state.oomKilled,
      Dead: state.status === "dead",
      Pid: state.pid,
      ExitCode: state.exitCode,
      Error: state.error,
      StartedAt: state.startedAt || zeroTime,
      FinishedAt: state.finishedAt || zeroTime,
    },
    Image: record.image,
    ResolvConfPath: files.resolv,
    HostnamePath: files.hostname,
    HostsPath: files.hosts,
    LogPath: logPath(parts, record),
    Name: `/${record.name}`,
    RestartCount: state.restartCount,
    Driver: parts.snapshots.driver,
    Platform: record.platform.os,
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: readSecurity(host.SecurityOpt ?? [], parts.apparmor, host.Privileged ?? false).apparmor ?? "",
    ExecIDs: container.execs.size > 0 ? [...container.execs] : null,
    HostConfig: {
      Binds: null,
      ContainerIDFile: "",
      VolumeDriver: "",
      VolumesFrom: null,
      ConsoleSize: [0, 0],
      CapAdd: null,
      CapDrop: null,
      Dns: [],
      DnsOptions: [],
      DnsSearch: [],
      ExtraHosts: null,
      GroupAdd: null,
      Cgroup: "",
      Links: null,
      OomScoreAdj: 0,
      PidMode: "",
      Privileged: false,
      PublishAllPorts: false,
      ReadonlyRootfs: false,
      SecurityOpt: null,
      UTSMode: "",
      UsernsMode: "",
      Isolation: "",
      CpuShares: 0,
      Memory: 0,
      NanoCpus: 0,
      CgroupParent: "",
      BlkioWeight: 0,
      BlkioWeightDevice: [],
      BlkioDeviceReadBps: [],
      BlkioDeviceWriteBps: [],
      BlkioDeviceReadIOps: [],
      BlkioDeviceWriteIOps: [],
      CpuPeriod: 0,
      CpuQuota: 0,
      CpuRealtimePeriod: 0,
      CpuRealtimeRuntime: 0,
      CpusetCpus: "",
      CpusetMems: "",
      Devices: [],
      DeviceCgroupRules: null,
      DeviceRequests: null,
      MemoryReservation: 0,
      MemorySwap: 0,
      MemorySwappiness: null,
      OomKillDisable: null,
      PidsLimit: null,
      Ulimits: [],
      CpuCount: 0,
      CpuPercent: 0,
      IOMaximumIOps: 0,
      IOMaximumBandwidth: 0,
      ...host,
      PortBindings: host.PortBindings ?? {},
      AutoRemove: host.AutoRemove ?? false,
      MaskedPaths: host.MaskedPaths ?? (privileged ? null : defaultMaskedPaths),
      ReadonlyPaths: host.ReadonlyPaths ?? (privileged ? null : defaultReadonlyPaths),
    },
    GraphDriver: { Name: parts.snapshots.driver, Data: parts.snapshots.describe(record.id) },
    Mounts: record.mounts.filter(shown).map((mount) => describeMount(parts, mount)),
    Config: {
      Hostname: config.Hostname,
      Domainname: config.Domainname ?? "",
      User: config.User ?? "",
      AttachStdin: config.AttachStdin ?? false,
      AttachStdout: config.AttachStdout ?? false,
      AttachStderr: config.AttachStderr ?? false,
      ...(Object.keys(config.ExposedPorts ?? {}).length > 0 ? { ExposedPorts: config.ExposedPorts } : {}),
      Tty: config.Tty ?? false,
      OpenStdin: config.OpenStdin ?? false,
      StdinOnce: config.StdinOnce ?? false,
      Env: config.Env ?? [],
      Cmd: config.Cmd ?? null,
      Image: record.imageName,
      Volumes: Object.keys(config.Volumes ?? {}).length > 0 ? config.Volumes : null,
      WorkingDir: config.WorkingDir ?? "",
      Entrypoint: config.Entrypoint ?? null,
      OnBuild: null,
      Labels: config.Labels ?? {},
      ...(config.StopSignal ? { StopSignal: config.StopSignal } : {}),
      ...(config.StopTimeout !== undefined && config.StopTimeout !== null ? { StopTimeout: config.StopTimeout } : {}),
    },
    NetworkSettings: parts.endpoints.describe(container),
    ...(size ? await sizes(parts, container) : {}),
  };
  return answer as unknown as ContainerInspectResponse;
}

export async function sizes(parts: Parts, container: Container): Promise<{ SizeRw: number; SizeRootFs: number }> {
  const written = await parts.snapshots.usage(container.record.id);
  const below = container.record.chain.reduce((sum, layer) => sum + parts.snapshots.layers.size(layer), 0);
  return { SizeRw: written, SizeRootFs: written + below };
}

/** Docker leaves the `--tmpfs` ones out of Mounts, and shows those of `--mount`. */
const shown = (mount: MountRecord): boolean => !mount.unlisted;

export function describeMount(parts: Parts, mount: MountRecord) {
  const volume = mount.type === "volume";
  return {
    Type: mount.type,
    ...(volume ? { Name: mount.source } : {}),
    Source: volume ? parts.volumes.data(mount.source) : mount.source,
    Destination: mount.destination,
    ...(volume ? { Driver: "local" } : {}),
    Mode: mount.mode,
    RW: !mount.readonly,
    Propagation: mount.propagation,
  };
}
