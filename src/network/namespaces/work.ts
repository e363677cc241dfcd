/**
 * The tasks of the namespaces' Worker, done with calls that block. The thread is in a foreign namespace only inside of
 * `unshared` and `insideNetwork`; if it cannot get back, the error goes through and the Worker must end.
 */
import { closeSync, writeFileSync } from "node:fs";
import {
  bindNetworkNamespace,
  enterNetwork,
  insideNetwork,
  openNetworkNamespace,
  removeNetworkNamespace,
  unshareNetwork,
} from "../../sys/namespaces.ts";
import { NetlinkSocket, netlinkFamilies } from "../../sys/netlink.ts";
import {
  addAddress,
  addDefaultRoute,
  createVeth,
  findLink,
  raise,
  raiseBridgePort,
  removeLinks,
  setMac,
} from "../link/link.ts";
import { NetworkError } from "../network.ts";
import type { EmptyTask, PrepareTask, RemacTask, RemoveTask, SysctlTask, Task } from "./tasks.ts";

/** The container's end of the pair, as Docker names it. */
const eth = "eth0";

/** What the thread keeps open: its own namespace, and a socket in it. */
export interface Home {
  namespace: number;
  socket: NetlinkSocket;
}

/** Thrown when the thread could not return to its namespace: nothing more may run on it. */
export class LostError extends Error {}

export function openHome(): Home {
  return { namespace: openNetworkNamespace(), socket: new NetlinkSocket(netlinkFamilies.route) };
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
    case "remove":
      remove(home, task);
      break;
  }
}

interface Fresh {
  namespace: number;
  socket: NetlinkSocket;
}

/** A new namespace bound to the file, lo up, and the thread home again. The caller closes both. */
function unshared(home: Home, path: string): Fresh {
  const opened: { namespace?: number; socket?: NetlinkSocket } = {};
  unshareNetwork();
  try {
    bindNetworkNamespace(path);
    opened.namespace = openNetworkNamespace();
    opened.socket = new NetlinkSocket(netlinkFamilies.route);
    // For devices that come later; lo keeps ::1.
    setSysctl("net.ipv6.conf.default.disable_ipv6", "1", true);
    setSysctl("net.ipv6.conf.default.accept_ra", "0", true);
    // Neighbours that remember an earlier owner of the address are told of the new one.
    setSysctl("net.ipv4.conf.default.arp_notify", "1", true);
    // Docker's defaults for a namespace that is the container's own.
    setSysctl("net.ipv4.ip_unprivileged_port_start", "0", true);
    setSysctl("net.ipv4.ping_group_range", "0 2147483647", true);
  } catch (error) {
    goHome(home);
    opened.socket?.close();
    if (opened.namespace !== undefined) closeSync(opened.namespace);
    throw error;
  }
  goHome(home);
  raise(opened.socket, "lo");
  return { namespace: opened.namespace, socket: opened.socket };
}

function goHome(home: Home): void {
  try {
    enterNetwork(home.namespace);
  } catch (error) {
    throw new LostError((error as Error).message);
  }
}

function prepare(home: Home, task: PrepareTask): void {
  let fresh: Fresh | undefined;
  try {
    fresh = unshared(home, task.path);
    createVeth(home.socket, {
      name: task.veth,
      master: task.bridge,
      mtu: task.mtu,
      peer: { name: eth, mac: task.mac, namespace: fresh.namespace },
    });
    setSysctl(`net.ipv6.conf.${task.veth}.accept_ra`, "0", true);
    setSysctl(`net.ipv6.conf.${task.veth}.disable_ipv6`, "1", true);
    raise(fresh.socket, eth);
    raiseBridgePort(home.socket, task.veth);
    const index = findLink(fresh.socket, eth)?.index;
    if (index === undefined) throw new Error(`${eth} did not arrive in ${task.path}`);
    addAddress(fresh.socket, index, task.address, task.prefix);
    addDefaultRoute(fresh.socket, task.gateway);
  } catch (error) {
    if (!(error instanceof LostError)) remove(home, { kind: "remove", paths: [task.path], veths: [task.veth] });
    throw error;
  } finally {
    close(fresh);
  }
}

function makeEmpty(home: Home, task: EmptyTask): void {
  try {
    close(unshared(home, task.path));
  } catch (error) {
    if (!(error instanceof LostError)) removeNetworkNamespace(task.path);
    throw error;
  }
}

function close(fresh: Fresh | undefined): void {
  fresh?.socket.close();
  if (fresh) closeSync(fresh.namespace);
}

function remac(home: Home, task: RemacTask): void {
  const socket = insideNetwork(task.path, home.namespace, () => new NetlinkSocket(netlinkFamilies.route));
  try {
    setMac(socket, eth, task.mac);
  } finally {
    socket.close();
  }
}

function remove(home: Home, task: RemoveTask): void {
  for (const path of task.paths) removeNetworkNamespace(path);
  removeLinks(home.socket, task.veths);
}

function writeSysctls(home: Home, task: SysctlTask): void {
  insideNetwork(task.path, home.namespace, () => {
    for (const [name, value] of Object.entries(task.values)) setSysctl(name, value, false);
  });
}

/** /proc/sys/net shows the namespace of the thread that opens the file. `lenient`: kernels without it are fine. */
function setSysctl(name: string, value: string, lenient: boolean): void {
  try {
    writeFileSync(sysctlPath(name), value);
  } catch (error) {
    if (lenient && (error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw new NetworkError(`open sysctl ${name}=${value}: ${(error as Error).message}`, "invalid");
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
