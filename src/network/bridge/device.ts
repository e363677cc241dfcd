/** The bridge device: claimed for this process, found or made, with its address and settings. */
import { closeSync, readFileSync, writeFileSync } from "node:fs";
import { claimName } from "../../sys/claim.ts";
import type { NetlinkSocket } from "../../sys/netlink.ts";
import { type Chosen, chooseAsked, chooseFromPools, type Occupied } from "../address/choose.ts";
import { formatAddress, formatSubnet, macOf, parseAddress, parseInterfaceAddress, subnetOf } from "../address/ipv4.ts";
import {
  addAddress,
  createBridge,
  findLink,
  listAddresses,
  listLinks,
  occupiedSubnets,
  raise,
  removeAddress,
  removeLink,
  setMac,
  setMtu,
} from "../link/link.ts";
import { isVethOfOurs } from "../namespaces/pool.ts";
import { type BridgeOptions, NetworkError } from "../network.ts";

export interface Device extends Chosen {
  index: number;
}

/** A descriptor that keeps other servers of this host from the bridge. NetworkError `conflict` when one has it. */
export function claimBridge(bridge: string): number {
  const claim = claimName(`gantry-bridge-${bridge}`);
  if ("fd" in claim) return claim.fd;
  throw new NetworkError(
    `bridge ${bridge} belongs to another server (process ${claim.holder}): give this one its own with --bridge`,
    "conflict",
  );
}

/** IFNAMSIZ is 16 with the zero; the name is also part of our table's name and of paths below /proc/sys. */
export function checkBridgeName(bridge: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$/.test(bridge)) return;
  throw new NetworkError(`${JSON.stringify(bridge)} is not a bridge name: at most 15 of a-z A-Z 0-9 _ . -`, "invalid");
}

/**
 * An earlier server's bridge is taken over with its address, unless another one is asked for. One server at a time: two
 * that start at the same moment would find the same subnet free.
 */
export async function ensureDevice(socket: NetlinkSocket, options: BridgeOptions): Promise<Device> {
  const turn = await myTurn();
  try {
    return ensureInTurn(socket, options);
  } finally {
    closeSync(turn);
  }
}

/** Milliseconds: the work is done within some. A server that hangs in it is not waited for for ever. */
const turnStep = 5;
const turnLimit = 5000;

async function myTurn(): Promise<number> {
  for (let waited = 0; ; waited += turnStep) {
    const claim = claimName("gantry-bridge-address");
    if ("fd" in claim) return claim.fd;
    if (waited >= turnLimit) {
      throw new NetworkError(`process ${claim.holder} does not finish choosing its bridge's address`, "other");
    }
    await Bun.sleep(turnStep);
  }
}

function ensureInTurn(socket: NetlinkSocket, options: BridgeOptions): Device {
  const { bridge, mtu } = options;
  const existing = findLink(socket, bridge);
  if (existing && existing.kind !== "bridge") {
    throw new NetworkError(`device ${bridge} exists and is not a bridge`, "conflict");
  }
  const current = existing && addressOf(socket, existing.index);
  if (existing && current && isWanted(current, options.address)) {
    setMtu(socket, bridge, mtu);
    configure(bridge);
    raise(socket, bridge);
    return { index: existing.index, ...current };
  }
  const chosen = choose(socket, options);
  const index = existing?.index ?? establish(socket, options, chosen);
  if (current) removeAddress(socket, index, current.gateway, current.subnet.prefix);
  if (existing) setMac(socket, bridge, macOf(chosen.gateway));
  configure(bridge);
  addAddress(socket, index, chosen.gateway, chosen.subnet.prefix);
  raise(socket, bridge);
  return { index, ...chosen };
}

function isWanted(current: Chosen, address: string | undefined): boolean {
  if (address === undefined) return true;
  const asked = parseInterfaceAddress(address);
  return asked?.address === current.gateway && asked.subnet.prefix === current.subnet.prefix;
}

function establish(socket: NetlinkSocket, { bridge, mtu }: BridgeOptions, chosen: Chosen): number {
  createBridge(socket, bridge, macOf(chosen.gateway), mtu);
  return findLink(socket, bridge)!.index;
}

function addressOf(socket: NetlinkSocket, index: number): Chosen | undefined {
  const found = listAddresses(socket).find((one) => one.index === index);
  return found && { gateway: found.address, subnet: subnetOf(found.address, found.prefix) };
}

function choose(socket: NetlinkSocket, options: BridgeOptions): Chosen {
  const occupied = [...occupiedSubnets(socket, options.bridge), ...nameservers()];
  return options.address ? chooseAsked(options.address, occupied) : chooseFromPools(options.pools, occupied);
}

/** A container must reach the host's name servers, also where only the default route leads to them. */
function nameservers(): Occupied[] {
  let text = "";
  try {
    text = readFileSync("/etc/resolv.conf", "utf8");
  } catch {}
  return [...text.matchAll(/^nameserver\s+(\S+)/gm)].flatMap(([, server]) => {
    const address = parseAddress(server!);
    return address === undefined ? [] : [{ subnet: { base: address, prefix: 32 }, by: `name server ${server}` }];
  });
}

/** Before the device goes up. */
function configure(bridge: string): void {
  const set = (path: string, value: string) => {
    try {
      writeFileSync(`/proc/sys/net/${path}`, value);
    } catch (error) {
      // Kernels without IPv6 have nothing to switch off.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || !path.startsWith("ipv6/")) throw error;
    }
  };
  set(`ipv6/conf/${bridge}/accept_ra`, "0");
  set(`ipv6/conf/${bridge}/disable_ipv6`, "1");
  // Ports published on 127.0.0.1: answers of the container come back to that address over the bridge.
  set(`ipv4/conf/${bridge}/route_localnet`, "1");
}

/** Removes the bridge, unless something that is not ours hangs on it. */
export function removeDevice(socket: NetlinkSocket, bridge: string): void {
  const links = listLinks(socket);
  const index = links.find((link) => link.name === bridge)?.index;
  if (index === undefined || links.some((link) => link.master === index && !isVethOfOurs(link.name))) return;
  removeLink(socket, bridge);
}

export function describeDevice(device: Device): { subnet: string; gateway: string } {
  return { subnet: formatSubnet(device.subnet), gateway: formatAddress(device.gateway) };
}
