/** One request to an endpoint with all that belongs to it: authorization, redirects, retries, plain HTTP where allowed. */
import type { Authorizer, Grant } from "./auth/authorizer.ts";
import { TokenError } from "./auth/tokens.ts";
import { type Endpoint, nameOf } from "./endpoint.ts";
import { invalidAnswer, pulling, RegistryError } from "./errors.ts";
import { type Answer, type Client, ProxyError } from "./http/client.ts";
import { ConnectionError } from "./http/connection.ts";
import { DialError, TlsError } from "./http/dial.ts";
import { ProtocolError } from "./http/message.ts";
import type { Reference } from "./reference/reference.ts";
import type { Credentials, Limits, Transport } from "./registry.ts";

export interface Asked {
  reference: Reference;
  endpoint: Endpoint;
  /** Below `/v2/NAME/`: `manifests/latest`, `blobs/sha256:…`. */
  path: string;
  method?: "GET" | "HEAD";
  headers?: Record<string, string>;
  credentials?: Credentials;
  signal?: AbortSignal;
  /** Instead of the limit for connections. */
  connectTimeout?: number;
}

/** No TCP connection to the registry came about. `reason`: `no such host`, `connection refused`, … */
export class UnreachableError extends RegistryError {
  constructor(
    message: string,
    readonly reason: string,
  ) {
    super(message, "unreachable", 500);
  }
}

/** The connection broke off, or the server said that it cannot just now: asking again may help. */
export class PassingError extends RegistryError {}

export interface Requester {
  /**
   * Makes one request, follows its redirects and answers its challenges. Waits when the registry says for how long.
   * Any status comes back. Throws RegistryError (PassingError when it may pass), or the signal's reason.
   */
  once(asked: Asked): Promise<Answer>;
  /** `once`, again after faults that may pass and server errors, as often as the limits say. */
  ask(asked: Asked): Promise<Answer>;
  /** Reads a small body: throws when it is longer than `limit`, whatever it said of its length. */
  read(answer: Answer, limit: number, asked: Asked): Promise<Uint8Array>;
}

const maxRedirects = 10;
const maxKept = 256;
/** Of an answer that is only thrown away: more is not worth a connection. */
const maxDrain = 64 << 10;

export function createRequester(
  client: Client,
  authorizer: Authorizer,
  limits: Limits,
  embedded: Transport | undefined,
): Requester {
  /** Insecure registries that answered without TLS. */
  const plain = new Set<string>();

  const requester: Requester = {
    once: authorized,
    async ask(asked) {
      // A mirror that fails gives way at once: there is the next.
      const retries = asked.endpoint.mirror ? 0 : limits.retries;
      for (let tries = 0; ; tries++) {
        let wait: number | undefined;
        try {
          const answer = await requester.once(asked);
          wait = waitFor(answer, tries, limits);
          if (wait === undefined || tries >= retries) return answer;
          await drain(answer);
        } catch (error) {
          if (!(error instanceof PassingError) || tries >= retries) throw error;
          wait = limits.backoff * 2 ** tries;
        }
        await pause(wait, asked.signal);
      }
    },
    async read(answer, limit, asked) {
      const where = nameOf(asked.endpoint);
      const said = Number(answer.headers.get("content-length") ?? 0);
      const tooLong = () =>
        invalidAnswer(`the answer to ${asked.path} is longer than ${limit} bytes`, asked.reference, where);
      if (said > limit) {
        await answer.body?.cancel();
        throw tooLong();
      }
      const parts: Uint8Array[] = [];
      let size = 0;
      try {
        for await (const part of answer.body ?? []) {
          size += part.length;
          // Leaving the loop cancels the body, and with it the connection.
          if (size > limit) throw tooLong();
          parts.push(part);
        }
      } catch (error) {
        throw faultOf(error, asked, "GET", asked.endpoint.url);
      }
      return new Uint8Array(Buffer.concat(parts));
    },
  };
  return requester;

  async function authorized(asked: Asked): Promise<Answer> {
    const { url, insecure } = asked.endpoint;
    if (!insecure || url.protocol === "http:") return authorizedAt(asked, url);
    const http = new URL(url);
    http.protocol = "http:";
    if (plain.has(http.host)) {
      const answer = await authorizedAt(asked, http).catch((error: unknown) => {
        plain.delete(http.host);
        throw error;
      });
      // What a server says that speaks TLS by now.
      if (answer.status !== 400) return answer;
      plain.delete(http.host);
      await drain(answer);
    }
    let first: unknown;
    try {
      return await authorizedAt(asked, url);
    } catch (error) {
      first = error;
      // Whoever named this registry insecure gets plain HTTP when there is no TLS, never after any answer.
      if (!(error instanceof NoTlsError || error instanceof UnreachableError)) throw error;
    }
    const answer = await authorizedAt(asked, http).catch((error: unknown) => {
      // The TLS port took a connection: the registry can be reached.
      throw error instanceof UnreachableError && first instanceof NoTlsError ? first : error;
    });
    if (plain.size >= maxKept) plain.clear();
    plain.add(http.host);
    return answer;
  }

  async function authorizedAt(asked: Asked, origin: URL): Promise<Answer> {
    const base = origin.href.replace(/\/+$/, "");
    const url = new URL(`${base}/v2/${asked.reference.path}/${asked.path}`);
    const grant: Grant = {
      registry: origin,
      insecure: asked.endpoint.insecure,
      scope: `repository:${asked.reference.path}:pull`,
      ...(asked.credentials && !asked.endpoint.mirror ? { credentials: asked.credentials } : {}),
      ...(asked.signal ? { signal: asked.signal } : {}),
    };
    for (let round = 0; ; round++) {
      let authorization: Record<string, string> = {};
      try {
        authorization = await authorizer.headers(grant);
      } catch (error) {
        throw tokenFault(error, asked, url);
      }
      const sent = authorization.Authorization !== undefined;
      const answer = await redirected(asked, url, authorization);
      if (answer.status !== 401 || round >= 2) return answer;
      let again = false;
      try {
        again = authorizer.challenged(grant, answer.headers.get("www-authenticate"), sent);
      } catch (error) {
        await drain(answer);
        throw tokenFault(error, asked, url);
      }
      // A second refusal of a fresh answer is the last word.
      if (!again || (sent && round >= 1)) return answer;
      await drain(answer);
    }
  }

  async function redirected(asked: Asked, first: URL, authorization: Record<string, string>): Promise<Answer> {
    let url = first;
    for (let hops = 0; ; hops++) {
      const answer = await send(asked, url, url.origin === first.origin ? authorization : {}, hops > 0);
      const { status } = answer;
      if (status !== 301 && status !== 302 && status !== 303 && status !== 307 && status !== 308) return answer;
      await drain(answer);
      const where = nameOf(asked.endpoint);
      if (hops >= maxRedirects) {
        throw invalidAnswer(`Get "${shown(first)}": stopped after ${maxRedirects} redirects`, asked.reference, where);
      }
      url = redirectTarget(answer.headers.get("location"), url, (text) => invalidAnswer(text, asked.reference, where));
    }
  }

  async function send(
    asked: Asked,
    url: URL,
    authorization: Record<string, string>,
    redirected: boolean,
  ): Promise<Answer> {
    const { endpoint, signal } = asked;
    const method = asked.method ?? "GET";
    const connectTimeout = asked.connectTimeout ?? (endpoint.mirror ? limits.reach : undefined);
    const headers = { ...asked.headers, ...authorization };
    try {
      if (endpoint.embedded) {
        if (!embedded) throw new Error("there is no embedded hub");
        return await embedded(new Request(url.href, { method, headers }), signal ? { signal } : {});
      }
      const own = url.hostname === endpoint.url.hostname;
      return await client({
        method,
        url,
        headers,
        insecure: own && endpoint.insecure,
        ...(own && endpoint.addresses ? { addresses: endpoint.addresses } : {}),
        ...(connectTimeout === undefined ? {} : { connectTimeout }),
        ...(signal ? { signal } : {}),
      });
    } catch (error) {
      throw faultOf(error, asked, method, url, redirected);
    }
  }
}

/** A TCP connection, but no TLS over it. */
class NoTlsError extends RegistryError {}

/** Where a redirect leads, as far as it may: web addresses, and never from TLS to plain HTTP. */
export function redirectTarget(location: string | null, from: URL, refuse: (text: string) => Error): URL {
  let target: URL | undefined;
  try {
    if (location) target = new URL(location, from);
  } catch {}
  if (!target) throw refuse(`Get "${shown(from)}": redirect without a usable Location`);
  if (target.protocol !== "https:" && target.protocol !== "http:") {
    throw refuse(`Get "${shown(from)}": refusing the redirect to ${JSON.stringify(target.protocol)}`);
  }
  if (from.protocol === "https:" && target.protocol === "http:") {
    throw refuse(`Get "${shown(from)}": refusing the redirect from https to http (${target.host})`);
  }
  target.username = "";
  target.password = "";
  return target;
}

/** Milliseconds to wait before asking again, or undefined when the answer stands. */
function waitFor(answer: Answer, tries: number, limits: Limits): number | undefined {
  const { status } = answer;
  const told = retryAfter(answer.headers.get("retry-after"));
  if (status === 429 || status === 503) {
    if (told !== undefined) return told <= limits.retryAfter ? told : undefined;
    if (status === 429) return undefined;
  }
  if (status === 500 || status === 502 || status === 503 || status === 504) return limits.backoff * 2 ** tries;
  return undefined;
}

/** Milliseconds (RFC 9110, section 10.2.3: seconds or a date). */
function retryAfter(text: string | null): number | undefined {
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text.trim())) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}

export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  const aborted = () => reject(signal!.reason);
  signal?.addEventListener("abort", aborted, { once: true });
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", aborted);
  }
}

/** Reads what is left of a short answer, so that its connection can be used again. */
export async function drain(answer: Answer): Promise<void> {
  let size = 0;
  try {
    for await (const part of answer.body ?? []) {
      size += part.length;
      if (size > maxDrain) break;
    }
  } catch {
    // Nothing in it was wanted.
  }
}

/** From a fault of the network to a RegistryError in Docker's words: `Get "https://host/v2/": …`. */
export function faultOf(error: unknown, asked: Asked, method: string, url: URL, redirected = false): unknown {
  if (error instanceof RegistryError) return error;
  const verb = method.charAt(0) + method.slice(1).toLowerCase();
  const about = pulling(asked.reference, nameOf(asked.endpoint));
  // What Docker asks first, and so what its messages name.
  const ping = `Get "${redirected ? shown(url) : `${url.origin}/v2/`}": `;
  const full = `${verb} "${shown(url)}": `;
  if (error instanceof DialError) {
    // Behind a redirect the registry itself was reached: that is a fault like any other.
    if (redirected) return new PassingError(`${ping}${error.message}${about}`, "other", 500);
    return new UnreachableError(`${ping}${error.message}${about}`, error.reason);
  }
  if (error instanceof TlsError) {
    const message = `${ping}${error.message}${about}`;
    return new NoTlsError(message, "other", 500);
  }
  if (error instanceof ConnectionError) return new PassingError(`${full}${error.message}${about}`, "other", 500);
  if (error instanceof ProtocolError) return new RegistryError(`${full}${error.message}${about}`, "invalid", 500);
  if (error instanceof ProxyError) return new RegistryError(`${ping}${error.message}${about}`, "other", 500);
  if (asked.signal?.aborted) return asked.signal.reason;
  return new RegistryError(`${full}${(error as Error)?.message ?? String(error)}${about}`, "other", 500);
}

/** Queries of signed addresses are secrets for a while. */
const shown = (url: URL): string => `${url.origin}${url.pathname}`;

function tokenFault(error: unknown, asked: Asked, url: URL): unknown {
  if (error instanceof RegistryError && !(error.message === "no basic auth credentials")) return error;
  if (!(error instanceof TokenError || error instanceof RegistryError)) return error;
  const about = pulling(asked.reference, nameOf(asked.endpoint));
  const status = error instanceof TokenError ? error.status : 401;
  const kind = status === 401 ? "unauthorized" : status === 403 ? "denied" : status === 429 ? "rate-limited" : "other";
  return new RegistryError(`Get "${shown(url)}": ${error.message}${about}`, kind, 500);
}
