/** --network and what belongs to it: endpoints. Errors are Docker's texts. */
import type { EndpointSettings } from "@docker/node-sdk";
import { cut } from "../flags/flag.ts";
import { csvFields } from "./csv.ts";

export interface NetworkOption {
  target: string;
  aliases: string[];
  ip: string;
  ip6: string;
  macAddress: string;
  linkLocalIps: string[];
  driverOptions: Map<string, string>;
  links: string[];
  gatewayPriority: number;
}

const network = (target: string): NetworkOption => ({
  target,
  aliases: [],
  ip: "",
  ip6: "",
  macAddress: "",
  linkLocalIps: [],
  driverOptions: new Map(),
  links: [],
  gatewayPriority: 0,
});

/** A name, or `name=net,alias=a,ip=…`. */
export function parseNetwork(text: string): NetworkOption {
  if (!/\w+=\w+(?:,\w+=\w+)*/.test(text)) return network(text);
  const option = network("");
  for (const field of csvFields(text)) {
    const { key: name, value: raw, found } = cut(field);
    const key = name.trim().toLowerCase();
    if (!found || key === "") throw new Error(`invalid field ${field}`);
    const value = raw.trim();
    switch (key) {
      case "name":
        option.target = value;
        break;
      case "alias":
        option.aliases.push(value);
        break;
      case "ip":
        option.ip = value;
        break;
      case "ip6":
        option.ip6 = value;
        break;
      case "mac-address":
        option.macAddress = value;
        break;
      case "link-local-ip":
        option.linkLocalIps.push(value);
        break;
      case "driver-opt": {
        const pair = cut(value);
        if (!pair.found) throw new Error("invalid key value pair format in driver options");
        option.driverOptions.set(pair.key.trim().toLowerCase(), pair.value.trim());
        break;
      }
      case "gw-priority":
        if (!/^[+-]?\d+$/.test(value)) {
          throw new Error(`invalid gw-priority: strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
        }
        option.gatewayPriority = Number(value);
        break;
      default:
        throw new Error(`invalid field key ${key}`);
    }
  }
  if (option.target === "") throw new Error("network name/id is not specified");
  return option;
}

/** The flags that mean the first network. */
export interface NetworkFlags {
  "network-alias": string[];
  link: string[];
  ip: string;
  ip6: string;
  "link-local-ip": string[];
  "mac-address": string;
}

export interface Networks {
  mode: string;
  endpoints: Record<string, EndpointSettings>;
}

export function networksOf(options: readonly NetworkOption[], flags: NetworkFlags): Networks {
  const list = options.length === 0 ? [network("default")] : [...options];
  list[0] = withFlags(list[0]!, flags);
  const endpoints: Record<string, EndpointSettings> = {};
  const own = list.map(({ target }) => isUserDefined(target));
  for (const option of list) {
    const settings = endpoint(option);
    if (Object.hasOwn(endpoints, option.target)) {
      throw new Error(`network ${JSON.stringify(option.target)} is specified multiple times`);
    }
    endpoints[option.target] = settings;
  }
  if (own.includes(true) && own.includes(false)) {
    throw new Error("conflicting options: cannot attach both user-defined and non-user-defined network-modes");
  }
  return { mode: list[0]!.target, endpoints };
}

/** Networks that someone made, in difference to `bridge`, `host`, `none`, `container:…`. */
const isUserDefined = (target: string): boolean => !/^(?:default|bridge|host|none|container(?::.*)?)$/s.test(target);

function withFlags(option: NetworkOption, flags: NetworkFlags): NetworkOption {
  const conflict = (flag: string, what: string) =>
    new Error(`conflicting options: cannot specify both --${flag} and per-network ${what}`);
  const result = { ...option };
  if (flags["network-alias"].length > 0) {
    if (option.aliases.length > 0) throw conflict("network-alias", "alias");
    result.aliases = flags["network-alias"];
  }
  if (flags.ip !== "") {
    if (option.ip !== "") throw conflict("ip", "IPv4 address");
    result.ip = flags.ip;
  }
  if (flags.ip6 !== "") {
    if (option.ip6 !== "") throw conflict("ip6", "IPv6 address");
    result.ip6 = flags.ip6;
  }
  if (flags["link-local-ip"].length > 0) {
    if (option.linkLocalIps.length > 0) throw conflict("link-local-ip", "link-local IP addresses");
    result.linkLocalIps = flags["link-local-ip"];
  }
  if (flags["mac-address"] !== "") {
    if (option.macAddress !== "") throw conflict("mac-address", "MAC address");
    result.macAddress = flags["mac-address"];
  }
  if (flags.link.length > 0 && isUserDefined(option.target)) result.links = flags.link;
  return result;
}

function endpoint(option: NetworkOption): EndpointSettings {
  if (option.target.trim() === "") throw new Error("no name set for network");
  if (!isUserDefined(option.target) && option.aliases.length > 0) {
    throw new Error("network-scoped aliases are only supported for user-defined networks");
  }
  const settings: EndpointSettings = {};
  if (option.aliases.length > 0) settings.Aliases = option.aliases;
  if (option.links.length > 0) settings.Links = option.links;
  if (option.driverOptions.size > 0) settings.DriverOpts = Object.fromEntries(option.driverOptions);
  if (option.ip !== "" || option.ip6 !== "" || option.linkLocalIps.length > 0) {
    settings.IPAMConfig = {
      ...(option.ip === "" ? {} : { IPv4Address: option.ip }),
      ...(option.ip6 === "" ? {} : { IPv6Address: option.ip6 }),
      ...(option.linkLocalIps.length === 0 ? {} : { LinkLocalIPs: option.linkLocalIps }),
    };
  }
  if (option.macAddress !== "") settings.MacAddress = checkMac(option.macAddress);
  if (option.gatewayPriority !== 0) settings.GwPriority = option.gatewayPriority;
  return settings;
}

/** 48 or 64 bits, or the 20 bytes of InfiniBand, with colons, hyphens or dots. */
export function checkMac(text: string): string {
  const address = text.trim();
  const bytes =
    /^(?:[0-9a-fA-F]{2}([:-])(?:[0-9a-fA-F]{2}\1)*[0-9a-fA-F]{2}|(?:[0-9a-fA-F]{4}\.)+[0-9a-fA-F]{4})$/.test(address)
      ? address.replace(/[:.-]/g, "").length / 2
      : 0;
  if (![6, 8, 20].includes(bytes)) throw new Error(`${address} is not a valid mac address`);
  return address;
}
