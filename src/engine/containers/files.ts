/** The files that the engine mounts into a container: hosts, resolv.conf, hostname. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostnameFile, hostsFile, hostsFileOfHost } from "../../network/hosts/hosts.ts";
import { namesStubOnly, resolvFile, resolvFileOfHost, systemdResolvConf } from "../../network/hosts/resolv.ts";
import type { Container, ContainerRecord } from "./container.ts";
import type { Parts } from "./containers.ts";

export interface EngineFiles {
  hosts: string;
  resolv: string;
  hostname: string;
}

/** Where they are: with the container whose network it is. */
export function filesOf(parts: Parts, record: ContainerRecord): EngineFiles {
  const mode = record.hostConfig.NetworkMode ?? "";
  const other = mode.startsWith("container:") ? parts.store.byId(mode.slice("container:".length)) : undefined;
  if (other) return filesOf(parts, other.record);
  const folder = join(parts.files, record.id);
  return { hosts: join(folder, "hosts"), resolv: join(folder, "resolv.conf"), hostname: join(folder, "hostname") };
}

/** Writes them anew for this start: addresses may have changed. Throws NetworkError for what cannot stand in them. */
export function writeFiles(parts: Parts, container: Container): EngineFiles {
  const { record } = container;
  for (const folder of [parts.folder, parts.files])
    mkdirSync(join(folder, record.id), { recursive: true, mode: 0o710 });
  const files = filesOf(parts, record);
  if (record.hostConfig.NetworkMode?.startsWith("container:")) return files;
  const content = makeFiles(parts, record, container.state.endpoint);
  writeFileSync(files.hosts, content.hosts);
  writeFileSync(files.resolv, content.resolv);
  writeFileSync(files.hostname, content.hostname);
  return files;
}

/** Their contents; called at creation too, so that a bad value is refused there. */
export function makeFiles(
  parts: Parts,
  record: ContainerRecord,
  endpoint?: { address: string; gateway: string },
): EngineFiles {
  const { config, hostConfig } = record;
  const extraHosts = hostConfig.ExtraHosts ?? [];
  const hostGateway = endpoint?.gateway ?? parts.bridge.gateway;
  const choose = (own: string[] | null | undefined, servers: string[]) => (own && own.length > 0 ? own : servers);
  const resolver = {
    dns: choose(hostConfig.Dns, parts.dns.servers),
    search: choose(hostConfig.DnsSearch, parts.dns.search),
    options: choose(hostConfig.DnsOptions, parts.dns.options),
  };
  const hostname = config.Hostname!;
  if (hostConfig.NetworkMode === "host") {
    return {
      hosts: hostsFileOfHost(readHost("/etc/hosts"), extraHosts, hostGateway),
      resolv: resolvFileOfHost(readHost("/etc/resolv.conf"), resolver),
      hostname: hostnameFile(hostname),
    };
  }
  return {
    hosts: hostsFile({
      hostname,
      domainname: config.Domainname ?? "",
      ...(endpoint ? { address: endpoint.address } : {}),
      extraHosts,
      hostGateway,
    }),
    resolv: resolvFile(hostResolver(), resolver).content,
    hostname: hostnameFile(hostname),
  };
}

function hostResolver(): string {
  const text = readHost("/etc/resolv.conf");
  return namesStubOnly(text) ? readHost(systemdResolvConf) || text : text;
}

function readHost(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** After the end: they are written anew at the next start. */
export function removeFiles(parts: Parts, { id }: ContainerRecord): void {
  rmSync(join(parts.files, id), { recursive: true, force: true });
}
