/**
 * Whom TLS trusts: the system's authorities, and for one registry what lies in its folder of `certs.d`, as dockerd does:
 * `HOST[:PORT]/*.crt` are authorities, `NAME.cert` with `NAME.key` certificates of our own.
 */
import type { SecureContext } from "node:tls";

export interface Certificates {
  /** `host` with its port, as the reference has it. Throws on a folder that cannot be used, naming the file. */
  context(host: string): Promise<SecureContext>;
}

/** Where systems keep the bundle, in Go's order. */
const bundles = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** Contexts are kept this long: a certificate that was put in place is seen without a restart. */
const keepFor = 60_000;
const maxKept = 256;

export function createCertificates(folder: string): Certificates {
  const kept = new Map<string, { made: number; context: Promise<SecureContext> }>();
  return {
    context(host) {
      const found = kept.get(host);
      if (found && performance.now() - found.made < keepFor) return found.context;
      const context = load(folder, host);
      context.catch(() => kept.delete(host));
      if (kept.size >= maxKept) kept.clear();
      kept.set(host, { made: performance.now(), context });
      return context;
    },
  };
}

async function load(folder: string, host: string): Promise<SecureContext> {
  const { createSecureContext } = await import("node:tls");
  const { readdir, readFile } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const authorities: string[] = [];
  const bundle = await readBundle();
  const own = join(folder, host.replaceAll("/", ""));
  const names = /^[a-zA-Z0-9.:[\]-]+$/.test(host) && !/^\.+$/.test(host) ? await readdir(own).catch(() => []) : [];
  for (const name of names.filter((one) => one.endsWith(".crt")).sort()) {
    authorities.push(await readFile(join(own, name), "utf8"));
  }
  const pair: { cert?: string; key?: string } = {};
  for (const name of names.filter((one) => one.endsWith(".cert")).sort()) {
    const key = name.replace(/\.cert$/, ".key");
    if (!names.includes(key)) throw new Error(`missing key ${key} for client certificate ${name} in ${own}`);
    if (pair.cert !== undefined) continue;
    pair.cert = await readFile(join(own, name), "utf8");
    pair.key = await readFile(join(own, key), "utf8");
  }
  for (const name of names.filter((one) => one.endsWith(".key"))) {
    const cert = name.replace(/\.key$/, ".cert");
    if (!names.includes(cert)) throw new Error(`missing client certificate ${cert} for key ${name} in ${own}`);
  }
  if (bundle === undefined && authorities.length === 0) return createSecureContext(pair);
  const roots = bundle === undefined ? (await import("node:tls")).rootCertificates : [bundle];
  try {
    return createSecureContext({ ca: [...roots, ...authorities], ...pair });
  } catch (error) {
    throw new Error(`the certificates in ${own} cannot be used: ${(error as Error).message}`);
  }
}

async function readBundle(): Promise<string | undefined> {
  const { readFile } = await import("node:fs/promises");
  const named = process.env.SSL_CERT_FILE;
  for (const path of named ? [named] : bundles) {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (text) return text;
  }
  return undefined;
}
