/** Published ports as `ps` shows them: `0.0.0.0:8080->80/tcp, 9000-9002/udp`. */
import type { PortSummary } from "@docker/node-sdk";

interface Group {
  ip: string;
  type: string;
  first: number;
  last: number;
}

/** Ports that are the same inside and outside are joined to ranges, where their numbers follow each other. */
export function portsText(ports: readonly PortSummary[] | null | undefined): string {
  const finished: string[] = [];
  const mappings: string[] = [];
  const open = new Map<string, Group>();
  for (const { IP = "", PrivatePort, PublicPort, Type = "tcp" } of [...(ports ?? [])].sort(byPort)) {
    if (IP !== "" && PublicPort !== PrivatePort) {
      mappings.push(`${address(IP, String(PublicPort ?? 0))}->${PrivatePort}/${Type}`);
      continue;
    }
    const key = `${IP}/${Type}`;
    const group = open.get(key);
    if (group !== undefined && PrivatePort === group.last + 1) {
      group.last = PrivatePort;
      continue;
    }
    if (group !== undefined) finished.push(text(group));
    // Its place stays where the first of its kind was.
    open.set(key, { ip: IP, type: Type, first: PrivatePort, last: PrivatePort });
  }
  return [...finished, ...[...open.values()].map(text), ...mappings].join(", ");
}

const byPort = (a: PortSummary, b: PortSummary): number =>
  a.PrivatePort - b.PrivatePort ||
  compare(a.IP ?? "", b.IP ?? "") ||
  (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
  compare(a.Type ?? "", b.Type ?? "");

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const address = (ip: string, port: string): string => `${ip.includes(":") ? `[${ip}]` : ip}:${port}`;

function text({ ip, type, first, last }: Group): string {
  const range = first === last ? String(first) : `${first}-${last}`;
  return `${ip === "" ? range : `${address(ip, range)}->${range}`}/${type}`;
}
