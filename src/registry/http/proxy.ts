/** Which proxy a request goes through: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, read as Go's httpproxy reads them. */
import { bare } from "./dial.ts";
import { inRange, parseRange, type Range } from "./range.ts";

export interface ProxySettings {
  http?: string;
  https?: string;
  no?: string;
}

/** From the environment, in capital or small letters. */
export function proxyFromEnvironment(env: Record<string, string | undefined> = process.env): ProxySettings {
  const settings: ProxySettings = {};
  const http = env.HTTP_PROXY || env.http_proxy;
  const https = env.HTTPS_PROXY || env.https_proxy;
  const no = env.NO_PROXY || env.no_proxy;
  if (http) settings.http = http;
  if (https) settings.https = https;
  if (no) settings.no = no;
  return settings;
}

/** The proxy for `target`, or undefined. Throws on a proxy address that is not one. */
export function proxyFor(target: URL, settings: ProxySettings): URL | undefined {
  const text = target.protocol === "https:" ? settings.https : settings.http;
  if (!text || isExempt(target, settings.no ?? "")) return undefined;
  let proxy: URL;
  try {
    proxy = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  } catch {
    throw new Error(`invalid proxy address ${JSON.stringify(withoutSecret(text))}`);
  }
  if (proxy.protocol !== "http:" && proxy.protocol !== "https:") {
    throw new Error(`proxy ${JSON.stringify(withoutSecret(text))}: only http:// and https:// proxies are supported`);
  }
  return proxy;
}

const withoutSecret = (text: string): string => text.replace(/\/\/[^@/]*@/, "//");

/** Loopback never goes through a proxy. */
function isExempt(target: URL, list: string): boolean {
  const host = bare(target.hostname).toLowerCase();
  const port = target.port || (target.protocol === "https:" ? "443" : "80");
  if (host === "localhost" || loopback.some((range) => inRange(host, range))) return true;
  return list
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== "" && exempts(entry, host, port));
}

const loopback: Range[] = [parseRange("127.0.0.0/8")!, parseRange("::1/128")!];

/** `*`, an address or range, `.example.com` (what is below it), `example.com` (itself too); each with a port or without. */
function exempts(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  const range = parseRange(entry);
  if (range) return inRange(host, range);
  const parts = /^(.*?)(?::(\d+))?$/.exec(entry)!;
  if (parts[2] !== undefined && parts[2] !== port) return false;
  const name = bare(parts[1]!).replace(/^\*\./, ".");
  if (parseRange(name)) return inRange(host, parseRange(name)!);
  return name.startsWith(".") ? host.endsWith(name) : host === name || host.endsWith(`.${name}`);
}
