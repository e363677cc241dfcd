/**
 * The tasks of the namespaces' Worker, done with calls that block. A LostError goes through, and the Worker must end.
 */
import { closeSync, writeFileSync } from "node:fs";
import { SysError } from "../../sys/libc.ts";
import {
  bindNetworkNamespace,
  LostError,
  openNetworkNamespace,
  removeNetworkNamespace,
  type SysctlWrite,
  visitNetwork,
} from "../../sys/namespaces.ts";
import { NetlinkSocket, netlinkFamilies, openNetlink } from "../../sys/netlink.ts";
import { forgetFlows } from "../conntrack/conntrack.ts";
import {
  addAddress,
  addDefaultRoute,
  createVeth,
  detachBridgePort,
  findLink,
  raise,
  raiseBridgePort,
  removeLinks,
  setMac,
} from "../link/link.ts";
import { NetworkError } from "../network.ts";
import type {
  DetachTask,
  EmptyTask,
  ForgetTask,
  PrepareTask,
  RemacTask,
  RemoveTask,
  SysctlTask,
  Task,
} from "./tasks.ts";

/** The container's end of the pair, as Docker names it. */
const eth = "eth0";

/** What the thread keeps open: its own namespace, and a socket in it. */
export interface Home {
  namespace: number;
  socket: NetlinkSocket;
}

export function openHome(): Home {
  return { namespace: openNetworkNamespace(), socket: openNetlink(netlinkFamilies.route) };
}

export function perform(home: Home, task: Task): void {
  switch (task.kind) {
    case "prepare":
      prepare(home, task);
      break;
    case "remac":
      remac(home, task);
      break;
    case "empty":
      makeEmpty(home, task);
      break;
    case "sysctls":
      writeSysctls(home, task);
      break;
    case "detach":
      detach(home, task);
      break;
    case "remove":
      remove(home, task);
      break;
    case "forget":
      forget(task);
      break;
  }
}

interface Fresh {
  namespace: number;
  socket: NetlinkSocket;
}

/** Set in each new namespace; kernels without one of them are fine. */
const defaults: SysctlWrite[] = [
  // For devices that come later; lo keeps ::1.
  { path: "/proc/sys/net/ipv6/conf/default/disable_ipv6", value: "1" },
  { path: "/proc/sys/net/ipv6/conf/default/accept_ra", value: "0" },
  // Neighbours that remember an earlier owner of the address are told of the new one.
  { path: "/proc/sys/net/ipv4/conf/default/arp_notify", value: "1" },
  // Docker's defaults for a namespace that is the container's own.
  { path: "/proc/sys/net/ipv4/ip_unprivileged_port_start", value: "0" },
  { path: "/proc/sys/net/ipv4/ping_group_range", value: "0 2147483647" },
];

/** A new namespace bound to the file, lo up. The caller closes both. */
function fresh(home: Home, path: string): Fresh {
  const { namespace, socket: fd } = visitNetwork(home.namespace, "new", defaults);
  const socket = new NetlinkSocket(fd);
  try {
    bindNetworkNamespace(namespace, path);
    raise(socket, "lo");
  } catch (error) {
    close({ namespace, socket });
    throw error;
  }
  return { namespace, socket };
}

function prepare(home: Home, task: PrepareTask): void {
  let made: Fresh | undefined;
  try {
    made = fresh(home, task.path);
    createVeth(home.socket, {
      name: task.veth,
      master: task.bridge,
      mtu: task.mtu,
      peer: { name: eth, mac: task.mac, namespace: made.namespace },
    });
    switchOffIpv6(task.veth);
    raise(made.socket, eth);
    raiseBridgePort(home.socket, task.veth);
    const index = findLink(made.socket, eth)?.index;
    if (index === undefined) throw new Error(`${eth} did not arrive in ${task.path}`);
    addAddress(made.socket, index, task.address, task.prefix);
    addDefaultRoute(made.socket, task.gateway);
  } catch (error) {
    if (!(error instanceof LostError)) remove(home, { kind: "remove", paths: [task.path], veths: [task.veth] });
    throw error;
  } finally {
    if (made) close(made);
  }
}

function makeEmpty(home: Home, task: EmptyTask): void {
  try {
    close(fresh(home, task.path));
  } catch (error) {
    if (!(error instanceof LostError)) removeNetworkNamespace(task.path);
    throw error;
  }
}

function close({ socket, namespace }: Fresh): void {
  socket.close();
  closeSync(namespace);
}

/** On the host, before the device goes up. */
function switchOffIpv6(device: string): void {
  for (const [name, value] of [
    ["accept_ra", "0"],
    ["disable_ipv6", "1"],
  ] as const) {
    try {
      writeFileSync(`/proc/sys/net/ipv6/conf/${device}/${name}`, value);
    } catch (error) {
      // Kernels without IPv6 have nothing to switch off.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}

function remac(home: Home, task: RemacTask): void {
  const { namespace, socket: fd } = visitNetwork(home.namespace, task.path, []);
  const socket = new NetlinkSocket(fd);
  try {
    setMac(socket, eth, task.mac);
  } finally {
    close({ namespace, socket });
  }
}

function detach(home: Home, task: DetachTask): void {
  for (const veth of task.veths) detachBridgePort(home.socket, veth);
  for (const path of task.paths) removeNetworkNamespace(path);
}

function remove(home: Home, task: RemoveTask): void {
  for (const path of task.paths) removeNetworkNamespace(path);
  removeLinks(home.socket, task.veths);
}

function forget(task: ForgetTask): void {
  const socket = openNetlink(netlinkFamilies.netfilter);
  try {
    for (const port of task.ports) forgetFlows(socket, port);
  } finally {
    socket.close();
  }
}

function writeSysctls(home: Home, task: SysctlTask): void {
  const names = Object.keys(task.values);
  const writes = names.map((name) => ({ path: sysctlPath(name), value: task.values[name]! }));
  const { namespace, socket, failed } = visitNetwork(home.namespace, task.path, writes);
  closeSync(socket);
  closeSync(namespace);
  for (const [at, error] of failed) {
    const reason = new SysError("write", error, writes[at]!.path).message;
    throw new NetworkError(`sysctl ${names[at]}=${writes[at]!.value} was refused: ${reason}`, "invalid");
  }
}

/** `net.ipv4.conf.eth0/1.forwarding`: where the name has slashes, dots and slashes change places (sysctl(8)). */
export function sysctlPath(name: string): string {
  const parts = /^[^./]*\//.test(name) ? name.split("/") : name.split(".").map((part) => part.replaceAll("/", "."));
  if (parts[0] !== "net" || parts.some((part) => part === "" || part === "." || part === "..")) {
    throw new NetworkError(`sysctl ${JSON.stringify(name)} is not one of a network namespace`, "invalid");
  }
  return `/proc/sys/${parts.join("/")}`;
}
