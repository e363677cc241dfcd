/** What networks need: devices, rules, forwarding, and addresses that nobody else has. */
import { chooseAsked, chooseFromPools, type Occupied } from "../network/address/choose.ts";
import { formatAddress, formatSubnet, subnetOf } from "../network/address/ipv4.ts";
import { NetworkError } from "../network/network.ts";
import type { Check, MachineOptions } from "./doctor.ts";
import { read } from "./kernel.ts";
import { inNamespaces } from "./trial.ts";

export function checkForwarding(): Check {
  const on = read("/proc/sys/net/ipv4/ip_forward")?.trim() === "1";
  const found = on ? "on" : "off: the server switches it on for container bridges";
  return { name: "IP forwarding", status: "ok", found };
}

/** The subnets of /proc/net/route, but for the default route and those over `bridge`. */
export function occupiedBy(routes: string, bridge: string): Occupied[] {
  const found: Occupied[] = [];
  for (const line of routes.split("\n").slice(1)) {
    const [device, destination, , , , , , mask] = line.split("\t");
    if (!device || device === bridge || destination === undefined || mask === undefined) continue;
    const prefix = [...hex(mask).toString(2)].filter((digit) => digit === "1").length;
    if (prefix === 0) continue;
    const subnet = subnetOf(hex(destination), prefix);
    found.push({ subnet, by: `route ${formatSubnet(subnet)} of ${device}` });
  }
  return found;
}

/** The file has addresses as the machine stores them: little endian on what we run on. */
function hex(word: string): number {
  return Buffer.from(word, "hex").readUInt32LE();
}

export function checkAddresses(
  options: Pick<MachineOptions, "bip" | "bridge" | "pools">,
  routes: string = read("/proc/net/route") ?? "",
): Check {
  const name = "addresses";
  const occupied = occupiedBy(routes, options.bridge);
  try {
    const { subnet, gateway } =
      options.bip === undefined ? chooseFromPools(options.pools, occupied) : chooseAsked(options.bip, occupied);
    return {
      name,
      status: "ok",
      found: `${options.bridge} can have ${formatSubnet(subnet)} (${formatAddress(gateway)})`,
    };
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
    const advice = "choose a free subnet: gantry daemon --bip 10.200.0.1/24, or bip in /etc/gantry/daemon.json";
    return { name, status: "failed", found: error.message, advice };
  }
}

const devices = `link add name gdb0 type bridge
link add name gdv0 type veth peer name gdv1
link set dev gdv0 master gdb0
link set dev gdb0 up
`;

/** What the rules of a bridge with published ports are made of. */
const rules = `table ip gantry_doctor {
  map ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
  chain prerouting { type nat hook prerouting priority dstnat; fib daddr type local counter; }
  chain postrouting { type nat hook postrouting priority srcnat; ip saddr 10.0.0.0/8 oifname != "gdb0" masquerade; }
  chain forward { type filter hook forward priority filter; ct state established,related accept; }
}
`;

/** Makes a bridge, a veth pair and NAT rules in a network namespace that vanishes. Needs root. */
export async function checkNetworkFeatures(): Promise<Check> {
  const name = "bridge and NAT";
  const faults: string[] = [];
  const [links, nat] = await Promise.all([
    inNamespaces(["net"], ["ip", "-batch", "-"], devices),
    inNamespaces(["net"], ["nft", "-f", "-"], rules),
  ]);
  if (!links.ok) faults.push(`bridge or veth: ${links.said}`);
  if (!nat.ok) faults.push(`nftables: ${nat.said}`);
  if (faults.length === 0) return { name, status: "ok", found: "bridge, veth, nftables with NAT" };
  const advice = "use a kernel with the modules bridge, veth, nf_tables, nft_nat, nft_masq, nft_fib and nft_ct";
  return { name, status: "failed", found: faults.join("; "), advice };
}

interface Chain {
  family: string;
  table: string;
  name: string;
  hook?: string;
  policy?: string;
}

/** Chains of others that drop what is forwarded unless they were told otherwise: no rule of ours can undo that. */
export function droppingChains(listing: unknown): Chain[] {
  const objects = (listing as { nftables?: { chain?: Chain }[] } | undefined)?.nftables ?? [];
  return objects
    .map((object) => object.chain)
    .filter((chain) => chain !== undefined)
    .filter((chain) => chain.hook === "forward" && chain.policy === "drop" && chain.family !== "ip6")
    .filter((chain) => !chain.table.startsWith("gantry"));
}

/** undefined when there is nothing to say. */
export async function checkFirewall(): Promise<Check | undefined> {
  let listing: unknown;
  try {
    const child = Bun.spawn(["nft", "-j", "list", "chains"], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
      timeout: 10_000,
    });
    listing = JSON.parse(await child.stdout.text());
  } catch {
    return undefined; // That nft does not work is said elsewhere.
  }
  const chains = droppingChains(listing);
  if (chains.length === 0) return undefined;
  const where = chains.map((chain) => `${chain.family} ${chain.table} ${chain.name}`).join(", ");
  return {
    name: "firewall",
    status: "warning",
    found: `drops forwarded packets by default (${where})`,
    advice: "accept what goes to and from container bridges there, or containers reach nothing outside",
  };
}
