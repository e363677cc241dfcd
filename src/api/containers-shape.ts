/** The shape of `POST /containers/create`: ContainerConfig with HostConfig and NetworkingConfig in it. */
import type { ContainerCreateRequest } from "@docker/node-sdk";
import { badRequest } from "./http/errors.ts";
import { boolean, integer, list, map, record, type Shape, set, text, words } from "./http/shape.ts";

const unsigned = integer(0);

/** Keys as `80`, `80/tcp`. */
const exposedPorts: Shape = (value, field) => {
  const ports = set(value, field) as Record<string, unknown>;
  for (const port of Object.keys(ports)) {
    const [, number] = /^(\d{1,5})(?:\/(?:tcp|udp|sctp))?$/i.exec(port) ?? [];
    if (number === undefined || Number(number) < 1 || Number(number) > 65535) {
      throw badRequest(`invalid port specification: ${JSON.stringify(port)}`);
    }
  }
  return ports;
};

const cgroupnsMode: Shape = (value, field) => {
  const mode = text(value, field);
  if (!["", "host", "private"].includes(mode as string)) {
    throw badRequest(`invalid cgroup namespace mode: ${JSON.stringify(mode)}`);
  }
  return mode;
};

const throttle = list(record({ Path: text, Rate: unsigned }));
const texts = list(text);
const textMap = map(text);

const mount = record({
  Target: text,
  Source: text,
  Type: text,
  ReadOnly: boolean,
  Consistency: text,
  BindOptions: record({
    Propagation: text,
    NonRecursive: boolean,
    CreateMountpoint: boolean,
    ReadOnlyNonRecursive: boolean,
    ReadOnlyForceRecursive: boolean,
  }),
  VolumeOptions: record({
    NoCopy: boolean,
    Labels: textMap,
    Subpath: text,
    DriverConfig: record({ Name: text, Options: textMap }),
  }),
  ImageOptions: record({ Subpath: text }),
  TmpfsOptions: record({ SizeBytes: integer(), Mode: integer(0, 0xffffffff), Options: list(texts) }),
});

const hostConfig = record({
  Annotations: textMap,
  AutoRemove: boolean,
  Binds: texts,
  BlkioDeviceReadBps: throttle,
  BlkioDeviceReadIOps: throttle,
  BlkioDeviceWriteBps: throttle,
  BlkioDeviceWriteIOps: throttle,
  BlkioWeight: integer(0, 0xffff),
  BlkioWeightDevice: list(record({ Path: text, Weight: integer(0, 0xffff) })),
  CapAdd: words,
  CapDrop: words,
  Cgroup: text,
  CgroupParent: text,
  CgroupnsMode: cgroupnsMode,
  ConsoleSize: list(integer(0, 0xffffffff)),
  ContainerIDFile: text,
  CpuCount: integer(),
  CpuPercent: integer(),
  CpuPeriod: integer(),
  CpuQuota: integer(),
  CpuRealtimePeriod: integer(),
  CpuRealtimeRuntime: integer(),
  CpuShares: integer(),
  CpusetCpus: text,
  CpusetMems: text,
  DeviceCgroupRules: texts,
  DeviceRequests: list(
    record({ Driver: text, Count: integer(), DeviceIDs: texts, Capabilities: list(texts), Options: textMap }),
  ),
  Devices: list(record({ PathOnHost: text, PathInContainer: text, CgroupPermissions: text })),
  Dns: texts,
  DnsOptions: texts,
  DnsSearch: texts,
  ExtraHosts: texts,
  GroupAdd: texts,
  IOMaximumBandwidth: unsigned,
  IOMaximumIOps: unsigned,
  Init: boolean,
  IpcMode: text,
  Isolation: text,
  KernelMemory: integer(),
  KernelMemoryTCP: integer(),
  Links: texts,
  LogConfig: record({ Type: text, Config: textMap }),
  MaskedPaths: texts,
  Memory: integer(),
  MemoryReservation: integer(),
  MemorySwap: integer(),
  MemorySwappiness: integer(),
  Mounts: list(mount),
  NanoCpus: integer(),
  NetworkMode: text,
  OomKillDisable: boolean,
  OomScoreAdj: integer(),
  PidMode: text,
  PidsLimit: integer(),
  PortBindings: map(list(record({ HostIp: text, HostPort: text })), true),
  Privileged: boolean,
  PublishAllPorts: boolean,
  ReadonlyPaths: texts,
  ReadonlyRootfs: boolean,
  RestartPolicy: record({ Name: text, MaximumRetryCount: integer() }),
  Runtime: text,
  SecurityOpt: texts,
  ShmSize: integer(),
  StorageOpt: textMap,
  Sysctls: textMap,
  Tmpfs: textMap,
  UTSMode: text,
  Ulimits: list(record({ Name: text, Soft: integer(), Hard: integer() })),
  UsernsMode: text,
  VolumeDriver: text,
  VolumesFrom: texts,
});

const endpoint = record({
  Aliases: texts,
  DriverOpts: textMap,
  EndpointID: text,
  Gateway: text,
  GlobalIPv6Address: text,
  GlobalIPv6PrefixLen: integer(),
  GwPriority: integer(),
  IPAMConfig: record({ IPv4Address: text, IPv6Address: text, LinkLocalIPs: texts }),
  IPAddress: text,
  IPPrefixLen: integer(),
  IPv6Gateway: text,
  Links: texts,
  MacAddress: text,
  NetworkID: text,
});

const config: Record<string, Shape> = {
  ArgsEscaped: boolean,
  AttachStderr: boolean,
  AttachStdin: boolean,
  AttachStdout: boolean,
  Cmd: words,
  Domainname: text,
  Entrypoint: words,
  Env: texts,
  ExposedPorts: exposedPorts,
  Healthcheck: record({
    Test: texts,
    Interval: integer(),
    Timeout: integer(),
    Retries: integer(),
    StartPeriod: integer(),
    StartInterval: integer(),
  }),
  Hostname: text,
  Image: text,
  Labels: textMap,
  MacAddress: text,
  NetworkDisabled: boolean,
  OnBuild: texts,
  OpenStdin: boolean,
  Shell: words,
  StdinOnce: boolean,
  StopSignal: text,
  StopTimeout: integer(),
  Tty: boolean,
  User: text,
  Volumes: set,
  WorkingDir: text,
};

const createRequest = record({
  ...config,
  HostConfig: hostConfig,
  NetworkingConfig: record({ EndpointsConfig: map(endpoint, true) }),
});

/** Checks a body. Throws 400 naming field and value, or in Docker's words when it holds no configuration at all. */
export function toCreateRequest(body: unknown): ContainerCreateRequest {
  if (body === undefined) throw badRequest("invalid JSON: got EOF while reading request body");
  const request = createRequest(body === null ? {} : body, "") as ContainerCreateRequest;
  if (!Object.keys(request).some((name) => name in config)) {
    throw badRequest("Config cannot be empty in order to create a container");
  }
  const endpoints = request.NetworkingConfig?.EndpointsConfig as Record<string, unknown> | undefined;
  for (const name in endpoints) endpoints[name] ??= {};
  return request;
}
