/**
 * Requests to one server: connections kept for the next request, the API version agreed on, errors made of answers.
 *
 * No request asks for the server's version first. We name our newest; a server that is older refuses it with 400 and says
 * which it knows, and the request is sent again with that one. So a server of our age costs no round trip.
 */
import { type Connection, connect, type TlsOptions } from "./connection.ts";
import { ApiError, ConnectError, ProtocolError } from "./errors.ts";
import { type Address, parseAddress } from "./host.ts";
import { exchange, type Response } from "./http.ts";
import { jsonValues, parseJson } from "./lines.ts";

/** The newest version of the Engine API that we speak. */
export const newestVersion = "1.51";

export interface TransportOptions {
  /** `unix:///run/gantry/gantry.sock`, `tcp://host:2376`. */
  host: string;
  /** Given: TCP goes over TLS. */
  tls?: TlsOptions;
  /** A version of the Engine API to use as it is, without agreeing on one. */
  version?: string;
  /** Sent with each request. */
  headers?: Record<string, string>;
  /** Called once when no server answers; when it resolves, connecting is tried again. */
  unreachable?: (error: ConnectError) => Promise<void>;
}

export type Query = Record<string, string | number | boolean | string[] | undefined>;

export interface Call {
  query?: Query;
  /** A value that is sent as JSON. */
  json?: unknown;
  headers?: Record<string, string>;
  /** Ends the request: reading its answer throws from then on. */
  signal?: AbortSignal;
}

/** An answer whose body has not been read. Read it to its end or close it: else its connection stays open. */
export interface Answer {
  status: number;
  headers: Map<string, string>;
  read(): Promise<Uint8Array | undefined>;
  text(): Promise<string>;
  close(): void;
}

export interface Transport {
  readonly host: string;
  /** The version that requests name; the agreed one after the first answer. */
  version(): string;
  /** Throws ApiError for statuses from 400 on, ConnectError, ProtocolError. */
  request(method: string, path: string, call?: Call): Promise<Answer>;
  /** The body as a value. Undefined when there is none. */
  json<T>(method: string, path: string, call?: Call): Promise<T>;
  /** The body as values, as they come; leaving the loop ends the request. */
  values<T>(method: string, path: string, call?: Call): AsyncGenerator<T>;
  /** A connection that the server turned into a stream of bytes (attach, exec). `multiplexed` undefined: the server did not say. */
  hijack(path: string, call?: Call): Promise<{ connection: Connection; multiplexed: boolean | undefined }>;
  /** Opens a connection for a request to come. */
  warm(): void;
  close(): void;
}

const maxIdle = 4000;
const maxText = 256 * 1024 * 1024;
const maxErrorText = 64 * 1024;

export function createTransport(options: TransportOptions): Transport {
  const address: Address = parseAddress(options.host, options.tls !== undefined);
  const hostHeader = address.kind === "unix" ? "api.moby.localhost" : `${bracket(address.hostname)}:${address.port}`;
  const base = address.kind === "unix" ? "" : address.base;
  const idle: { connection: Connection; since: number }[] = [];
  const warming: Promise<Connection>[] = [];
  const open = new Set<Connection>();
  let version = options.version ?? newestVersion;
  let agreed = options.version !== undefined;
  let unreachable = options.unreachable;

  const track = (connection: Connection) => {
    open.add(connection);
    return connection;
  };
  const drop = (connection: Connection) => {
    open.delete(connection);
    connection.close();
  };
  let starting: Promise<void> | undefined;
  const fresh = async (): Promise<Connection> => {
    try {
      return track(await connect(address, options.host, options.tls));
    } catch (error) {
      if (!(error instanceof ConnectError) || (unreachable === undefined && starting === undefined)) throw error;
      starting ??= unreachable!(error);
      unreachable = undefined;
      await starting;
      return track(await connect(address, options.host, options.tls));
    }
  };
  const take = (): Connection | undefined => {
    for (let last = idle.pop(); last !== undefined; last = idle.pop()) {
      if (!last.connection.ended && Date.now() - last.since < maxIdle) return last.connection;
      drop(last.connection);
    }
    return undefined;
  };
  const keep = (response: Response) => {
    if (response.reusable()) idle.push({ connection: response.connection, since: Date.now() });
    else drop(response.connection);
  };

  const send = async (method: string, path: string, call: Call, upgrade: boolean): Promise<Response> => {
    const headers: Record<string, string> = { "User-Agent": "gantry", ...options.headers, ...call.headers };
    let body: Uint8Array | undefined;
    if (call.json !== undefined) {
      headers["Content-Type"] = "application/json";
      body = new TextEncoder().encode(JSON.stringify(call.json));
    } else if (upgrade) headers["Content-Type"] = "text/plain";
    const target = `${base}/v${version}${path}${encodeQuery(call.query)}`;
    const request = { method, path: target, host: hostHeader, headers, upgrade, ...(body ? { body } : {}) };
    for (let attempt = 0; ; attempt++) {
      call.signal?.throwIfAborted();
      const reused = take();
      const connection = reused ?? (await (warming.shift() ?? fresh()));
      const abort = () => drop(connection);
      call.signal?.addEventListener("abort", abort, { once: true });
      try {
        return await exchange(connection, request);
      } catch (error) {
        drop(connection);
        call.signal?.removeEventListener("abort", abort);
        call.signal?.throwIfAborted();
        // A server may close an idle connection just as we use it: nothing was answered, so asking again is safe.
        const again = reused !== undefined && attempt === 0 && (method === "GET" || method === "HEAD");
        if (!again) throw error;
      }
    }
  };

  const checked = async (method: string, path: string, call: Call, upgrade: boolean): Promise<Response> => {
    const tried = version;
    const response = await send(method, path, call, upgrade);
    const server = response.headers.get("api-version");
    if (response.status < 400) {
      agreed = true;
      return response;
    }
    const text = await readText(response.read, maxErrorText);
    keep(response);
    const error = new ApiError(response.status, errorMessage(text, method, path));
    const older = olderVersion(response.status, error.message, server, tried);
    // With a version that the caller fixed, or that we agreed on before this request was sent, there is nothing to agree.
    if (older === undefined || (agreed && version === tried)) throw error;
    if (compareVersions(older, version) < 0) version = older;
    agreed = true;
    return checked(method, path, call, upgrade);
  };

  const request = async (method: string, path: string, call: Call = {}): Promise<Answer> => {
    const response = await checked(method, path, call, false);
    let finished = false;
    const finish = () => {
      if (!finished) keep(response);
      finished = true;
    };
    const read = async () => {
      if (finished) return undefined;
      let piece: Uint8Array | undefined;
      try {
        piece = await response.read();
      } catch (error) {
        finish();
        call.signal?.throwIfAborted();
        throw error;
      }
      if (piece === undefined) {
        finish();
        call.signal?.throwIfAborted();
      }
      return piece;
    };
    return {
      status: response.status,
      headers: response.headers,
      read,
      text: () => readText(read, maxText),
      close: () => {
        if (!finished) drop(response.connection);
        finished = true;
      },
    };
  };

  return {
    host: options.host,
    version: () => version,
    request,
    async json<T>(method: string, path: string, call?: Call) {
      const text = await (await request(method, path, call)).text();
      if (text.trim() === "") return undefined as T;
      try {
        return parseJson(text) as T;
      } catch {
        throw new ProtocolError(`malformed JSON in the answer to ${method} ${path}: ${text.slice(0, 100)}`);
      }
    },
    async *values<T>(method: string, path: string, call?: Call) {
      const answer = await request(method, path, call);
      try {
        yield* jsonValues<T>(answer.read);
      } finally {
        answer.close();
      }
    },
    async hijack(path: string, call: Call = {}) {
      const response = await checked("POST", path, call, true);
      const type = response.headers.get("content-type") ?? "";
      const multiplexed = /multiplexed-stream/.test(type) ? true : undefined;
      if (response.status === 101) return { connection: response.connection, multiplexed };
      // A server that does not upgrade sends the stream as the body, and still takes what we write.
      return { connection: { ...response.connection, read: response.read }, multiplexed };
    },
    warm() {
      const connection = fresh();
      connection.catch(() => {});
      warming.push(connection);
    },
    close() {
      for (const connection of open) connection.close();
      open.clear();
      idle.length = 0;
    },
  };
}

const bracket = (hostname: string): string => (hostname.includes(":") ? `[${hostname}]` : hostname);

function encodeQuery(query: Query | undefined): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one === undefined || one === false || one === "") continue;
      parts.push(`${encodeURIComponent(name)}=${one === true ? "1" : encodeURIComponent(one)}`);
    }
  }
  return parts.length === 0 ? "" : `?${parts.join("&")}`;
}

async function readText(read: () => Promise<Uint8Array | undefined>, limit: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for (let piece = await read(); piece !== undefined; piece = await read()) {
    text += decoder.decode(piece, { stream: true });
    if (text.length > limit) throw new ProtocolError("the answer is too long");
  }
  return text + decoder.decode();
}

function errorMessage(text: string, method: string, path: string): string {
  try {
    const value = JSON.parse(text) as { message?: unknown };
    if (typeof value.message === "string" && value.message !== "") return value.message.trim();
  } catch {
    // Not JSON: a proxy's page, or an old server's plain text.
  }
  return text.trim() || `${method} ${path} was refused without a reason`;
}

/** The version to try instead when the server refused ours as too new (its words, or the header it sends with them). */
function olderVersion(status: number, message: string, header: string | undefined, tried: string): string | undefined {
  if (status !== 400 || !/client version [\d.]+ is too new/.test(message)) return undefined;
  const version = /Maximum supported API version is (\d+\.\d+)/.exec(message)?.[1] ?? header;
  if (version === undefined || !/^\d+\.\d+$/.test(version)) return undefined;
  return compareVersions(version, tried) < 0 ? version : undefined;
}

/** Negative when `a` is older than `b`. */
export function compareVersions(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split(".").map(Number);
  const [majorB = 0, minorB = 0] = b.split(".").map(Number);
  return majorA - majorB || minorA - minorB;
}
