/** Where a reference's bytes may come from: the registry itself, Docker Hub's mirrors before it, the hub in this process. */
import { RegistryError } from "./errors.ts";
import { bare } from "./http/dial.ts";
import { inRange, parseRange, type Range } from "./http/range.ts";
import type { ImageManifest, RegistryOptions } from "./registry.ts";

export interface Endpoint {
  origin: ImageManifest["origin"];
  /** `https://registry-1.docker.io`: scheme and authority, and a mirror's path. */
  url: URL;
  /** Take any certificate, and go on without TLS when there is none. */
  insecure: boolean;
  /** The ones that `insecure` was decided on, so that a name cannot point elsewhere a moment later. */
  addresses?: string[];
  /** Answered inside this process. */
  embedded: boolean;
  /** Docker Hub's own credentials are for Docker Hub alone. */
  mirror: boolean;
}

export const dockerHub = "docker.io";
const dockerHubUrl = "https://registry-1.docker.io";
/** Never looked up: the embedded hub has no address. */
const embeddedUrl = "http://embedded-hub.invalid";

/** In the order in which they are tried. Throws RegistryError. */
export async function endpointsOf(domain: string, options: RegistryOptions): Promise<Endpoint[]> {
  if (domain !== dockerHub) return [await endpoint(domainUrl(domain), options)];
  if (options.hub?.mode === "only") return [embeddedEndpoint()];
  const mirrors = await Promise.all(
    options.mirrors.map(async (mirror) => ({
      ...(await endpoint(mirrorUrl(mirror), options)),
      origin: { mirror },
      mirror: true,
    })),
  );
  return [...mirrors, await endpoint(new URL(options.dockerHub ?? dockerHubUrl), options)];
}

export const embeddedEndpoint = (): Endpoint => ({
  origin: "embedded-hub",
  url: new URL(embeddedUrl),
  insecure: false,
  embedded: true,
  mirror: false,
});

/** A domain by the grammar of references is not always a host: `a.1`, `a:99999`. Throws RegistryError. */
function domainUrl(domain: string): URL {
  try {
    return new URL(`https://${domain}`);
  } catch {
    throw new RegistryError(`Get "https://${domain}/v2/": dial tcp: invalid address ${domain}`, "unreachable", 500);
  }
}

/** As messages name it. Without the scheme: an insecure registry may have been asked with either. */
export const nameOf = (endpoint: Endpoint): string => (endpoint.embedded ? "the embedded hub" : endpoint.url.host);

function mirrorUrl(mirror: string): URL {
  let url: URL | undefined;
  try {
    url = new URL(mirror);
  } catch {}
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:") || url.search !== "" || url.hash !== "") {
    throw new Error(`invalid mirror: ${JSON.stringify(mirror)} is not http://HOST or https://HOST`);
  }
  return url;
}

async function endpoint(url: URL, options: RegistryOptions): Promise<Endpoint> {
  const plain: Endpoint = { origin: "registry", url, insecure: false, embedded: false, mirror: false };
  const host = bare(url.hostname);
  // With its port, as dockerd takes it: a name alone is not every port of the host.
  if (options.insecure.some((entry) => insecureName(entry) === url.host)) return { ...plain, insecure: true };
  const ranges = [...loopback, ...options.insecure.flatMap((entry) => parseRange(entry) ?? [])];
  if (parseRange(host)) return ranges.some((range) => inRange(host, range)) ? { ...plain, insecure: true } : plain;
  // Names that lead to an insecure range count too; only `localhost` can do so when no range was configured.
  if (host !== "localhost" && ranges.length === loopback.length) return plain;
  const { promises } = await import("node:dns");
  const found = await promises.lookup(host, { all: true }).catch(() => []);
  const addresses = found.map((one) => one.address);
  const insecure = addresses.length > 0 && addresses.every((one) => ranges.some((range) => inRange(one, range)));
  return insecure ? { ...plain, insecure, addresses } : plain;
}

/** `HOST:443` and `host` are one to TLS; a scheme before it, which dockerd passes over too, says nothing. */
function insecureName(entry: string): string {
  const text = entry.replace(/^https?:\/\//, "");
  try {
    return new URL(`https://${text}`).host;
  } catch {
    return text;
  }
}

/** Throws on what `mirrors` cannot be, with dockerd's `invalid mirror`. */
export function checkMirrors(mirrors: string[]): void {
  for (const mirror of mirrors) mirrorUrl(mirror);
}

const loopback: Range[] = [parseRange("127.0.0.0/8")!, parseRange("::1/128")!];
