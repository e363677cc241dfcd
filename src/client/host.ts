/** The addresses at which a server listens, as Docker writes them: `unix:///path`, `tcp://host:port`. */

export type Address =
  | { kind: "unix"; path: string }
  | { kind: "tcp"; hostname: string; port: number; secure: boolean; base: string };

/** A host that cannot be parsed. `message` is Docker's text. */
export class InvalidHostError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "InvalidHostError";
  }
}

/**
 * Parses a host. `tcp://` and `http://` take an optional path, which all requests begin with; ports default to 2375, with
 * TLS to 2376. Throws InvalidHostError.
 */
export function parseAddress(host: string, tls: boolean): Address {
  const separator = host.indexOf("://");
  if (separator < 0) throw new InvalidHostError(`unable to parse docker host \`${host}\``);
  const scheme = host.slice(0, separator);
  const rest = host.slice(separator + 3);
  if (scheme === "unix") {
    if (rest === "") throw new InvalidHostError(`unable to parse docker host \`${host}\``);
    return { kind: "unix", path: rest };
  }
  if (scheme !== "tcp" && scheme !== "http" && scheme !== "https") {
    throw new InvalidHostError(`protocol not available: ${scheme}`);
  }
  const parts = /^(\[[0-9a-fA-F:.%]+\]|[^/:[\]@?#\s]*)(?::(\d{1,5}))?(\/[^?#]*)?$/.exec(rest);
  if (parts === null) throw new InvalidHostError(`unable to parse docker host \`${host}\``);
  const secure = tls || scheme === "https";
  const port = parts[2] === undefined ? (secure ? 2376 : 2375) : Number(parts[2]);
  if (port < 1 || port > 65535) throw new InvalidHostError(`unable to parse docker host \`${host}\``);
  return {
    kind: "tcp",
    hostname: (parts[1] || "127.0.0.1").replace(/^\[|\]$/g, ""),
    port,
    secure,
    base: (parts[3] ?? "").replace(/\/+$/, ""),
  };
}
