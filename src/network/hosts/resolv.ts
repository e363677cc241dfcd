/** A container's /etc/resolv.conf (resolv.conf(5)): the host's, as far as a container can use it. Pure. */
import { isIP } from "node:net";
import { NetworkError } from "../network.ts";

export interface ResolverOverrides {
  /** Each list replaces the host's when it is not empty. */
  dns?: string[];
  /** `.` alone means no search domain. */
  search?: string[];
  options?: string[];
}

export interface ResolverFile {
  content: string;
  /** The host named no server that a container can reach, so public ones were put in. */
  usedDefaults: boolean;
}

const defaultServers = ["8.8.8.8", "8.8.4.4"];

/** Where systemd-resolved keeps the true servers when /etc/resolv.conf names only its stub. */
export const systemdResolvConf = "/run/systemd/resolve/resolv.conf";

/** Whether the file names systemd-resolved's stub alone: then `systemdResolvConf` is the one to read. */
export function namesStubOnly(host: string): boolean {
  const { servers } = parse(host);
  return servers.length > 0 && servers.every((one) => one === "127.0.0.53" || one === "127.0.0.54");
}

/**
 * `host`: the text of the host's file. Loopback servers and, on an IPv4 network, IPv6 ones are dropped, unless they were
 * asked for. NetworkError `invalid` for what cannot stand in the file.
 */
export function resolvFile(host: string, overrides: ResolverOverrides = {}): ResolverFile {
  const parsed = parse(host);
  const asked = (overrides.dns ?? []).map(checkServer);
  const usable = parsed.servers.filter((one) => isIP(one) === 4 && !one.startsWith("127."));
  const usedDefaults = asked.length === 0 && usable.length === 0;
  const servers = asked.length > 0 ? asked : usedDefaults ? defaultServers : usable;
  return { content: format({ ...parsed, ...chosen(parsed, overrides), servers }), usedDefaults };
}

/** For `--network host`: the host's file, changed only where something else was asked for. */
export function resolvFileOfHost(host: string, overrides: ResolverOverrides = {}): string {
  const asked = (overrides.dns ?? []).map(checkServer);
  const parsed = parse(host);
  const choice = chosen(parsed, overrides);
  if (asked.length === 0 && choice.search === parsed.search && choice.options === parsed.options) return host;
  return format({ ...parsed, ...choice, servers: asked.length > 0 ? asked : parsed.servers });
}

interface Parsed {
  servers: string[];
  search: string[];
  options: string[];
  /** Lines with other keywords (sortlist). */
  others: string[];
}

function parse(text: string): Parsed {
  const parsed: Parsed = { servers: [], search: [], options: [], others: [] };
  for (const line of text.split("\n")) {
    const [keyword, ...values] = line.trim().split(/\s+/);
    if (!keyword || /^[#;]/.test(keyword)) continue;
    if (keyword === "nameserver") {
      if (values[0] !== undefined && isIP(values[0]) !== 0) parsed.servers.push(values[0]);
    } else if (keyword === "search" || keyword === "domain") {
      // The last one counts.
      if (values.length > 0) parsed.search = values;
    } else if (keyword === "options") parsed.options.push(...values);
    else parsed.others.push(line.trim());
  }
  return parsed;
}

function chosen(parsed: Parsed, overrides: ResolverOverrides): { search: string[]; options: string[] } {
  const search = (overrides.search ?? []).map((one) => checkWord(one, "search domain"));
  const options = (overrides.options ?? []).map((one) => checkWord(one, "resolver option"));
  return {
    search: search.length > 0 ? search.filter((one) => one !== ".") : parsed.search,
    options: options.length > 0 ? options : parsed.options,
  };
}

function checkServer(server: string): string {
  if (isIP(server) === 0) throw new NetworkError(`${server} is not an ip address`, "invalid");
  return server;
}

/** One word: a blank or a line's end would make further entries of the file. */
function checkWord(word: string, what: string): string {
  if (!/^[^\s\0#;]+$/.test(word)) throw new NetworkError(`${JSON.stringify(word)} is not a ${what}`, "invalid");
  return word;
}

function format({ servers, search, options, others }: Parsed): string {
  const lines = servers.map((one) => `nameserver ${one}`);
  if (search.length > 0) lines.push(`search ${search.join(" ")}`);
  if (options.length > 0) lines.push(`options ${options.join(" ")}`);
  return `# Made by Gantry from the host's file and the container's options.\n${[...lines, ...others].join("\n")}\n`;
}
