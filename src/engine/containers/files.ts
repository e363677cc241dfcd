/** The files that the engine mounts into a container: hosts, resolv.conf, hostname. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { hostsFile } from "../../network/hosts/hosts.ts";
import { resolvFile } from "../../network/hosts/resolv.ts";
import type { Container } from "./container.ts";
import type { Parts } from "./containers.ts";

export interface EngineFiles {
  hosts: string;
  resolv: string;
  hostname: string;
}

/** Writes them anew for this start: addresses may have changed. */
export function writeFiles(parts: Parts, container: Container): EngineFiles {
  const { record, state } = container;
  const { config, hostConfig } = record;
  const folder = join(parts.folder, record.id);
  mkdirSync(folder, { recursive: true, mode: 0o710 });
  const files = {
    hosts: join(folder, "hosts"),
    resolv: join(folder, "resolv.conf"),
    hostname: join(folder, "hostname"),
  };
  const host = hostConfig.NetworkMode === "host";
  const chosen = (own: string[] | null | undefined, servers: string[]) => (own && own.length > 0 ? own : servers);
  writeFileSync(
    files.hosts,
    hostsFile({
      address: state.endpoint?.address,
      hostname: config.Hostname!,
      domainname: config.Domainname ?? "",
      extra: hostConfig.ExtraHosts ?? [],
      gateway: state.endpoint?.gateway ?? parts.bridge.gateway,
      host,
    }),
  );
  writeFileSync(
    files.resolv,
    resolvFile({
      servers: chosen(hostConfig.Dns, parts.dns.servers),
      search: chosen(hostConfig.DnsSearch, parts.dns.search),
      options: chosen(hostConfig.DnsOptions, parts.dns.options),
      host,
    }),
  );
  writeFileSync(files.hostname, `${config.Hostname}\n`);
  return files;
}
