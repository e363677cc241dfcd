/** `docker info` and `docker version`. */
import { readFileSync } from "node:fs";
import { hostname, release, totalmem } from "node:os";
import type { SystemInfo, SystemVersion } from "@docker/node-sdk";
import type { Database } from "../../storage/database/database.ts";
import { isRunning } from "../containers/container.ts";
import type { Parts } from "../containers/containers.ts";

export const apiVersion = "1.51";
export const oldestApiVersion = "1.24";

export interface SystemParts extends Parts {
  /** Of this program. */
  product: { version: string; commit: string; built: string };
  dataRoot: string;
  registry: { mirrors: string[]; insecure: string[] };
  labels: string[];
  liveRestore: boolean;
  debug: boolean;
  embeddedHub: string;
  runtimeVersion: () => Promise<string>;
  pools: { base: string; size: number }[];
  serverId: string;
  warnings: string[];
}

const goArchitecture = (): string => ({ x64: "amd64", arm64: "arm64" })[process.arch as "x64"] ?? process.arch;
const kernelArchitecture = (): string => ({ x64: "x86_64", arm64: "aarch64" })[process.arch as "x64"] ?? process.arch;

function operatingSystem(): { name: string; version: string } {
  try {
    const text = readFileSync("/etc/os-release", "utf8");
    const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(text)?.[1] ?? "";
    return { name: field("PRETTY_NAME") || "Linux", version: field("VERSION_ID") };
  } catch {
    return { name: "Linux", version: "" };
  }
}

export async function systemInfo(parts: SystemParts): Promise<SystemInfo> {
  const containers = parts.store.all();
  const count = (status: string) => containers.filter((one) => one.state.status === status).length;
  const running = containers.filter(isRunning).length - count("paused");
  const os = operatingSystem();
  const cgroup2 = parts.cgroupVersion === 2;
  return {
    ID: parts.serverId,
    Containers: containers.length,
    ContainersRunning: running,
    ContainersPaused: count("paused"),
    ContainersStopped: containers.length - running - count("paused"),
    Images: parts.images.store.all().length,
    Driver: parts.snapshots.driver,
    DriverStatus: [["Layers", String(parts.snapshots.layers.list().length)]],
    Plugins: {
      Volume: ["local"],
      Network: ["bridge", "host", "null"],
      Authorization: null,
      Log: ["json-file", "none"],
    },
    MemoryLimit: true,
    SwapLimit: true,
    CpuCfsPeriod: true,
    CpuCfsQuota: true,
    CPUShares: true,
    CPUSet: true,
    PidsLimit: true,
    IPv4Forwarding: forwarding(),
    Debug: parts.debug,
    NFd: 0,
    OomKillDisable: !cgroup2,
    NGoroutines: 0,
    SystemTime: new Date().toISOString(),
    LoggingDriver: "json-file",
    CgroupDriver: "cgroupfs",
    CgroupVersion: cgroup2 ? "2" : "1",
    NEventsListener: 0,
    KernelVersion: release(),
    OperatingSystem: os.name,
    OSVersion: os.version,
    OSType: "linux",
    Architecture: kernelArchitecture(),
    IndexServerAddress: "https://index.docker.io/v1/",
    RegistryConfig: {
      InsecureRegistryCIDRs: ["::1/128", "127.0.0.0/8"],
      IndexConfigs: {
        "docker.io": { Name: "docker.io", Mirrors: parts.registry.mirrors, Secure: true, Official: true },
        ...Object.fromEntries(
          parts.registry.insecure.map((name) => [name, { Name: name, Mirrors: [], Secure: false, Official: false }]),
        ),
      },
      Mirrors: parts.registry.mirrors,
    },
    NCPU: navigator.hardwareConcurrency,
    MemTotal: totalmem(),
    GenericResources: null,
    DockerRootDir: parts.dataRoot,
    HttpProxy: process.env.HTTP_PROXY ?? "",
    HttpsProxy: process.env.HTTPS_PROXY ?? "",
    NoProxy: process.env.NO_PROXY ?? "",
    Name: hostname(),
    Labels: parts.labels,
    ExperimentalBuild: false,
    ServerVersion: parts.product.version,
    Runtimes: { crun: { path: "crun" } },
    DefaultRuntime: "crun",
    Swarm: {
      NodeID: "",
      NodeAddr: "",
      LocalNodeState: "inactive",
      ControlAvailable: false,
      Error: "",
      RemoteManagers: null,
    },
    LiveRestoreEnabled: parts.liveRestore,
    Isolation: "",
    InitBinary: "catatonit",
    ContainerdCommit: { ID: "" },
    RuncCommit: { ID: "" },
    InitCommit: { ID: "" },
    SecurityOptions: [
      ...(parts.apparmor ? ["name=apparmor"] : []),
      "name=seccomp,profile=builtin",
      ...(cgroup2 ? ["name=cgroupns"] : []),
    ],
    DefaultAddressPools: parts.pools.map((pool) => ({ Base: pool.base, Size: pool.size })),
    CDISpecDirs: [],
    Warnings: parts.warnings.length > 0 ? parts.warnings : null,
    EmbeddedHub: parts.embeddedHub,
  } as unknown as SystemInfo;
}

function forwarding(): boolean {
  try {
    return readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim() === "1";
  } catch {
    return false;
  }
}

export async function systemVersion(parts: SystemParts): Promise<SystemVersion> {
  const { product } = parts;
  const details = {
    ApiVersion: apiVersion,
    Arch: goArchitecture(),
    BuildTime: product.built,
    Experimental: "false",
    GitCommit: product.commit,
    GoVersion: "",
    KernelVersion: release(),
    MinAPIVersion: oldestApiVersion,
    Os: "linux",
  };
  return {
    Platform: { Name: "Gantry" },
    Components: [
      { Name: "Engine", Version: product.version, Details: details },
      { Name: "crun", Version: await parts.runtimeVersion(), Details: {} },
    ],
    Version: product.version,
    ApiVersion: apiVersion,
    MinAPIVersion: oldestApiVersion,
    GitCommit: product.commit,
    GoVersion: "",
    Os: "linux",
    Arch: goArchitecture(),
    KernelVersion: release(),
    BuildTime: product.built,
  } as unknown as SystemVersion;
}

/** Made at the first start and kept. */
export function serverId(database: Database): string {
  const row = database.query("SELECT value FROM settings WHERE name = 'server'").get() as { value: string } | null;
  if (row) return row.value;
  const id = crypto.randomUUID();
  database.query("INSERT INTO settings (name, value) VALUES ('server', ?)").run(id);
  return id;
}
