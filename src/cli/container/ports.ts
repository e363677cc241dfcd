/** --publish and --expose. Errors are Docker's texts. */
import { isIP } from "node:net";

export interface PortBinding {
  HostIp: string;
  HostPort: string;
}

export interface Ports {
  /** `80/tcp` */
  exposed: string[];
  bindings: Record<string, PortBinding[]>;
}

/** `[[ip:][hostPort]:]containerPort[/proto]`, ranges, or `published=8080,target=80`. */
export function parsePorts(publish: readonly string[], expose: readonly string[]): Ports {
  const exposed = new Set<string>();
  const bindings: Record<string, PortBinding[]> = {};
  for (const spec of publish) {
    for (const { port, binding } of parsePort(spec.includes("=") ? shortForm(spec) : spec)) {
      exposed.add(port);
      bindings[port] = [...(bindings[port] ?? []), binding];
    }
  }
  for (const spec of expose) for (const port of parseExpose(spec)) exposed.add(port);
  return { exposed: [...exposed], bindings };
}

function shortForm(spec: string): string {
  const parameters: Record<string, string> = { protocol: "tcp", published: "", target: "" };
  for (const part of spec.split(",")) {
    const at = part.indexOf("=");
    if (at <= 0) throw new Error(`invalid publish opts format (should be name=value but got '${part}')`);
    parameters[part.slice(0, at)] = part.slice(at + 1);
  }
  return `${parameters.published}:${parameters.target}/${parameters.protocol}`;
}

function* parsePort(spec: string): Generator<{ port: string; binding: PortBinding }> {
  const parts = spec.split(":");
  const last = parts.pop()!;
  const hostPort = parts.pop() ?? "";
  const ip = parts.join(":");
  const { protocol, port } = splitProtocol(last);
  const address = ip.startsWith("[") && ip.endsWith("]") ? ip.slice(1, -1) : ip;
  if (ip !== "" && isIP(address) === 0) throw new Error(`invalid IP address: ${ip}`);
  if (port === "") throw new Error(`no port specified: ${spec}<empty>`);
  const inside = range(port);
  if (inside === undefined) throw new Error(`invalid containerPort: ${port}`);
  const outside = hostPort === "" ? undefined : range(hostPort);
  if (hostPort !== "" && outside === undefined) throw new Error(`invalid hostPort: ${hostPort}`);
  const [start, end] = inside;
  if (outside !== undefined && end - start !== outside[1] - outside[0] && start !== end) {
    throw new Error(`invalid ranges specified for container and host Ports: ${port} and ${hostPort}`);
  }
  if (!/^(?:tcp|udp|sctp)$/i.test(protocol)) throw new Error(`invalid proto: ${protocol}`);
  for (let at = 0; at <= end - start; at++) {
    let HostPort = "";
    if (outside !== undefined) {
      HostPort = String(outside[0] + at);
      // One port of the container and several of the host: any free one of them.
      if (start === end && outside[0] !== outside[1]) HostPort += `-${outside[1]}`;
    }
    yield { port: `${start + at}/${protocol.toLowerCase()}`, binding: { HostIp: address, HostPort } };
  }
}

function splitProtocol(text: string): { protocol: string; port: string } {
  const [port = "", protocol] = text.split("/");
  if (port === "") return { protocol: "tcp", port: "" };
  return { protocol: protocol === undefined || protocol === "" ? "tcp" : protocol, port };
}

function range(text: string): [number, number] | undefined {
  const parts = /^(\d+)(?:-(\d+))?$/.exec(text);
  if (parts === null) return undefined;
  const start = Number(parts[1]);
  const end = parts[2] === undefined ? start : Number(parts[2]);
  return start <= 65535 && end <= 65535 && start <= end ? [start, end] : undefined;
}

function* parseExpose(spec: string): Generator<string> {
  if (spec.includes(":")) throw new Error(`invalid port format for --expose: ${spec}`);
  const { protocol, port } = splitProtocol(spec);
  const bad = (reason: string) => new Error(`invalid range format for --expose: ${spec}, error: ${reason}`);
  if (port === "") throw bad("empty string specified for ports");
  for (const end of port.split("-", 2)) {
    if (!/^\d+$/.test(end)) throw bad(`strconv.ParseUint: parsing ${JSON.stringify(end)}: invalid syntax`);
    if (Number(end) > 65535) throw bad(`strconv.ParseUint: parsing ${JSON.stringify(end)}: value out of range`);
  }
  const ends = range(port);
  if (ends === undefined) throw bad(`invalid range specified for port: ${port}`);
  for (let at = ends[0]; at <= ends[1]; at++) yield `${at}/${protocol}`;
}
