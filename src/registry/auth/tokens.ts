/**
 * Bearer tokens (distribution's "Token Authentication Specification" and its OAuth2 form), kept per realm, service,
 * account and scopes until half of their life is over.
 */
import { parseErrorCodes, printable } from "../errors.ts";
import type { Credentials } from "../registry.ts";
import type { Challenge } from "./challenge.ts";

/** Something that fetches a document of at most so many bytes; redirects, retries and faults are its matter. */
export type Fetch = (request: {
  method: "GET" | "POST";
  url: URL;
  headers: Record<string, string>;
  body?: string;
  insecure: boolean;
  /** Trust what is trusted for this host (`host:port`). */
  trust?: string;
  limit: number;
  signal?: AbortSignal;
}) => Promise<{ status: number; statusText: string; body: Uint8Array }>;

/** The token service refused; the text is what Docker prints behind the request. */
export class TokenError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

export interface TokenRequest {
  challenge: Challenge;
  scopes: string[];
  credentials?: Credentials;
  /** Who asks for the token. A realm without TLS is asked only when the registry has none either. */
  registry: URL;
  /** What goes for the registry goes for its realm when that is the same host. */
  insecure: boolean;
  signal?: AbortSignal;
}

export interface Tokens {
  /** Throws TokenError. */
  get(request: TokenRequest): Promise<string>;
  /** A registry did not take it: it is not given again. */
  forget(request: TokenRequest): void;
}

/** Seconds; what the specification says when the answer doesn't. */
const defaultLife = 60;
const maxLife = 24 * 3600;
const maxKept = 512;
const maxBody = 1 << 20;

interface Kept {
  token: Promise<string>;
  /** performance.now() */
  until: number;
}

export function createTokens(fetch: Fetch, now: () => number = () => performance.now()): Tokens {
  const kept = new Map<string, Kept>();
  return {
    async get(request) {
      const key = keyOf(request);
      const found = kept.get(key);
      if (found && now() < found.until) return found.token;
      // Many layers ask at the same moment: one request serves them all. It is nobody's, so nobody's signal ends it.
      const entry: Kept = { token: Promise.resolve(""), until: Number.POSITIVE_INFINITY };
      const { signal, ...shared } = request;
      entry.token = fetchToken(fetch, shared).then(
        ({ token, life }) => {
          entry.until = now() + (life * 1000) / 2;
          return token;
        },
        (error: unknown) => {
          if (kept.get(key) === entry) kept.delete(key);
          throw error;
        },
      );
      kept.delete(key);
      kept.set(key, entry);
      for (const oldest of kept.keys()) {
        if (kept.size <= maxKept) break;
        kept.delete(oldest);
      }
      return signal ? abortable(entry.token, signal) : entry.token;
    },
    forget(request) {
      kept.delete(keyOf(request));
    },
  };
}

function keyOf({ challenge, scopes, credentials, registry }: TokenRequest): string {
  const { realm, service } = challenge.parameters;
  const { username, password, identityToken } = credentials ?? {};
  return JSON.stringify([registry.origin, realm, service, [...scopes].sort(), username, password, identityToken]);
}

/** Rejects with the signal's reason, whatever becomes of `promise`. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: stop, reject } = Promise.withResolvers<never>();
  const aborted = () => reject(signal.reason);
  signal.addEventListener("abort", aborted, { once: true });
  if (signal.aborted) aborted();
  try {
    return await Promise.race([promise, stop]);
  } finally {
    signal.removeEventListener("abort", aborted);
    promise.catch(() => {});
  }
}

async function fetchToken(fetch: Fetch, request: TokenRequest): Promise<{ token: string; life: number }> {
  const { challenge, scopes, credentials, registry } = request;
  const realm = parseRealm(challenge.parameters.realm ?? "", registry.protocol === "http:");
  const same = realm.hostname === registry.hostname;
  const common = { insecure: same && request.insecure, ...(same ? { trust: registry.host } : {}), limit: maxBody };
  const service = challenge.parameters.service ?? "";
  const answer = credentials?.identityToken
    ? await fetch({ ...oauth(realm, service, scopes, credentials.identityToken), ...common })
    : await fetch({ ...plain(realm, service, scopes, credentials), ...common });
  if (answer.status < 200 || answer.status > 299) throw refused(answer);
  return parseToken(answer.body);
}

/** A realm is a URL that a stranger named: only web addresses, and without TLS only where the registry has none either. */
function parseRealm(text: string, allowPlain: boolean): URL {
  let realm: URL | undefined;
  try {
    realm = new URL(text);
  } catch {}
  if (!realm || (realm.protocol !== "https:" && realm.protocol !== "http:") || realm.username !== "") {
    throw new TokenError(`invalid token auth challenge realm: ${JSON.stringify(printable(text, 200))}`, 500);
  }
  if (realm.protocol === "http:" && !allowPlain) {
    throw new TokenError(`refusing to ask for a token without TLS: ${JSON.stringify(printable(text, 200))}`, 500);
  }
  return realm;
}

function plain(realm: URL, service: string, scopes: string[], credentials: Credentials | undefined) {
  const url = new URL(realm);
  if (credentials?.username) url.searchParams.set("account", credentials.username);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  if (service) url.searchParams.set("service", service);
  return { method: "GET" as const, url, headers: authorizationOf(credentials) };
}

function oauth(realm: URL, service: string, scopes: string[], identityToken: string) {
  const form = new URLSearchParams({
    grant_type: "refresh_token",
    service,
    scope: scopes.join(" "),
    client_id: "gantry",
    refresh_token: identityToken,
  });
  return {
    method: "POST" as const,
    url: realm,
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: form.toString(),
  };
}

/** `Basic …` for a user name and password, nothing without. */
export function authorizationOf(credentials: Credentials | undefined): Record<string, string> {
  if (!credentials?.username && !credentials?.password) return {};
  const text = `${credentials.username ?? ""}:${credentials.password ?? ""}`;
  return { Authorization: `Basic ${Buffer.from(text).toString("base64")}` };
}

function refused(answer: { status: number; statusText: string; body: Uint8Array }): TokenError {
  const [first] = parseErrorCodes(answer.body) ?? [];
  if (first) {
    return new TokenError(
      `${printable(first.code).toLowerCase().replaceAll("_", " ")}: ${first.message}`,
      answer.status,
    );
  }
  if (answer.status === 401) return new TokenError(`unauthorized: ${detail(answer.body)}`, answer.status);
  if (answer.status === 403) return new TokenError("denied: requested access to the resource is denied", answer.status);
  return new TokenError(
    `received unexpected HTTP status: ${answer.status} ${printable(answer.statusText, 64)}`,
    answer.status,
  );
}

/** Docker Hub says `{"details": "incorrect username or password"}`. */
function detail(body: Uint8Array): string {
  try {
    const document = JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown> | null;
    const text = document?.details ?? document?.message ?? document?.error_description;
    if (typeof text === "string" && text !== "") return printable(text, 200);
  } catch {}
  return "authentication required";
}

function parseToken(body: Uint8Array): { token: string; life: number } {
  let document: Record<string, unknown> | null;
  try {
    document = JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown> | null;
  } catch (error) {
    throw new TokenError(`unable to decode token response: ${(error as Error).message}`, 500);
  }
  const token = document?.token || document?.access_token;
  if (typeof token !== "string")
    throw new TokenError("authorization server did not include a token in the response", 500);
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new TokenError("authorization server sent a token with impossible characters", 500);
  const life = document?.expires_in;
  const seconds = typeof life === "number" && life > 0 ? Math.min(life, maxLife) : defaultLife;
  return { token, life: seconds };
}
