/** A container's /etc/hosts and /etc/hostname, and `--add-host`. Pure: who writes them where is the engine's. */
import { isIP } from "node:net";
import { NetworkError } from "../network.ts";

export interface HostsContent {
  hostname: string;
  domainname?: string;
  /** The container's own; without one (`--network none`) it has no line. */
  address?: string;
  /** `NAME:ADDRESS`, as the API's ExtraHosts. */
  extraHosts?: string[];
  /** What `host-gateway` stands for: the bridge's address. */
  hostGateway?: string;
}

// hosts(5), with the names that Docker's containers have.
const standard = [
  ["127.0.0.1", "localhost"],
  ["::1", "localhost ip6-localhost ip6-loopback"],
  ["fe00::", "ip6-localnet"],
  ["ff00::", "ip6-mcastprefix"],
  ["ff02::1", "ip6-allnodes"],
  ["ff02::2", "ip6-allrouters"],
] as const;

const line = (address: string, names: string) => `${address}\t${names}\n`;

/** NetworkError `invalid` for an entry of `extraHosts` that is none, or that needs the gateway where there is none. */
export function hostsFile(content: HostsContent): string {
  const extra = (content.extraHosts ?? []).map((entry) => extraLine(entry, content.hostGateway));
  const own = content.address ? line(content.address, ownNames(content.hostname, content.domainname)) : "";
  return standard.map(([address, names]) => line(address, names)).join("") + extra.join("") + own;
}

/** For `--network host`: the host's own file with the extra lines behind it. */
export function hostsFileOfHost(host: string, extraHosts: string[] = [], hostGateway?: string): string {
  const whole = host === "" || host.endsWith("\n") ? host : `${host}\n`;
  return whole + extraHosts.map((entry) => extraLine(entry, hostGateway)).join("");
}

/** The full name first, then its first part. */
function ownNames(hostname: string, domainname = ""): string {
  const full = domainname === "" ? hostname : `${hostname}.${domainname}`;
  const dot = full.indexOf(".");
  return dot === -1 ? full : `${full} ${full.slice(0, dot)}`;
}

function extraLine(entry: string, hostGateway: string | undefined): string {
  const { name, address } = readExtraHost(entry);
  if (address !== "host-gateway") return line(address, name);
  if (!hostGateway) {
    throw new NetworkError("unable to derive the IP value for host-gateway", "invalid");
  }
  return line(hostGateway, name);
}

/**
 * `NAME:ADDRESS`; the address may be IPv6, also in brackets, or `host-gateway`. NetworkError `invalid` with Docker's texts.
 * A name must not hold what would make further entries of the file.
 */
export function readExtraHost(entry: string): { name: string; address: string } {
  const colon = entry.indexOf(":");
  const name = entry.slice(0, Math.max(colon, 0));
  if (name === "" || /[\s#\0]/.test(name)) {
    throw new NetworkError(`bad format for add-host: ${JSON.stringify(entry)}`, "invalid");
  }
  const given = entry.slice(colon + 1);
  const address = given.replace(/^\[(.*)\]$/, "$1");
  if (address !== "host-gateway" && isIP(address) === 0) {
    throw new NetworkError(`invalid IP address in add-host: ${JSON.stringify(given)}`, "invalid");
  }
  return { name, address };
}

export function hostnameFile(hostname: string): string {
  return `${hostname}\n`;
}
