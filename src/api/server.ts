/**
 * The Engine API server: Docker's HTTP API over Unix sockets, TCP with TLS, or an inherited descriptor.
 *
 * HTTP/1.1 is spoken by http/ on plain sockets and not by node:http: attach and exec take the connection over, also
 * without an Upgrade header and after other requests on it, and go on reading after the client ended its input.
 */
import type { Socket } from "node:net";
import type { Engine } from "../engine/engine.ts";
import { absentRoutes } from "./absent.ts";
import { containerRoutes } from "./containers.ts";
import { eventRoutes } from "./events.ts";
import { execRoutes } from "./exec.ts";
import { type Connection, type Exchange, serveConnection } from "./http/connection.ts";
import { messageOf, statusOf } from "./http/errors.ts";
import { type Address, type Listener, openListener } from "./http/listen.ts";
import type { Response } from "./http/response.ts";
import { createRouter, type Log, newestVersion, type Route } from "./http/router.ts";
import { imageRoutes } from "./images.ts";
import { networkRoutes } from "./networks.ts";
import { systemRoutes } from "./system.ts";
import { volumeRoutes } from "./volumes.ts";

export type { Address, TlsKeys } from "./http/listen.ts";
export type { Log } from "./http/router.ts";

export interface ApiServerOptions {
  engine: Engine;
  log: Log;
  /** Gantry's, for the `Server` header. */
  version: string;
  /** Called at the begin of every request. */
  activity?: () => void;
  limits?: {
    /** Of a JSON body; default 16 MiB. */
    bodyBytes?: number;
    /** Of a request's head; default 1 MiB (X-Registry-Config). */
    headerBytes?: number;
    /** How long a client that was sent everything may take to close its side; default 30 s. */
    lingerMilliseconds?: number;
  };
}

export interface ApiServer {
  /** May be called for several addresses. Resolves when clients can connect; throws with the reason. */
  listen(address: Address): Promise<Listener>;
  /**
   * Takes no more connections and requests, ends streams that would never end, lets the rest be answered, and cuts what
   * is still there after `graceMs`.
   */
  close(graceMs: number): Promise<void>;
  readonly connections: number;
}

/** Order matters only where a pattern with dots could match what another one names. */
const routes: Route[] = [
  ...systemRoutes,
  ...containerRoutes,
  ...execRoutes,
  ...imageRoutes,
  ...volumeRoutes,
  ...networkRoutes,
  ...eventRoutes,
  ...absentRoutes,
];

export function createApiServer({ engine, log, version, activity, limits = {} }: ApiServerOptions): ApiServer {
  const router = createRouter(routes);
  const stopping = new AbortController();
  const connections = new Set<Connection>();
  const listeners: Listener[] = [];
  const callLimits = { bodyBytes: limits.bodyBytes ?? 16 * 1024 * 1024 };
  let emptied: (() => void) | undefined;

  const handle = async (exchange: Exchange): Promise<void> => {
    const { head, response } = exchange;
    activity?.();
    log.debug(`Calling ${head.method} ${head.path}`);
    if (head.method === "OPTIONS") return response.empty(200);
    const found = router.find(head.method, head.path);
    const query = new URLSearchParams(head.query);
    await addForm(exchange, query, callLimits.bodyBytes);
    await found.handler({
      exchange,
      engine,
      query,
      path: found.path,
      version: found.version,
      stopping: stopping.signal,
      limits: callLimits,
      log,
    });
  };

  const fail = (error: unknown, response: Response, gone: boolean): void => {
    const status = statusOf(error);
    // Work that was called off fails, too: no fault of ours.
    if (status === 500)
      log[gone ? "debug" : "error"](error instanceof Error ? (error.stack ?? error.message) : String(error));
    response.json(status, { message: messageOf(error) });
  };

  const options = {
    headerBytes: limits.headerBytes ?? 1024 * 1024,
    lingerMilliseconds: limits.lingerMilliseconds ?? 30_000,
    headers: {
      "Api-Version": `1.${newestVersion}`,
      "Docker-Experimental": "false",
      Ostype: "linux",
      Server: `Gantry/${version} (linux)`,
    },
    handle,
    fail,
  };

  const accept = (socket: Socket): void => {
    if (stopping.signal.aborted) return void socket.destroy();
    const connection = serveConnection(socket, options, () => {
      connections.delete(connection);
      if (connections.size === 0) emptied?.();
    });
    connections.add(connection);
  };

  return {
    async listen(address) {
      const listener = await openListener(address, accept);
      listeners.push(listener);
      return listener;
    },
    async close(graceMs) {
      for (const listener of listeners.splice(0)) listener.close();
      stopping.abort();
      for (const connection of connections) connection.close();
      if (connections.size === 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        emptied = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      for (const connection of connections) connection.destroy();
    },
    get connections() {
      return connections.size;
    },
  };
}

/** As in Docker, parameters may also come in a form's body, and then go before those of the query. */
async function addForm(exchange: Exchange, query: URLSearchParams, limit: number): Promise<void> {
  const { head, body } = exchange;
  if (body.done || head.method === "GET") return;
  if (!head.headers.get("content-type")?.toLowerCase().startsWith("application/x-www-form-urlencoded")) return;
  const form = new URLSearchParams((await body.bytes(limit)).toString("utf8"));
  for (const name of new Set(form.keys())) {
    const values = [...form.getAll(name), ...query.getAll(name)];
    query.delete(name);
    for (const value of values) query.append(name, value);
  }
}
