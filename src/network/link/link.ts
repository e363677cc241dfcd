/**
 * Devices, addresses and routes by rtnetlink(7): each verb is one request on the socket given, in that socket's namespace.
 * They block for what the kernel needs, so what makes or removes devices belongs into a Worker.
 */
import {
  attribute,
  attributes,
  type NetlinkMessage,
  type NetlinkSocket,
  nested,
  netlinkFlags,
  text,
  u8,
  u32,
} from "../../sys/netlink.ts";
import { formatAddress, formatSubnet, type Subnet, subnetOf } from "../address/ipv4.ts";

const AF_UNSPEC = 0;
const AF_INET = 2;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_GROUP = 27;
const IFLA_NET_NS_FD = 28;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_INFO_SLAVE_KIND = 4;
const IFLA_INFO_SLAVE_DATA = 5;
const IFLA_BRPORT_MODE = 4;
const VETH_INFO_PEER = 1;
const IFF_UP = 1;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RT_SCOPE_UNIVERSE = 0;
const RTN_UNICAST = 1;

/** Group of devices that are about to be removed, whichever server of ours put them there. */
const dyingGroup = 0x67616e74;

export interface Link {
  index: number;
  name: string;
  /** `bridge`, `veth`, …; "" for a real device. */
  kind: string;
  /** Index of the bridge that it is a port of; 0 for none. */
  master: number;
  mac: string;
  /** Off its bridge and about to be removed, by whichever server of ours. */
  dying: boolean;
}

export interface LinkAddress {
  index: number;
  address: number;
  prefix: number;
}

/** struct ifinfomsg. A flag is set when `up`, and left alone otherwise. */
function linkHead(index: number, up: boolean): Buffer {
  return Buffer.concat([u32(AF_UNSPEC), u32(index), u32(up ? IFF_UP : 0), u32(up ? IFF_UP : 0)]);
}

function name(type: number, value: string): Buffer {
  return attribute(type, Buffer.from(`${value}\0`));
}

function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(":", ""), "hex");
}

function addressBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A bridge with a hardware address of its own, so that it does not change with the ports. Throws EEXIST. */
export function createBridge(socket: NetlinkSocket, bridge: string, mac: string, mtu: number): void {
  socket.request(
    RTM_NEWLINK,
    netlinkFlags.create | netlinkFlags.exclusive,
    `create bridge ${bridge}`,
    linkHead(0, false),
    name(IFLA_IFNAME, bridge),
    attribute(IFLA_ADDRESS, macBytes(mac)),
    attribute(IFLA_MTU, u32(mtu)),
    nested(IFLA_LINKINFO, attribute(IFLA_INFO_KIND, Buffer.from("bridge"))),
  );
}

export interface VethPair {
  /** The host's end, a port of `master`; not up yet. */
  name: string;
  master: number;
  mtu: number;
  /** The other end, in the namespace of this descriptor; not up either (veth refuses that before both ends exist). */
  peer: { name: string; mac: string; namespace: number };
}

/** Both ends in one request: there is no moment at which one exists that no bridge leads to. Throws EEXIST. */
export function createVeth(socket: NetlinkSocket, pair: VethPair): void {
  const peer = Buffer.concat([
    linkHead(0, false),
    name(IFLA_IFNAME, pair.peer.name),
    attribute(IFLA_ADDRESS, macBytes(pair.peer.mac)),
    attribute(IFLA_MTU, u32(pair.mtu)),
    attribute(IFLA_NET_NS_FD, u32(pair.peer.namespace)),
  ]);
  socket.request(
    RTM_NEWLINK,
    netlinkFlags.create | netlinkFlags.exclusive,
    `create veth ${pair.name}`,
    linkHead(0, false),
    name(IFLA_IFNAME, pair.name),
    attribute(IFLA_MTU, u32(pair.mtu)),
    attribute(IFLA_MASTER, u32(pair.master)),
    nested(
      IFLA_LINKINFO,
      attribute(IFLA_INFO_KIND, Buffer.from("veth")),
      nested(IFLA_INFO_DATA, nested(VETH_INFO_PEER, peer)),
    ),
  );
}

/** A port of a bridge goes up, and may send a frame back to where it came from (a container that calls itself). */
export function raiseBridgePort(socket: NetlinkSocket, port: string): void {
  socket.request(
    RTM_NEWLINK,
    0,
    `raise ${port}`,
    linkHead(0, true),
    name(IFLA_IFNAME, port),
    nested(
      IFLA_LINKINFO,
      attribute(IFLA_INFO_SLAVE_KIND, Buffer.from("bridge")),
      nested(IFLA_INFO_SLAVE_DATA, attribute(IFLA_BRPORT_MODE, u8(1))),
    ),
  );
}

export function raise(socket: NetlinkSocket, link: string): void {
  socket.request(RTM_NEWLINK, 0, `raise ${link}`, linkHead(0, true), name(IFLA_IFNAME, link));
}

export function setMac(socket: NetlinkSocket, link: string, mac: string): void {
  socket.request(
    RTM_NEWLINK,
    0,
    `set address of ${link}`,
    linkHead(0, false),
    name(IFLA_IFNAME, link),
    attribute(IFLA_ADDRESS, macBytes(mac)),
  );
}

export function setMtu(socket: NetlinkSocket, link: string, mtu: number): void {
  socket.request(
    RTM_NEWLINK,
    0,
    `set MTU of ${link}`,
    linkHead(0, false),
    name(IFLA_IFNAME, link),
    attribute(IFLA_MTU, u32(mtu)),
  );
}

/** false when there is none of that name. */
export function removeLink(socket: NetlinkSocket, link: string): boolean {
  return (
    unlessMissing(() =>
      socket.request(RTM_DELLINK, 0, `remove ${link}`, linkHead(0, false), name(IFLA_IFNAME, link)),
    ) !== undefined
  );
}

/** Takes a port off its bridge and marks it as dying; nothing happens when it is gone. */
export function detachBridgePort(socket: NetlinkSocket, port: string): void {
  unlessMissing(() =>
    socket.request(
      RTM_NEWLINK,
      0,
      `detach ${port}`,
      linkHead(0, false),
      name(IFLA_IFNAME, port),
      attribute(IFLA_MASTER, u32(0)),
      attribute(IFLA_GROUP, u32(dyingGroup)),
    ),
  );
}

/**
 * Removes these in one go: the kernel waits for its readers once per request (30 ms), so they are put into a group of
 * devices and the group is removed. Those that are gone already are passed over.
 */
export function removeLinks(socket: NetlinkSocket, links: string[]): void {
  const head = linkHead(0, false);
  const group = attribute(IFLA_GROUP, u32(dyingGroup));
  const there = links.filter(
    (link) =>
      unlessMissing(() => socket.request(RTM_NEWLINK, 0, `group ${link}`, head, name(IFLA_IFNAME, link), group)) !==
      undefined,
  );
  if (there.length === 0) return;
  unlessMissing(() => socket.request(RTM_DELLINK, 0, "remove devices", head, group));
}

export function findLink(socket: NetlinkSocket, link: string): Link | undefined {
  const found = unlessMissing(() =>
    socket.request(RTM_GETLINK, 0, `look up ${link}`, linkHead(0, false), name(IFLA_IFNAME, link)),
  );
  return found?.map(readLink)[0];
}

export function listLinks(socket: NetlinkSocket): Link[] {
  return socket.request(RTM_GETLINK, netlinkFlags.dump, "list devices", linkHead(0, false)).map(readLink);
}

function unlessMissing<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENODEV") return undefined;
    throw error;
  }
}

function readLink(message: NetlinkMessage): Link {
  const found = attributes(message.body, 16);
  const info = found.get(IFLA_LINKINFO);
  const kind = info && attributes(info, 0).get(IFLA_INFO_KIND);
  return {
    index: message.body.readInt32LE(4),
    name: text(found.get(IFLA_IFNAME) ?? Buffer.alloc(0)),
    kind: kind ? text(kind) : "",
    dying: found.get(IFLA_GROUP)?.readUInt32LE(0) === dyingGroup,
    master: found.get(IFLA_MASTER)?.readUInt32LE(0) ?? 0,
    mac:
      found
        .get(IFLA_ADDRESS)
        ?.toString("hex")
        .replace(/..(?=.)/g, "$&:") ?? "",
  };
}

/** struct ifaddrmsg and its attributes. */
function addressBody(index: number, address: number, prefix: number): Buffer[] {
  return [
    Buffer.from([AF_INET, prefix, 0, RT_SCOPE_UNIVERSE]),
    u32(index),
    attribute(IFA_LOCAL, addressBytes(address)),
    attribute(IFA_ADDRESS, addressBytes(address)),
  ];
}

/** With the broadcast address of the subnet, as other tools do it. Throws EEXIST. */
export function addAddress(socket: NetlinkSocket, index: number, address: number, prefix: number): void {
  const broadcast =
    prefix >= 31 ? [] : [attribute(IFA_BROADCAST, addressBytes((address | (0xffffffff >>> prefix)) >>> 0))];
  socket.request(
    RTM_NEWADDR,
    netlinkFlags.create | netlinkFlags.exclusive,
    `add address ${formatAddress(address)}/${prefix}`,
    ...addressBody(index, address, prefix),
    ...broadcast,
  );
}

export function removeAddress(socket: NetlinkSocket, index: number, address: number, prefix: number): void {
  socket.request(
    RTM_DELADDR,
    0,
    `remove address ${formatAddress(address)}/${prefix}`,
    ...addressBody(index, address, prefix),
  );
}

/** Every IPv4 address of the namespace. */
export function listAddresses(socket: NetlinkSocket): LinkAddress[] {
  const head = Buffer.from([AF_INET, 0, 0, 0, 0, 0, 0, 0]);
  return socket.request(RTM_GETADDR, netlinkFlags.dump, "list addresses", head).flatMap((message) => {
    const found = attributes(message.body, 8);
    const bytes = found.get(IFA_LOCAL) ?? found.get(IFA_ADDRESS);
    if (bytes?.length !== 4) return [];
    return [{ index: message.body.readUInt32LE(4), prefix: message.body[1]!, address: bytes.readUInt32BE(0) }];
  });
}

export function addDefaultRoute(socket: NetlinkSocket, gateway: number): void {
  socket.request(
    RTM_NEWROUTE,
    netlinkFlags.create | netlinkFlags.exclusive,
    `add default route by ${formatAddress(gateway)}`,
    Buffer.from([AF_INET, 0, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, RT_SCOPE_UNIVERSE, RTN_UNICAST, 0, 0, 0, 0]),
    attribute(RTA_GATEWAY, addressBytes(gateway)),
  );
}

/** The main table's IPv4 routes: destination and the device's index (0 when it has several or none). */
export function listRoutes(socket: NetlinkSocket): { subnet: Subnet; index: number }[] {
  const head = Buffer.from([AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  return socket.request(RTM_GETROUTE, netlinkFlags.dump, "list routes", head).flatMap((message) => {
    const [family, prefix, , , table] = message.body;
    if (family !== AF_INET || table !== RT_TABLE_MAIN) return [];
    const found = attributes(message.body, 12);
    const base = found.get(RTA_DST)?.readUInt32BE(0) ?? 0;
    return [{ subnet: subnetOf(base, prefix!), index: found.get(RTA_OIF)?.readUInt32LE(0) ?? 0 }];
  });
}

/** What of the host's an own bridge must not overlap with, named for error messages. */
export function occupiedSubnets(socket: NetlinkSocket, ownBridge: string): { subnet: Subnet; by: string }[] {
  const links = new Map(listLinks(socket).map((link) => [link.index, link.name]));
  const of = (index: number) => (links.has(index) ? ` of ${links.get(index)}` : "");
  const addresses = listAddresses(socket)
    .filter((one) => links.get(one.index) !== ownBridge)
    .map((one) => ({
      subnet: subnetOf(one.address, one.prefix),
      by: `address ${formatAddress(one.address)}/${one.prefix}${of(one.index)}`,
    }));
  const routes = listRoutes(socket)
    // Default routes, also those that VPNs split in two halves, mean "everything else", not a use of it.
    .filter((one) => one.subnet.prefix > 1 && links.get(one.index) !== ownBridge)
    .map((one) => ({ subnet: one.subnet, by: `route ${formatSubnet(one.subnet)}${of(one.index)}` }));
  return [...addresses, ...routes];
}
