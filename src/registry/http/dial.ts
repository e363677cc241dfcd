/**
 * TCP and TLS connections with a deadline. Errors are worded as Go's net package words them, since Docker's clients know
 * those texts (`dial tcp 127.0.0.1:5000: connect: connection refused`).
 */
import type { Socket } from "node:net";
import type { SecureContext } from "node:tls";

/** No TCP connection came about. `reason` is for people: `no such host`, `connection refused`, … */
export class DialError extends Error {
  constructor(
    message: string,
    readonly reason: string,
  ) {
    super(message);
  }
}

/** A TCP connection came about, but no TLS connection over it. `plain`: the other side spoke something else. */
export class TlsError extends Error {
  constructor(
    message: string,
    readonly plain: boolean,
  ) {
    super(message);
  }
}

export interface DialOptions {
  host: string;
  port: number;
  /** Milliseconds for the look-up of the name and all addresses together. */
  timeout: number;
  signal?: AbortSignal;
  /** Look no name up: these are its addresses. */
  addresses?: string[];
}

/** When the next address is tried beside the ones that have not answered (RFC 8305). */
const stagger = 250;

/** Throws DialError, or the signal's reason. */
export async function dial(options: DialOptions): Promise<Socket> {
  const { connect, isIP } = await import("node:net");
  options.signal?.throwIfAborted();
  const deadline = performance.now() + options.timeout;
  const host = bare(options.host);
  const addresses = options.addresses ?? (isIP(host) ? [host] : await lookup(host, options));
  return new Promise<Socket>((resolve, reject) => {
    const open = new Set<Socket>();
    const queue = [...addresses];
    let failure: DialError | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let ended = false;

    const finish = (socket: Socket | undefined, error?: unknown): void => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      clearTimeout(limit);
      options.signal?.removeEventListener("abort", aborted);
      for (const one of open) if (one !== socket) one.destroy();
      if (socket) resolve(socket);
      else reject(error);
    };
    const aborted = () => finish(undefined, options.signal!.reason);
    const limit = setTimeout(
      () => finish(undefined, timedOut(`dial tcp ${joinHost(addresses[0]!, options.port)}`, options.timeout)),
      Math.max(1, deadline - performance.now()),
    );
    options.signal?.addEventListener("abort", aborted, { once: true });

    const next = (): void => {
      clearTimeout(timer);
      const address = queue.shift();
      if (address === undefined) {
        if (open.size === 0) finish(undefined, failure);
        return;
      }
      const socket = connect({ host: address, port: options.port, noDelay: true });
      open.add(socket);
      socket.once("connect", () => {
        socket.removeAllListeners("error");
        // Whoever takes the socket adds its own; an error in between must not end the process.
        socket.on("error", () => {});
        finish(socket);
      });
      socket.once("error", (error: NodeJS.ErrnoException) => {
        open.delete(socket);
        socket.destroy();
        failure ??= refused(address, options.port, error);
        if (!ended) next();
      });
      timer = setTimeout(next, stagger);
    };
    next();
  });
}

/** Throws DialError. getaddrinfo cannot be cancelled: it is left behind when the time is over. */
async function lookup(host: string, options: DialOptions): Promise<string[]> {
  const { promises } = await import("node:dns");
  const answer = promises.lookup(host, { all: true, verbatim: true }).then(
    (found) => found.map((one) => one.address),
    (error: NodeJS.ErrnoException) => {
      const reason = error.code === "ENOTFOUND" ? "no such host" : lookupReason(error);
      throw new DialError(`dial tcp: lookup ${host}: ${reason}`, reason);
    },
  );
  const { promise: stop, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(timedOut(`dial tcp: lookup ${host}`, options.timeout)), options.timeout);
  const aborted = () => reject(options.signal!.reason);
  options.signal?.addEventListener("abort", aborted, { once: true });
  try {
    const found = await Promise.race([answer, stop]);
    if (found.length === 0) throw new DialError(`dial tcp: lookup ${host}: no such host`, "no such host");
    return found;
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", aborted);
    answer.catch(() => {});
  }
}

const lookupReason = (error: NodeJS.ErrnoException): string =>
  error.code === "EAI_AGAIN" || error.code === "ETIMEOUT" ? "Temporary failure in name resolution" : (error.code ?? "");

const timedOut = (what: string, timeout: number): DialError =>
  new DialError(`${what}: i/o timeout`, `no connection within ${timeout / 1000} s`);

const reasons: Record<string, string> = {
  ECONNREFUSED: "connection refused",
  ENETUNREACH: "network is unreachable",
  EHOSTUNREACH: "no route to host",
  ETIMEDOUT: "connection timed out",
  ECONNRESET: "connection reset by peer",
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EADDRNOTAVAIL: "cannot assign requested address",
};

function refused(address: string, port: number, error: NodeJS.ErrnoException): DialError {
  const reason = reasons[error.code ?? ""] ?? error.message;
  return new DialError(`dial tcp ${joinHost(address, port)}: connect: ${reason}`, reason);
}

/** `[::1]` is `::1` to the system. */
export const bare = (host: string): string => host.replace(/^\[(.*)\]$/, "$1");

export const joinHost = (host: string, port: number): string =>
  host.includes(":") ? `[${bare(host)}]:${port}` : `${host}:${port}`;

export interface TlsOptions {
  host: string;
  context: SecureContext;
  /** Take any certificate: only for registries that the user named as insecure. */
  insecure: boolean;
  timeout: number;
  signal?: AbortSignal;
}

/** Throws TlsError, or the signal's reason; the socket is closed then. */
export async function secure(socket: Socket, options: TlsOptions): Promise<Socket> {
  const { connect } = await import("node:tls");
  const { isIP } = await import("node:net");
  const host = bare(options.host);
  return new Promise<Socket>((resolve, reject) => {
    const wrapped = connect({
      socket,
      host,
      // Names only: RFC 6066 has no addresses in SNI.
      ...(isIP(host) ? {} : { servername: host }),
      secureContext: options.context,
      rejectUnauthorized: !options.insecure,
      ALPNProtocols: ["http/1.1"],
    });
    const end = (settle: () => void) => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", aborted);
      settle();
    };
    const fail = (error: unknown) =>
      end(() => {
        wrapped.on("error", () => {});
        wrapped.destroy();
        socket.destroy();
        reject(error);
      });
    const timer = setTimeout(() => fail(new TlsError("net/http: TLS handshake timeout", false)), options.timeout);
    const aborted = () => fail(options.signal!.reason);
    options.signal?.addEventListener("abort", aborted, { once: true });
    wrapped.once("error", (error: NodeJS.ErrnoException) => fail(tlsFault(error, host)));
    wrapped.once("close", () => fail(new TlsError("EOF", false)));
    wrapped.once("secureConnect", () =>
      end(() => {
        wrapped.removeAllListeners("error");
        wrapped.removeAllListeners("close");
        wrapped.on("error", () => {});
        resolve(wrapped);
      }),
    );
  });
}

function tlsFault(error: NodeJS.ErrnoException, host: string): TlsError {
  const unknownAuthority = "tls: failed to verify certificate: x509: certificate signed by unknown authority";
  switch (error.code) {
    case "ERR_SSL_WRONG_VERSION_NUMBER":
      return new TlsError("http: server gave HTTP response to HTTPS client", true);
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "CERT_UNTRUSTED":
      return new TlsError(unknownAuthority, false);
    case "CERT_HAS_EXPIRED":
    case "CERT_NOT_YET_VALID":
      return new TlsError(
        "tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
        false,
      );
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return new TlsError(`tls: failed to verify certificate: x509: certificate is not valid for ${host}`, false);
    case "ECONNRESET":
      return new TlsError("EOF", false);
    default:
      return new TlsError(`tls: ${error.message}`, false);
  }
}
