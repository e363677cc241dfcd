/**
 * The HTTP/1.1 client of the registry: connections with deadlines, kept for the next request, through proxies when there
 * are any. A library would hide what is needed here: whether a TCP connection came about at all, at which of the
 * addresses, and back-pressure down to the socket.
 */
import type { Socket } from "node:net";
import { type Certificates, createCertificates } from "./certificates.ts";
import { type Answer, type Connection, ConnectionError, createConnection } from "./connection.ts";
import { DialError, dial, joinHost, secure, TlsError } from "./dial.ts";
import { endOfHead, maxHead, parseHead } from "./message.ts";
import { type ProxySettings, proxyFor, proxyFromEnvironment } from "./proxy.ts";

export type { Answer };

/** Milliseconds. */
export interface Timeouts {
  /** Until a TCP connection is there. */
  connect: number;
  tls: number;
  /** Without a byte while one is waited for. */
  idle: number;
}

export interface ClientOptions {
  userAgent: string;
  timeouts: Timeouts;
  /** Folder with a folder of certificates a registry. */
  certificates: string;
  /** Default: from the environment. */
  proxy?: ProxySettings;
}

export interface ClientRequest {
  method?: "GET" | "HEAD" | "POST";
  url: URL;
  headers?: Record<string, string>;
  body?: string;
  /** Take any certificate. */
  insecure?: boolean;
  /** Use the certificates of this host (`host:port`) instead of the URL's own. */
  trust?: string;
  /** Look no name up: these are its addresses. */
  addresses?: string[];
  /** Instead of the client's, in milliseconds. */
  connectTimeout?: number;
  signal?: AbortSignal;
}

/** Throws DialError, TlsError, ConnectionError, ProtocolError, or the signal's reason. Follows no redirect. */
export type Client = (request: ClientRequest) => Promise<Answer>;

const keepIdle = 15_000;
const maxIdle = 8;

interface Parked {
  connection: Connection;
  socket: Socket;
  timer: ReturnType<typeof setTimeout>;
}

export function createClient(options: ClientOptions): Client {
  const parked = new Map<string, Parked[]>();
  const certificates = createCertificates(options.certificates);
  const proxies = options.proxy ?? proxyFromEnvironment();

  const take = (key: string): Parked | undefined => {
    const list = parked.get(key) ?? [];
    let found: Parked | undefined;
    for (let one = list.pop(); one && !found; one = found ? undefined : list.pop()) {
      clearTimeout(one.timer);
      if (one.connection.usable) found = one;
      else one.connection.close();
    }
    if (list.length === 0) parked.delete(key);
    return found;
  };

  const park = (key: string, connection: Connection, socket: Socket): void => {
    const list = (parked.get(key) ?? []).filter((one) => one.connection.usable);
    if (list.length >= maxIdle) {
      connection.close();
      return;
    }
    const timer = setTimeout(() => {
      connection.close();
      const left = (parked.get(key) ?? []).filter((one) => one.connection !== connection);
      if (left.length === 0) parked.delete(key);
      else parked.set(key, left);
    }, keepIdle);
    timer.unref();
    socket.unref();
    // Flowing, so that the end of the connection is seen; bytes that nobody asked for make it unusable.
    socket.resume();
    parked.set(key, [...list, { connection, socket, timer }]);
  };

  return async (request) => {
    const { url, signal } = request;
    if (url.protocol !== "http:" && url.protocol !== "https:") throw new Error(`unsupported protocol ${url.protocol}`);
    const proxy = proxyFor(url, proxies);
    const key = JSON.stringify([
      url.protocol,
      url.host,
      request.insecure === true,
      request.trust ?? url.host,
      proxy?.href ?? "",
    ]);
    const method = request.method ?? "GET";
    const bytes = encode(method, request, options.userAgent, proxy);
    const reused = take(key);
    if (reused) {
      reused.socket.ref();
      try {
        return await reused.connection.request(bytes, method, signal);
      } catch (error) {
        // The server closed it while it was idle: that is no fault.
        if (!(error instanceof ConnectionError && error.early) || signal?.aborted) throw error;
      }
    }
    const socket = await open(request, proxy, certificates, options);
    const connection = createConnection(socket, options.timeouts.idle, (one) => park(key, one, socket));
    return connection.request(bytes, method, signal);
  };
}

async function open(
  request: ClientRequest,
  proxy: URL | undefined,
  certificates: Certificates,
  options: ClientOptions,
): Promise<Socket> {
  const { url, signal } = request;
  const { timeouts } = options;
  const limits = { timeout: request.connectTimeout ?? timeouts.connect, ...(signal ? { signal } : {}) };
  const shake = { timeout: timeouts.tls, ...(signal ? { signal } : {}) };
  let socket: Socket;
  if (proxy) {
    socket = await throughProxy(url, proxy, certificates, limits, shake);
  } else {
    const addresses = request.addresses;
    socket = await dial({ host: url.hostname, port: portOf(url), ...limits, ...(addresses ? { addresses } : {}) });
  }
  if (url.protocol === "http:") return socket;
  return closing(socket, async () => {
    const context = await certificates.context(request.trust ?? hostKey(url));
    return secure(socket, { host: url.hostname, context, insecure: request.insecure === true, ...shake });
  });
}

async function throughProxy(
  url: URL,
  proxy: URL,
  certificates: Certificates,
  limits: { timeout: number; signal?: AbortSignal },
  shake: { timeout: number; signal?: AbortSignal },
): Promise<Socket> {
  let socket: Socket;
  try {
    socket = await dial({ host: proxy.hostname, port: portOf(proxy), ...limits });
  } catch (error) {
    if (error instanceof DialError) throw new DialError(`proxyconnect tcp: ${error.message}`, error.reason);
    throw error;
  }
  return closing(socket, async () => {
    let way = socket;
    if (proxy.protocol === "https:") {
      const context = await certificates.context(hostKey(proxy));
      way = await secure(socket, { host: proxy.hostname, context, insecure: false, ...shake });
    }
    if (url.protocol === "https:") await tunnel(way, url, proxy, shake);
    return way;
  });
}

/** CONNECT (RFC 9110, section 9.3.6). Reads not a byte behind the proxy's head: what follows is TLS. */
async function tunnel(
  socket: Socket,
  url: URL,
  proxy: URL,
  limits: { timeout: number; signal?: AbortSignal },
): Promise<void> {
  const target = joinHost(url.hostname, portOf(url));
  const lines = [`CONNECT ${target} HTTP/1.1`, `Host: ${target}`];
  const authorization = basicOf(proxy);
  if (authorization) lines.push(`Proxy-Authorization: ${authorization}`);
  const head = await new Promise<Uint8Array>((resolve, reject) => {
    let kept: Uint8Array = new Uint8Array(0);
    const finish = (error?: unknown): void => {
      clearTimeout(timer);
      limits.signal?.removeEventListener("abort", aborted);
      socket.off("data", data).off("close", closed).off("end", closed).off("error", closed);
      socket.pause();
      if (error === undefined) resolve(kept);
      else reject(error);
    };
    const data = (bytes: Uint8Array): void => {
      kept = Buffer.concat([kept, bytes]);
      if (endOfHead(kept) >= 0) finish();
      else if (kept.length > maxHead) finish(new ConnectionError("the proxy's answer is too long"));
    };
    const closed = () => finish(new ConnectionError("the proxy closed the connection"));
    const aborted = () => finish(limits.signal!.reason);
    const timer = setTimeout(() => finish(new ConnectionError("the proxy does not answer")), limits.timeout);
    limits.signal?.addEventListener("abort", aborted, { once: true });
    socket.on("data", data).on("close", closed).on("end", closed).on("error", closed);
    socket.resume();
    socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  });
  const { status, statusText } = parseHead(head.subarray(0, endOfHead(head)));
  if (status < 200 || status > 299) throw new ProxyError(`proxy ${proxy.host}: ${statusText || status}`, status);
}

/** The proxy answered, and refused. */
export class ProxyError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** The socket is closed when what is done with it fails. */
async function closing<T>(socket: Socket, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

const portOf = (url: URL): number => Number(url.port) || (url.protocol === "https:" ? 443 : 80);

/** As folders of `certs.d` are named: without the port when it is the scheme's. */
const hostKey = (url: URL): string => url.host;

function basicOf(url: URL): string | undefined {
  if (url.username === "" && url.password === "") return undefined;
  const text = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return `Basic ${Buffer.from(text).toString("base64")}`;
}

/** Throws when a value could break out of its line: tokens come from outside. */
function encode(method: string, request: ClientRequest, userAgent: string, proxy: URL | undefined): Uint8Array {
  const { url } = request;
  const path = `${url.pathname}${url.search}`;
  const absolute = proxy !== undefined && url.protocol === "http:";
  const headers: Record<string, string> = {
    Host: url.host,
    "User-Agent": userAgent,
    // Digests are of the bytes as they are kept.
    "Accept-Encoding": "identity",
    ...request.headers,
  };
  const authorization = absolute ? basicOf(proxy) : undefined;
  if (authorization) headers["Proxy-Authorization"] = authorization;
  if (request.body !== undefined) headers["Content-Length"] = String(Buffer.byteLength(request.body));
  const lines = [`${method} ${absolute ? `http://${url.host}` : ""}${path} HTTP/1.1`];
  for (const [name, value] of Object.entries(headers)) {
    if (!/^[\t\x20-\x7e\x80-\uffff]*$/.test(value)) throw new Error(`invalid value of the HTTP header ${name}`);
    lines.push(`${name}: ${value}`);
  }
  return Buffer.from(`${lines.join("\r\n")}\r\n\r\n${request.body ?? ""}`);
}

export { DialError, TlsError };
