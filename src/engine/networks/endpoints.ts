/** How containers are connected: the mode that each asks for, its namespace, addresses and published ports. */
import type { EndpointSettings, NetworkSettings, PortSummary } from "@docker/node-sdk";
import type { BridgeNetwork, EmptyNamespace, PortBinding } from "../../network/network.ts";
import { type Container, type ContainerRecord, isRunning } from "../containers/container.ts";
import type { ContainerStore } from "../containers/store.ts";
import { conflict, invalid, notFound, notImplemented } from "../errors.ts";
import type { EventLog } from "../events/events.ts";

export interface Endpoints {
  /** What the container is to be connected to, by network. Throws 400 or 404 for what cannot be. */
  check(record: ContainerRecord, asked: Record<string, EndpointSettings>): Record<string, EndpointSettings>;
  /** Before the start. `namespace` undefined is the host's. Fills the state's endpoint and bindings. Throws EngineError. */
  connect(container: Container): Promise<{ namespace: string | undefined }>;
  /** It is connected no more, as far as anybody sees; `disconnect` gives back what it held. */
  leave(container: Container): void;
  /** No error when there is nothing. */
  disconnect(container: Container): Promise<void>;
  describe(container: Container): NetworkSettings & { Networks: Record<string, EndpointSettings> };
  ports(container: Container): PortSummary[];
}

export interface EndpointsParts {
  bridge: BridgeNetwork;
  emptyNamespace: EmptyNamespace;
  store: ContainerStore;
  events: EventLog;
  /** IDs of the three networks that are always there. */
  networkIds: { bridge: string; host: string; none: string };
}

export function createEndpoints(parts: EndpointsParts): Endpoints {
  const { bridge, events, networkIds } = parts;
  /** Releases under way: a port may be asked for again the moment its container's end was told. */
  const releases = new Set<Promise<void>>();

  function check(record: ContainerRecord, asked: Record<string, EndpointSettings>): Record<string, EndpointSettings> {
    const mode = record.hostConfig.NetworkMode!;
    // Clients name the joined container's network among the networks, too.
    const joined = ([name, settings]: [string, EndpointSettings]) =>
      name.startsWith("container:") && Object.values(settings ?? {}).every((value) => !value);
    const given = Object.entries(asked).filter((one) => !joined(one));
    if (mode.startsWith("container:")) {
      parts.store.find(mode.slice("container:".length));
      if (given.length > 0) throw invalid("conflicting options: a container network and networks of its own");
      return {};
    }
    if (!["bridge", "host", "none"].includes(mode)) throw notFound(`network ${mode} not found`);
    for (const [name, settings] of given) {
      if (!["bridge", "default", "host", "none"].includes(name)) throw notFound(`network ${name} not found`);
      if (settings?.IPAMConfig?.IPv4Address || settings?.IPAMConfig?.IPv6Address) {
        throw invalid(
          "invalid config for network bridge: invalid endpoint settings:\nuser-specified IP address is supported on user-defined networks only",
        );
      }
      if ((settings?.IPAMConfig?.LinkLocalIPs ?? []).length > 0) {
        throw notImplemented("not there yet: link-local addresses (--link-local-ip)");
      }
      if ((settings?.Links ?? []).length > 0) throw notImplemented("not there yet: links (--link)");
      if (Object.keys(settings?.DriverOpts ?? {}).length > 0) {
        throw notImplemented("not there yet: options of a network's driver (--network driver-opt=…)");
      }
      if ((settings?.Aliases ?? []).length > 0) {
        throw invalid(
          "invalid config for network bridge: invalid endpoint settings:\nnetwork-scoped alias is supported only for containers in user-defined networks",
        );
      }
    }
    const settings = asked[mode] ?? asked.default ?? {};
    const mac = settings.MacAddress || (record.config as { MacAddress?: string }).MacAddress;
    if (mac && !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac)) throw invalid(`invalid MAC address: ${mac}`);
    readBindings(record);
    return { [mode]: mac ? { MacAddress: mac.toLowerCase() } : {} };
  }

  async function connect(container: Container): Promise<{ namespace: string | undefined }> {
    const { record } = container;
    const mode = record.hostConfig.NetworkMode!;
    if (mode === "host") return { namespace: undefined };
    if (mode === "none") return { namespace: await parts.emptyNamespace(record.id) };
    if (mode.startsWith("container:")) return { namespace: namespaceOf(mode.slice("container:".length)) };
    const bindings = readBindings(record);
    if (bindings.length > 0) await Promise.all(releases);
    const mac = record.endpoints.bridge?.MacAddress;
    const endpoint = await bridge.acquire(record.id, mac ? { mac } : {});
    container.state = { ...container.state, endpoint };
    events.emit("network", "connect", networkIds.bridge, { container: record.id, name: "bridge", type: "bridge" });
    try {
      const published =
        bindings.length > 0
          ? await bridge.publish(record.id, bindings, `${record.name} (${endpointId(record.id)})`)
          : [];
      container.state = { ...container.state, bindings: published };
    } catch (error) {
      await disconnect(container);
      throw error;
    }
    return { namespace: endpoint.namespace };
  }

  function namespaceOf(ref: string): string {
    const other = parts.store.find(ref);
    if (!isRunning(other)) {
      throw conflict(`cannot join network of a non running container: ${other.record.id}`);
    }
    return `/proc/${other.state.pid}/ns/net`;
  }

  function leave(container: Container): void {
    const { endpoint, bindings: _bindings, ...rest } = container.state;
    if (endpoint === undefined) return;
    container.state = rest;
    const attributes = { container: container.record.id, name: "bridge", type: "bridge" };
    events.emit("network", "disconnect", networkIds.bridge, attributes);
  }

  async function disconnect(container: Container): Promise<void> {
    const { record } = container;
    const mode = record.hostConfig.NetworkMode!;
    if (mode === "host" || mode.startsWith("container:")) return;
    leave(container);
    const release = bridge.release(record.id);
    releases.add(release);
    try {
      await release;
    } finally {
      releases.delete(release);
    }
  }

  function describe(container: Container) {
    const { record, state } = container;
    const mode = record.hostConfig.NetworkMode!;
    const { endpoint } = state;
    const id = networkIds[mode as keyof typeof networkIds];
    const settings = {
      IPAMConfig: null,
      Links: null,
      Aliases: null,
      MacAddress: endpoint?.mac ?? record.endpoints[mode]?.MacAddress ?? "",
      DriverOpts: null,
      GwPriority: 0,
      NetworkID: isRunning(container) && id ? id : "",
      EndpointID: endpoint ? endpointId(record.id) : "",
      Gateway: endpoint?.gateway ?? "",
      IPAddress: endpoint?.address ?? "",
      IPPrefixLen: endpoint?.prefixLength ?? 0,
      IPv6Gateway: "",
      GlobalIPv6Address: "",
      GlobalIPv6PrefixLen: 0,
      DNSNames: null,
    } as unknown as EndpointSettings;
    return {
      Bridge: "",
      SandboxID: endpoint ? endpointId(`sandbox${record.id}`) : "",
      SandboxKey: endpoint?.namespace ?? "",
      Ports: portMap(container),
      HairpinMode: false,
      LinkLocalIPv6Address: "",
      LinkLocalIPv6PrefixLen: 0,
      SecondaryIPAddresses: null,
      SecondaryIPv6Addresses: null,
      EndpointID: settings.EndpointID,
      Gateway: settings.Gateway,
      GlobalIPv6Address: "",
      GlobalIPv6PrefixLen: 0,
      IPAddress: settings.IPAddress,
      IPPrefixLen: settings.IPPrefixLen,
      IPv6Gateway: "",
      MacAddress: endpoint?.mac ?? "",
      Networks: mode.startsWith("container:") ? {} : { [mode]: settings },
    } as unknown as NetworkSettings & { Networks: Record<string, EndpointSettings> };
  }

  return { check, connect, leave, disconnect, describe, ports: summarizePorts };
}

/** An ID that stays the same as long as the container's does. */
const endpointId = (seed: string): string => new Bun.CryptoHasher("sha256").update(`endpoint ${seed}`).digest("hex");

/** What `-p` and `-P` ask for. Throws 400 with Docker's texts. */
export function readBindings(record: ContainerRecord): PortBinding[] {
  const { hostConfig, config } = record;
  if (hostConfig.NetworkMode !== "bridge") return [];
  const bindings: PortBinding[] = [];
  for (const [port, hosts] of Object.entries(hostConfig.PortBindings ?? {})) {
    const { containerPort, protocol } = readPort(port);
    for (const host of hosts && hosts.length > 0 ? hosts : [{ HostIp: "", HostPort: "" }]) {
      bindings.push({
        containerPort,
        protocol,
        hostAddress: readAddress(host.HostIp ?? ""),
        ...hostPorts(host.HostPort ?? ""),
      });
    }
  }
  if (hostConfig.PublishAllPorts) {
    for (const port of Object.keys(config.ExposedPorts ?? {})) {
      const { containerPort, protocol } = readPort(port);
      if (bindings.some((one) => one.containerPort === containerPort && one.protocol === protocol)) continue;
      bindings.push({ containerPort, protocol, hostAddress: "", hostPort: 0 });
    }
  }
  return bindings;
}

function readPort(text: string): { containerPort: number; protocol: PortBinding["protocol"] } {
  const parts = /^(\d{1,5})(\/(tcp|udp|sctp))?$/i.exec(text);
  const port = Number(parts?.[1]);
  if (!parts || port < 1 || port > 65535) throw invalid(`invalid port specification: ${JSON.stringify(text)}`);
  return { containerPort: port, protocol: (parts[3]?.toLowerCase() ?? "tcp") as PortBinding["protocol"] };
}

/** A port, nothing, or a range, of which the first free one is taken. */
function hostPorts(text: string): { hostPort: number; hostPortEnd?: number } {
  if (text === "") return { hostPort: 0 };
  const [first = "", last] = text.split("-");
  const [low, high] = [Number(first), Number(last ?? first)];
  if (!/^\d{1,5}(-\d{1,5})?$/.test(text) || low > 65535 || high > 65535 || high < low) {
    throw invalid(`invalid port specification: ${JSON.stringify(text)}`);
  }
  return { hostPort: low, ...(last === undefined ? {} : { hostPortEnd: high }) };
}

function readAddress(text: string): string {
  if (text === "" || text === "0.0.0.0") return text === "" ? "" : "0.0.0.0";
  if (text === "::" || text.includes(":")) throw invalid(`publishing on the IPv6 address ${text} is not there yet`);
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255)) {
    throw invalid(`invalid IP address ${JSON.stringify(text)} in a port binding`);
  }
  return text;
}

function portMap(container: Container): Record<string, { HostIp: string; HostPort: string }[] | null> {
  const { record, state } = container;
  const map: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  if (!isRunning(container) || !state.endpoint) return map;
  for (const port of Object.keys(record.config.ExposedPorts ?? {})) map[port] = null;
  for (const one of state.bindings ?? []) {
    const key = `${one.containerPort}/${one.protocol}`;
    map[key] = [...(map[key] ?? []), { HostIp: one.hostAddress || "0.0.0.0", HostPort: String(one.hostPort) }];
  }
  return map;
}

function summarizePorts(container: Container): PortSummary[] {
  return Object.entries(portMap(container)).flatMap(([port, hosts]) => {
    const [number, type] = port.split("/");
    const PrivatePort = Number(number);
    if (!hosts) return [{ PrivatePort, Type: type }] as unknown as PortSummary[];
    return hosts.map((host) => ({
      IP: host.HostIp,
      PrivatePort,
      PublicPort: Number(host.HostPort),
      Type: type,
    })) as unknown as PortSummary[];
  });
}
