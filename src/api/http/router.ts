/** From method and path to a handler, with the API's version and what the path holds. */
import type { Engine } from "../../engine/engine.ts";
import type { Exchange } from "./connection.ts";
import { badRequest, HttpError } from "./errors.ts";

/** What a handler is given. */
export interface Call {
  exchange: Exchange;
  engine: Engine;
  /** Values of the pattern's names, decoded. */
  path: Record<string, string>;
  query: URLSearchParams;
  /** Minor number of the API's version: 51 is 1.51. */
  version: number;
  /** Aborted when the server is about to close: what never ends by itself must end then. */
  stopping: AbortSignal;
  limits: { bodyBytes: number };
  log: Log;
}

export interface Log {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

export type Handler = (call: Call) => void | Promise<void>;

export interface Route {
  method: string;
  /** `/images/{name...}/json`: braces stand for one segment, with dots for one or more. */
  pattern: string;
  handler: Handler;
}

export const newestVersion = 51;
export const oldestVersion = 24;

export interface Router {
  /** Throws HttpError 400 or 404. */
  find(method: string, path: string): { handler: Handler; path: Record<string, string>; version: number };
}

interface Compiled {
  expression: RegExp;
  names: string[];
  handler: Handler;
}

function compile({ pattern, handler }: Route): Compiled {
  const names: string[] = [];
  const source = pattern.replace(/\{(\w+)(\.\.\.)?\}/g, (_, name: string, many?: string) => {
    names.push(name);
    return many ? "(.+)" : "([^/]+)";
  });
  return { expression: new RegExp(`^${source}$`, "s"), names, handler };
}

/** Method and first segment, so that few expressions are tried. */
function bucket(method: string, path: string): string {
  const end = path.indexOf("/", 1);
  return `${method} ${end < 0 ? path.slice(1) : path.slice(1, end)}`;
}

const versioned = /^\/v(\d[\d.]*)(\/.*)$/s;

function checkVersion(text: string): number {
  const [major, minor] = text.split(".").map(Number) as [number, number | undefined];
  const number = (minor ?? 0) + (major - 1) * 1000;
  if (number > newestVersion) {
    throw badRequest(`client version ${text} is too new. Maximum supported API version is 1.${newestVersion}`);
  }
  if (!(number >= oldestVersion)) {
    throw badRequest(
      `client version ${text} is too old. Minimum supported API version is 1.${oldestVersion}, please upgrade your client to a newer version`,
    );
  }
  return number;
}

export function createRouter(routes: Route[]): Router {
  const buckets = new Map<string, Compiled[]>();
  for (const route of routes) {
    const key = bucket(route.method, route.pattern);
    const list = buckets.get(key);
    if (list) list.push(compile(route));
    else buckets.set(key, [compile(route)]);
  }
  return {
    find(method, encoded) {
      let path = encoded;
      if (path.includes("%")) {
        try {
          path = decodeURIComponent(path);
        } catch {
          throw badRequest(`invalid URL escape in ${JSON.stringify(encoded.slice(0, 200))}`);
        }
      }
      const prefix = versioned.exec(path);
      if (prefix) path = prefix[2] as string;
      for (const { expression, names, handler } of buckets.get(bucket(method, path)) ?? []) {
        const match = expression.exec(path);
        if (!match) continue;
        const values: Record<string, string> = {};
        for (let i = 0; i < names.length; i++) values[names[i] as string] = match[i + 1] as string;
        return { handler, path: values, version: prefix ? checkVersion(prefix[1] as string) : newestVersion };
      }
      throw new HttpError(404, "page not found");
    },
  };
}
