/** The server's part of `info`, line by line as Docker's client writes it. */
import type { SystemInfo } from "@docker/node-sdk";
import { binarySize } from "./format/units.ts";

/** Fields that older or newer servers have beyond the published type. */
type Info = SystemInfo & {
  InitCommit?: { ID?: string };
  BuildkitVersion?: string;
};

export function infoText(info: Info): string {
  const lines: string[] = [];
  const line = (text: string, depth = 1) => lines.push(" ".repeat(depth) + text);
  line(`Containers: ${info.Containers}`);
  line(`Running: ${info.ContainersRunning}`, 2);
  line(`Paused: ${info.ContainersPaused}`, 2);
  line(`Stopped: ${info.ContainersStopped}`, 2);
  line(`Images: ${info.Images}`);
  if (info.ServerVersion) line(`Server Version: ${info.ServerVersion}`);
  if (info.Driver) line(`Storage Driver: ${info.Driver}`);
  for (const [name, value] of info.DriverStatus ?? []) line(`${name}: ${value}`, 2);
  if (info.LoggingDriver) line(`Logging Driver: ${info.LoggingDriver}`);
  if (info.CgroupDriver) line(`Cgroup Driver: ${info.CgroupDriver}`);
  if (info.CgroupVersion) line(`Cgroup Version: ${info.CgroupVersion}`);
  line("Plugins:");
  line(`Volume: ${(info.Plugins?.Volume ?? []).join(" ")}`, 2);
  line(`Network: ${(info.Plugins?.Network ?? []).join(" ")}`, 2);
  if (info.Plugins?.Authorization?.length) line(`Authorization: ${info.Plugins.Authorization.join(" ")}`, 2);
  line(`Log: ${(info.Plugins?.Log ?? []).join(" ")}`, 2);
  line(`Swarm: ${info.Swarm?.LocalNodeState ?? "inactive"}`);
  const runtimes = Object.keys(info.Runtimes ?? {}).sort();
  if (runtimes.length > 0) line(`Runtimes: ${runtimes.join(" ")}`);
  if (info.DefaultRuntime) line(`Default Runtime: ${info.DefaultRuntime}`);
  line(`Init Binary: ${info.InitBinary ?? ""}`);
  for (const [name, commit] of [
    ["containerd", info.ContainerdCommit],
    ["runc", info.RuncCommit],
    ["init", info.InitCommit],
  ] as const) {
    if (commit) line(`${name} version: ${commit.ID ?? ""}`);
  }
  if (info.SecurityOptions?.length) {
    line("Security Options:");
    for (const option of info.SecurityOptions) securityLines(option, line);
  }
  if (info.KernelVersion) line(`Kernel Version: ${info.KernelVersion}`);
  if (info.OperatingSystem) line(`Operating System: ${info.OperatingSystem}`);
  if (info.OSType) line(`OSType: ${info.OSType}`);
  if (info.Architecture) line(`Architecture: ${info.Architecture}`);
  line(`CPUs: ${info.NCPU}`);
  line(`Total Memory: ${binarySize(info.MemTotal ?? 0)}`);
  if (info.Name) line(`Name: ${info.Name}`);
  if (info.ID) line(`ID: ${info.ID}`);
  line(`Docker Root Dir: ${info.DockerRootDir}`);
  line(`Debug Mode: ${info.Debug}`);
  if (info.Debug) {
    line(`File Descriptors: ${info.NFd}`, 2);
    line(`Goroutines: ${info.NGoroutines}`, 2);
    line(`System Time: ${info.SystemTime}`, 2);
    line(`EventsListeners: ${info.NEventsListener}`, 2);
  }
  if (info.HttpProxy) line(`HTTP Proxy: ${info.HttpProxy}`);
  if (info.HttpsProxy) line(`HTTPS Proxy: ${info.HttpsProxy}`);
  if (info.NoProxy) line(`No Proxy: ${info.NoProxy}`);
  if (info.Labels?.length) {
    line("Labels:");
    for (const label of info.Labels) line(label, 2);
  }
  line(`Experimental: ${info.ExperimentalBuild ?? false}`);
  registryLines(info, line);
  line(`Live Restore Enabled: ${info.LiveRestoreEnabled ?? false}`);
  if (info.ProductLicense) line(`Product License: ${info.ProductLicense}`);
  if (info.DefaultAddressPools?.length) {
    line("Default Address Pools:");
    for (const { Base, Size } of info.DefaultAddressPools) line(`Base: ${Base}, Size: ${Size}`, 3);
  }
  return `${lines.join("\n")}\n\n`;
}

type Line = (text: string, depth?: number) => void;

function securityLines(option: string, line: Line): void {
  const pairs = option.split(",").map((pair) => pair.split("="));
  const name = pairs.find(([key]) => key === "name")?.[1];
  line(name ?? option, 2);
  for (const [key = "", value = ""] of pairs) {
    if (key === "name" || name === undefined) continue;
    line(`${key === "profile" ? "Profile" : key}: ${value}`, 3);
  }
}

function registryLines({ RegistryConfig }: Info, line: Line): void {
  const insecure = Object.values(RegistryConfig?.IndexConfigs ?? {}).filter((index) => index && index.Secure === false);
  const ranges = RegistryConfig?.InsecureRegistryCIDRs ?? [];
  if (insecure.length > 0 || ranges.length > 0) {
    line("Insecure Registries:");
    for (const index of insecure) line(index?.Name ?? "", 2);
    for (const range of ranges) line(range, 2);
  }
  if (RegistryConfig?.Mirrors?.length) {
    line("Registry Mirrors:");
    for (const mirror of RegistryConfig.Mirrors) line(mirror, 2);
  }
}

export function infoWarnings({ Warnings, ...info }: Info): string[] {
  if (Warnings) return Warnings;
  // Before the API had them, the client told from what the kernel lacks.
  const lacks: [boolean | undefined, string][] = [
    [info.MemoryLimit, "No memory limit support"],
    [info.SwapLimit, "No swap limit support"],
    [info.OomKillDisable, "No oom kill disable support"],
    [info.CpuCfsQuota, "No cpu cfs quota support"],
    [info.CpuCfsPeriod, "No cpu cfs period support"],
    [info.CPUShares, "No cpu shares support"],
    [info.CPUSet, "No cpuset support"],
    [info.IPv4Forwarding, "IPv4 forwarding is disabled"],
  ];
  return info.OSType === "windows" ? [] : lacks.filter(([has]) => has === false).map(([, text]) => `WARNING: ${text}`);
}
