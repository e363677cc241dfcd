/** The networks that are always there: bridge, host and none. */
import type { NetworkInspect } from "@docker/node-sdk";
import type { BridgeNetwork } from "../../network/network.ts";
import type { Database } from "../../storage/database/database.ts";
import { now } from "../clock.ts";
import { isRunning } from "../containers/container.ts";
import type { ContainerStore } from "../containers/store.ts";
import type { Networks } from "../engine.ts";
import { invalid, notFound } from "../errors.ts";
import { checkFilters, labelsMatch } from "../filters.ts";
import { matchPrefix, newId } from "../identifier.ts";

export interface NetworkIds {
  bridge: string;
  host: string;
  none: string;
  /** When they were made. */
  created: string;
}

/** The IDs of this server's three networks: made at its first start and kept. */
export function networkIds(database: Database): NetworkIds {
  const row = database.query("SELECT value FROM settings WHERE name = 'networks'").get() as { value: string } | null;
  if (row) return JSON.parse(row.value) as NetworkIds;
  const ids = { bridge: newId(), host: newId(), none: newId(), created: now() };
  database.query("INSERT INTO settings (name, value) VALUES ('networks', ?)").run(JSON.stringify(ids));
  return ids;
}

export interface NetworksParts {
  bridge: BridgeNetwork;
  mtu: number;
  ids: NetworkIds;
  store: ContainerStore;
}

export function createNetworks(parts: NetworksParts): Networks {
  const { ids, bridge } = parts;
  const names = ["bridge", "host", "none"] as const;
  type Name = (typeof names)[number];

  function describe(name: Name): NetworkInspect {
    const drivers = { bridge: "bridge", host: "host", none: "null" };
    const options = {
      "com.docker.network.bridge.default_bridge": "true",
      "com.docker.network.bridge.enable_icc": "true",
      "com.docker.network.bridge.enable_ip_masquerade": "true",
      "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
      "com.docker.network.bridge.name": bridge.bridge,
      "com.docker.network.driver.mtu": String(parts.mtu),
    };
    return {
      Name: name,
      Id: ids[name],
      Created: ids.created,
      Scope: "local",
      Driver: drivers[name],
      EnableIPv4: true,
      EnableIPv6: false,
      IPAM: {
        Driver: "default",
        Options: null,
        Config: name === "bridge" ? [{ Subnet: bridge.subnet, Gateway: bridge.gateway }] : null,
      },
      Internal: false,
      Attachable: false,
      Ingress: false,
      ConfigFrom: { Network: "" },
      ConfigOnly: false,
      Containers: connected(name),
      Options: name === "bridge" ? options : {},
      Labels: {},
    } as unknown as NetworkInspect;
  }

  function connected(name: Name) {
    const entries = parts.store
      .all()
      .filter((one) => isRunning(one) && one.record.hostConfig.NetworkMode === name)
      .map(({ record, state }) => [
        record.id,
        {
          Name: record.name,
          EndpointID: "",
          MacAddress: state.endpoint?.mac ?? "",
          IPv4Address: state.endpoint ? `${state.endpoint.address}/${state.endpoint.prefixLength}` : "",
          IPv6Address: "",
        },
      ]);
    return Object.fromEntries(entries);
  }

  return {
    async list(filters) {
      checkFilters(filters, ["dangling", "driver", "id", "label", "label!", "name", "scope", "type"]);
      return names.map(describe).filter((network) => {
        const some = (key: string, test: (value: string) => boolean) =>
          !filters.has(key) || filters.get(key)!.some(test);
        return (
          some("name", (value) => network.Name!.includes(value)) &&
          some("id", (value) => network.Id!.startsWith(value)) &&
          some("driver", (value) => network.Driver === value) &&
          some("scope", (value) => network.Scope === value) &&
          some("type", (value) => value === "builtin") &&
          some("dangling", (value) => /^(0|f|false)$/i.test(value)) &&
          labelsMatch(filters, {})
        );
      });
    },
    async inspect(ref) {
      const named = names.find((name) => name === ref);
      if (named) return describe(named);
      const match = matchPrefix(
        names.map((name): [string, Name] => [ids[name], name]),
        ref,
      );
      if (match === "ambiguous") throw invalid(`network ${ref} is ambiguous (several networks have IDs that begin so)`);
      if (match === "none") throw notFound(`network ${ref} not found`);
      return describe(match.found);
    },
  };
}
