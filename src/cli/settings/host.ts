/**
 * Which server to speak to. In this order: --host, GANTRY_HOST, --context, DOCKER_HOST, DOCKER_CONTEXT, our own socket.
 * The current context of Docker's configuration file is not followed: `gantry` without a word about hosts means Gantry's
 * server, also where someone uses Docker beside it.
 */
import { readFileSync } from "node:fs";
import type { TlsOptions } from "../../client/client.ts";
import { CliError } from "../errors.ts";

export const defaultHost = "unix:///run/gantry/gantry.sock";

export interface HostFlags {
  hosts: string[];
  context: string;
  config: string;
  tls: boolean;
  tlsverify: boolean;
  tlscacert: string;
  tlscert: string;
  tlskey: string;
  /** Whether --tlsverify was given, be it as false. */
  tlsverifyGiven: boolean;
}

export interface Target {
  host: string;
  tls: TlsOptions | undefined;
  context: string;
  /** Nobody named a host: the server may be started when it does not run. */
  implied: boolean;
}

export function chooseHost(flags: HostFlags, environment: NodeJS.ProcessEnv = process.env): Target {
  if (flags.hosts.length > 0 && flags.context !== "") {
    throw new CliError("conflicting options: cannot specify both --host and --context", { status: 1 });
  }
  if (flags.hosts.length > 1) throw new CliError("Specify only one -H");
  const own = flags.hosts[0] || environment.GANTRY_HOST;
  if (own) return named(own, flags, environment);
  if (flags.context === "" && environment.DOCKER_HOST) return named(environment.DOCKER_HOST, flags, environment);
  const context = flags.context || environment.DOCKER_CONTEXT || "default";
  if (context !== "default") return contextTarget(context, flags.config);
  return { host: defaultHost, tls: undefined, context, implied: true };
}

function named(host: string, flags: HostFlags, environment: NodeJS.ProcessEnv): Target {
  return { host: expand(host), tls: tlsOf(flags, environment), context: "default", implied: false };
}

/** `host:port` alone is TCP; a path alone is a socket. */
function expand(text: string): string {
  const host = text.trim();
  if (host.includes("://")) return host;
  return host.startsWith("/") ? `unix://${host}` : `tcp://${host}`;
}

function tlsOf(flags: HostFlags, environment: NodeJS.ProcessEnv): TlsOptions | undefined {
  const verify = flags.tlsverifyGiven ? flags.tlsverify : Boolean(environment.DOCKER_TLS_VERIFY);
  if (!flags.tls && !verify && !flags.tlsverifyGiven && !environment.DOCKER_TLS) return undefined;
  const directory = environment.DOCKER_CERT_PATH || flags.config;
  const file = (path: string, name: string) => readPem(path || `${directory}/${name}`, path !== "");
  return tlsOptions(
    file(flags.tlscacert, "ca.pem"),
    file(flags.tlscert, "cert.pem"),
    file(flags.tlskey, "key.pem"),
    verify,
  );
}

function tlsOptions(ca: string | undefined, cert: string | undefined, key: string | undefined, verify: boolean) {
  return {
    verify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

function readPem(path: string, required: boolean): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (!required && (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new CliError(`unable to read ${path}: ${(error as Error).message}`);
  }
}

interface ContextMetadata {
  Name?: string;
  Endpoints?: { docker?: { Host?: string; SkipTLSVerify?: boolean } };
}

/** A context of Docker's store: contexts/meta and contexts/tls, a folder each, named by the SHA-256 of its name. */
function contextTarget(name: string, config: string): Target {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$/.test(name)) {
    throw new CliError(`context ${JSON.stringify(name)}: invalid name`);
  }
  const id = new Bun.CryptoHasher("sha256").update(name).digest("hex");
  let metadata: ContextMetadata;
  try {
    metadata = JSON.parse(readFileSync(`${config}/contexts/meta/${id}/meta.json`, "utf8")) as ContextMetadata;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new CliError(
      `context "${name}": context not found: open ${config}/contexts/meta/${id}/meta.json: no such file`,
    );
  }
  const endpoint = metadata.Endpoints?.docker;
  if (!endpoint?.Host) throw new CliError(`context "${name}" has no docker endpoint`);
  const directory = `${config}/contexts/tls/${id}/docker`;
  const ca = readPem(`${directory}/ca.pem`, false);
  const cert = readPem(`${directory}/cert.pem`, false);
  const key = readPem(`${directory}/key.pem`, false);
  const secure = ca !== undefined || cert !== undefined || endpoint.SkipTLSVerify === true;
  const tls = secure ? tlsOptions(ca, cert, key, endpoint.SkipTLSVerify !== true) : undefined;
  return { host: expand(endpoint.Host), tls, context: name, implied: false };
}
