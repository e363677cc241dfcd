/** A bridge network: device, rules, namespaces and ports put together behind the interface of `network.ts`. */
import { closeSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { isNetworkNamespace } from "../../sys/namespaces.ts";
import { type NetlinkSocket, netlinkFamilies, openNetlink } from "../../sys/netlink.ts";
import { createAllocator } from "../address/allocator.ts";
import { contains, formatAddress, parseAddress } from "../address/ipv4.ts";
import { listLinks } from "../link/link.ts";
import { assign, dismiss, hire } from "../namespaces/crew.ts";
import { createPool, isVethOfOurs, type Prepared, vethOf } from "../namespaces/pool.ts";
import { type BridgeNetwork, type BridgeOptions, type Endpoint, NetworkError, type PortBinding } from "../network.ts";
import { closeForeignChains, listChains, openForeignChains } from "../nft/chains.ts";
import { nft } from "../nft/nft.ts";
import {
  addPublished,
  type Published,
  removePublished,
  removeTable,
  replacePublished,
  tableRules,
} from "../nft/rules.ts";
import { createPorts, type Reservation } from "../ports/ports.ts";
import { checkBridgeName, claimBridge, describeDevice, ensureDevice, removeDevice } from "./device.ts";
import { disableForwarding, enableForwarding } from "./forwarding.ts";

interface Held {
  prepared: Prepared;
  reservations: Reservation[];
  /** The last of what was begun for it: publishing and release follow each other. */
  last: Promise<unknown>;
}

/** NetworkError when the bridge or its address cannot be had. `restore` must follow before the first `acquire`. */
export async function createBridgeNetwork(options: BridgeOptions): Promise<BridgeNetwork> {
  checkBridgeName(options.bridge);
  const claim = claimBridge(options.bridge);
  try {
    mkdirSync(options.namespaces, { recursive: true, mode: 0o700 });
    const socket = openNetlink(netlinkFamilies.route);
    try {
      return await assemble(options, claim, socket);
    } catch (error) {
      socket.close();
      throw error;
    }
  } catch (error) {
    closeSync(claim);
    throw error;
  }
}

async function assemble(options: BridgeOptions, claim: number, socket: NetlinkSocket): Promise<BridgeNetwork> {
  const { bridge, namespaces } = options;
  const log = options.log ?? (() => {});
  const device = await ensureDevice(socket, options);
  const { subnet, gateway } = describeDevice(device);
  await nft(tableRules(bridge, subnet));
  await openForeignChains(bridge, await listChains(), log);
  await enableForwarding(log);

  const prefix = device.subnet.prefix;
  const addresses = createAllocator(device.subnet, [device.gateway]);
  const ports = createPorts();
  const endpoints = new Map<string, Held>();
  const pool = createPool({
    directory: namespaces,
    bridge: device.index,
    mtu: options.mtu,
    prefix,
    gateway: device.gateway,
    addresses,
    ready: options.ready,
    log,
  });
  hire();
  let restored = false;
  let closed = false;

  const publishedBy = ({ prepared, reservations }: Held): Published[] =>
    reservations.map(({ binding }) => ({ binding, address: formatAddress(prepared.address) }));

  /** Everything anew, when a change failed because somebody flushed our table. */
  const applyAll = () =>
    nft(tableRules(bridge, subnet) + replacePublished(bridge, [...endpoints.values()].flatMap(publishedBy)));

  async function acquire(
    id: string,
    wanted: { mac?: string; address?: string; sysctls?: Record<string, string> } = {},
  ): Promise<Endpoint> {
    if (closed || !restored) throw new Error(`bridge ${bridge} is ${closed ? "closed" : "not restored yet"}`);
    if (endpoints.has(id)) throw new Error(`container ${id} is connected to bridge ${bridge} already`);
    const prepared = await pool.take(readWanted(wanted));
    // Before anything can fail or wait: a release must find it.
    const held: Held = { prepared, reservations: [], last: Promise.resolve() };
    endpoints.set(id, held);
    if (wanted.sysctls && Object.keys(wanted.sysctls).length > 0) {
      try {
        await assign({ kind: "sysctls", path: prepared.path, values: wanted.sysctls }, "now");
      } catch (error) {
        await release(id);
        throw error;
      }
    }
    return {
      namespace: prepared.path,
      address: formatAddress(prepared.address),
      prefixLength: prefix,
      gateway,
      mac: prepared.mac,
    };
  }

  function publish(id: string, bindings: PortBinding[], endpoint?: string): Promise<PortBinding[]> {
    const held = endpoints.get(id);
    if (!held) throw new Error(`container ${id} is not connected to bridge ${bridge}`);
    return after(held, () => publishNow(held, bindings, endpoint));
  }

  async function publishNow(held: Held, bindings: PortBinding[], endpoint?: string): Promise<PortBinding[]> {
    const made: Reservation[] = [];
    try {
      for (const binding of bindings) made.push(ports.reserve(binding));
      if (made.length > 0) await addRules(held, made);
      await forget(made);
    } catch (error) {
      for (const one of made) ports.free(one);
      if (!(error instanceof NetworkError) || endpoint === undefined) throw error;
      throw new NetworkError(
        `driver failed programming external connectivity on endpoint ${endpoint}: ${error.message}`,
        error.kind,
      );
    }
    return made.map((one) => one.binding);
  }

  async function addRules(held: Held, made: Reservation[]): Promise<void> {
    try {
      await nft(addPublished(bridge, publishedBy({ ...held, reservations: made })));
      held.reservations.push(...made);
    } catch {
      held.reservations.push(...made);
      try {
        await applyAll();
      } catch (error) {
        held.reservations = held.reservations.filter((one) => !made.includes(one));
        throw error;
      }
    }
  }

  /** Flows of datagrams to these ports are translated anew. Only an improvement: kernels may lack it. */
  async function forget(reservations: Reservation[]): Promise<void> {
    const datagrams = reservations.filter(({ binding }) => binding.protocol === "udp");
    if (datagrams.length === 0) return;
    try {
      await assign({ kind: "forget", ports: datagrams.map(({ binding }) => binding.hostPort) }, "now");
    } catch (error) {
      log(`cannot forget earlier UDP flows to published ports: ${(error as Error).message}`);
    }
  }

  async function release(id: string): Promise<void> {
    const held = endpoints.get(id);
    if (held) {
      endpoints.delete(id);
      await after(held, () => releaseNow(held));
    }
    const empty = join(namespaces, id);
    if (isFileName(id) && existsSync(empty)) await assign({ kind: "remove", paths: [empty], veths: [] }, "later");
  }

  async function releaseNow(held: Held): Promise<void> {
    if (held.reservations.length > 0) {
      await nft(removePublished(bridge, publishedBy(held))).catch(applyAll);
      // Only now: a port that another process can have must not lead into the container any more.
      for (const one of held.reservations) ports.free(one);
      await forget(held.reservations);
    }
    await pool.remove(held.prepared);
  }

  async function restore(held: { id: string; endpoint: Endpoint; bindings: PortBinding[] }[]): Promise<void> {
    const links = listLinks(socket).filter((link) => isVethOfOurs(link.name));
    const veths = new Set(links.filter((link) => link.master === device.index).map((link) => link.name));
    const dying = links.filter((link) => link.dying).map((link) => link.name);
    for (const { id, endpoint, bindings } of held) {
      const path = endpoint.namespace;
      const address = parseAddress(endpoint.address);
      const lives = isNetworkNamespace(path) && veths.has(vethOf(path)) && address !== undefined;
      if (!lives || !contains(device.subnet, address) || addresses.taken(address)) {
        log(
          `container ${id} has no network any more (address ${endpoint.address}, namespace ${path}; the bridge has ${subnet})`,
        );
        continue;
      }
      addresses.claim(address);
      const prepared = { path, veth: vethOf(path), address, mac: endpoint.mac };
      const reservations = bindings.map((binding) => reserveAgain(id, binding));
      endpoints.set(id, { prepared, reservations, last: Promise.resolve() });
    }
    await applyAll();
    await sweep([...veths, ...dying]);
    restored = true;
    pool.fill();
  }

  /** The container has it, whoever took the port while no server ran: its rule comes before that process. */
  function reserveAgain(id: string, binding: PortBinding): Reservation {
    try {
      return ports.reserve(binding);
    } catch (error) {
      log(
        `port ${binding.hostPort}/${binding.protocol} of container ${id} cannot be reserved: ${(error as Error).message}`,
      );
      return { binding, fd: -1 };
    }
  }

  /** Namespaces and veths that no container holds: made ready by an earlier server, or half made when it ended. */
  async function sweep(veths: string[]): Promise<void> {
    const kept = new Set([...endpoints.values()].map((one) => one.prepared.path));
    const keptVeths = new Set([...endpoints.values()].map((one) => one.prepared.veth));
    const paths = readdirSync(namespaces, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(namespaces, entry.name))
      .filter((path) => !kept.has(path));
    const stale = veths.filter((name) => !keptVeths.has(name));
    if (paths.length + stale.length > 0) await assign({ kind: "remove", paths, veths: stale }, "now");
  }

  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    await Promise.allSettled([...endpoints.values()].map((one) => one.last));
    await pool.close();
    // The rules stay, so do the ports: they are free for others only as long as no server runs.
    for (const held of endpoints.values()) for (const one of held.reservations) ports.free(one);
    dismiss();
    socket.close();
    closeSync(claim);
  }

  async function destroy(): Promise<void> {
    if (closed) throw new Error(`bridge ${bridge} is closed`);
    await Promise.allSettled([...endpoints.keys()].map(release));
    await pool.close();
    await sweep([]);
    await nft(removeTable(bridge));
    removeDevice(socket, bridge);
    const chains = await listChains();
    await closeForeignChains(bridge, chains);
    await disableForwarding(socket, chains);
    await close();
  }

  return { bridge, subnet, gateway, acquire, publish, release, restore, close, destroy };
}

/** Runs `work` when what was begun for the endpoint before has ended. */
function after<T>(held: Held, work: () => Promise<T>): Promise<T> {
  const mine = held.last.then(work);
  held.last = mine.catch(() => {});
  return mine;
}

function readWanted(wanted: { mac?: string; address?: string }): { mac?: string; address?: number } {
  const found: { mac?: string; address?: number } = {};
  if (wanted.mac !== undefined) {
    const first = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(wanted.mac) ? Number.parseInt(wanted.mac.slice(0, 2), 16) : 1;
    // The lowest bit marks a group's address, which no device can have.
    if (first & 1) throw new NetworkError(`invalid MAC address: ${wanted.mac}`, "invalid");
    found.mac = wanted.mac.toLowerCase();
  }
  if (wanted.address !== undefined) {
    const address = parseAddress(wanted.address);
    if (address === undefined) throw new NetworkError(`invalid IPv4 address: ${wanted.address}`, "invalid");
    found.address = address;
  }
  return found;
}

/** An ID is one, but it is joined to a path. */
function isFileName(id: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(id);
}
