/**
 * A client of the Engine API: what the command line uses, and what a program imports.
 *
 *     const client = createClient({ host: "unix:///run/gantry/gantry.sock" });
 *     for (const container of await client.containers.list()) console.log(container.Names);
 *
 * Shapes are those of Docker's OpenAPI document. Methods throw ApiError with the server's status and message, ConnectError
 * when there is no server, ProtocolError when the answer breaks off or is malformed.
 */
import type {
  ContainerCreateRequest,
  ContainerCreateResponse,
  ContainerInspectResponse,
  ContainerPruneResponse,
  ContainerSummary,
  ContainerTopResponse,
  EventMessage,
  ExecConfig,
  ExecInspectResponse,
  HistoryResponseItem,
  ImageDeleteResponseItem,
  ImageInspect,
  ImagePruneResponse,
  ImageSummary,
  NetworkInspect,
  SystemInfo,
  SystemVersion,
  Volume,
  VolumeCreateOptions,
  VolumeListResponse,
  VolumePruneResponse,
} from "@docker/node-sdk";
import type { Connection } from "./connection.ts";
import { type Answer, createTransport, type Transport, type TransportOptions } from "./transport.ts";

export type { Connection, TlsOptions } from "./connection.ts";
export { ApiError, ConnectError, ProtocolError } from "./errors.ts";
export { type Frame, type FrameStream, frameDecoder } from "./frames.ts";
export type { Answer, Transport, TransportOptions } from "./transport.ts";

/** Filter names to their values. */
export type Filters = Record<string, string[]>;

export type WaitCondition = "not-running" | "next-exit" | "removed";

export interface WaitResult {
  StatusCode: number;
  Error?: { Message?: string } | null;
}

/** A line of a pull's progress. `error` ends it. */
export interface ProgressLine {
  status?: string;
  id?: string;
  progress?: string;
  progressDetail?: { current?: number; total?: number; units?: string; hidecounts?: boolean } | null;
  stream?: string;
  error?: string;
  errorDetail?: { code?: number; message?: string };
  aux?: unknown;
}

export interface AttachOptions {
  stream?: boolean;
  stdin?: boolean;
  stdout?: boolean;
  stderr?: boolean;
  logs?: boolean;
  /** As `ctrl-p,ctrl-q`. */
  detachKeys?: string;
}

export interface LogOptions {
  stdout?: boolean;
  stderr?: boolean;
  follow?: boolean;
  /** Seconds since the epoch with a fraction. */
  since?: string;
  until?: string;
  timestamps?: boolean;
  details?: boolean;
  /** A number of lines, or `all`. */
  tail?: string;
}

/**
 * A container's or an exec's streams. Without a terminal the output comes in frames (`frameDecoder`), with one it is
 * plain. `connection.closeWrite()` ends its standard input.
 */
export interface Hijacked {
  connection: Connection;
  /** Whether the output is framed; undefined when the server did not say (before API 1.42). */
  multiplexed: boolean | undefined;
}

export interface Client {
  readonly transport: Transport;
  version(): Promise<SystemVersion>;
  info(): Promise<SystemInfo>;
  /** Ends when the loop is left or `signal` aborts. `since` and `until` in seconds since the epoch. */
  events(options?: {
    since?: string;
    until?: string;
    filters?: Filters;
    signal?: AbortSignal;
  }): AsyncGenerator<EventMessage>;
  containers: {
    create(
      request: ContainerCreateRequest,
      options?: { name?: string; platform?: string },
    ): Promise<ContainerCreateResponse>;
    start(ref: string, options?: { detachKeys?: string }): Promise<void>;
    stop(ref: string, options?: { signal?: string; timeout?: number }): Promise<void>;
    restart(ref: string, options?: { signal?: string; timeout?: number }): Promise<void>;
    kill(ref: string, signal?: string): Promise<void>;
    pause(ref: string): Promise<void>;
    unpause(ref: string): Promise<void>;
    rename(ref: string, name: string): Promise<void>;
    remove(ref: string, options?: { force?: boolean; volumes?: boolean; link?: boolean }): Promise<void>;
    /** Resolves when the server watches the container; then `result` when the condition holds. */
    wait(ref: string, condition?: WaitCondition): Promise<{ result: Promise<WaitResult> }>;
    list(options?: {
      all?: boolean;
      limit?: number;
      size?: boolean;
      filters?: Filters | undefined;
    }): Promise<ContainerSummary[]>;
    inspect(ref: string, options?: { size?: boolean }): Promise<ContainerInspectResponse>;
    top(ref: string, psArguments?: string[]): Promise<ContainerTopResponse>;
    resize(ref: string, size: { rows: number; columns: number }): Promise<void>;
    attach(ref: string, options: AttachOptions): Promise<Hijacked>;
    /** The log: frames, or plain bytes when the container has a terminal. */
    logs(ref: string, options: LogOptions, signal?: AbortSignal): Promise<Answer>;
    prune(filters?: Filters): Promise<ContainerPruneResponse>;
  };
  execs: {
    create(ref: string, config: ExecConfig & { ConsoleSize?: number[] }): Promise<string>;
    start(id: string, options: { tty: boolean; size?: { rows: number; columns: number } }): Promise<Hijacked>;
    startDetached(id: string, options: { tty: boolean }): Promise<void>;
    inspect(id: string): Promise<ExecInspectResponse>;
    resize(id: string, size: { rows: number; columns: number }): Promise<void>;
  };
  images: {
    /** `authorization` is the value of X-Registry-Auth. */
    pull(
      image: string,
      options?: { tag?: string; platform?: string; authorization?: string; signal?: AbortSignal },
    ): AsyncGenerator<ProgressLine>;
    list(options?: { all?: boolean; digests?: boolean; filters?: Filters }): Promise<ImageSummary[]>;
    inspect(ref: string, options?: { platform?: string }): Promise<ImageInspect>;
    history(ref: string, options?: { platform?: string }): Promise<HistoryResponseItem[]>;
    tag(ref: string, repository: string, tag: string | undefined): Promise<void>;
    remove(
      ref: string,
      options?: { force?: boolean; noPrune?: boolean; platforms?: string[] },
    ): Promise<ImageDeleteResponseItem[]>;
    prune(filters?: Filters): Promise<ImagePruneResponse>;
  };
  volumes: {
    create(options: VolumeCreateOptions): Promise<Volume>;
    inspect(name: string): Promise<Volume>;
    list(filters?: Filters): Promise<VolumeListResponse>;
    remove(name: string, options?: { force?: boolean }): Promise<void>;
    prune(filters?: Filters): Promise<VolumePruneResponse>;
  };
  networks: {
    list(filters?: Filters): Promise<NetworkInspect[]>;
    inspect(ref: string, options?: { verbose?: boolean; scope?: string }): Promise<NetworkInspect>;
  };
  close(): void;
}

export function createClient(options: TransportOptions): Client {
  const transport = createTransport(options);
  const { json, request, values, hijack } = transport;
  const done = async (method: string, path: string, query?: Record<string, string | number | boolean | undefined>) => {
    await (await request(method, path, query === undefined ? {} : { query })).text();
  };
  const container = (ref: string) => `/containers/${encodeURIComponent(ref)}`;
  const image = imagePath;
  const volume = (name: string) => `/volumes/${encodeURIComponent(name)}`;

  return {
    transport,
    version: () => json("GET", "/version"),
    info: () => json("GET", "/info"),
    events: ({ since, until, filters, signal } = {}) =>
      values("GET", "/events", { query: { since, until, filters: encodeFilters(filters) }, ...(signal && { signal }) }),
    containers: {
      create: (body, { name, platform } = {}) =>
        json("POST", "/containers/create", { query: { name, platform }, json: body }),
      start: (ref, { detachKeys } = {}) => done("POST", `${container(ref)}/start`, { detachKeys }),
      stop: (ref, { signal, timeout } = {}) => done("POST", `${container(ref)}/stop`, { signal, t: timeout }),
      restart: (ref, { signal, timeout } = {}) => done("POST", `${container(ref)}/restart`, { signal, t: timeout }),
      kill: (ref, signal) => done("POST", `${container(ref)}/kill`, { signal }),
      pause: (ref) => done("POST", `${container(ref)}/pause`),
      unpause: (ref) => done("POST", `${container(ref)}/unpause`),
      rename: (ref, name) => done("POST", `${container(ref)}/rename`, { name }),
      remove: (ref, { force, volumes, link } = {}) => done("DELETE", container(ref), { force, v: volumes, link }),
      async wait(ref, condition) {
        const answer = await request("POST", `${container(ref)}/wait`, { query: { condition } });
        const result = answer.text().then((text) => JSON.parse(text) as WaitResult);
        // Who asked may end before the container does.
        result.catch(() => {});
        return { result };
      },
      list: ({ all, limit, size, filters } = {}) =>
        json("GET", "/containers/json", { query: { all, limit, size, filters: encodeFilters(filters) } }),
      inspect: (ref, { size } = {}) => json("GET", `${container(ref)}/json`, { query: { size } }),
      top: (ref, psArguments = []) =>
        json("GET", `${container(ref)}/top`, { query: { ps_args: psArguments.join(" ") } }),
      resize: (ref, { rows, columns }) => done("POST", `${container(ref)}/resize`, { h: rows, w: columns }),
      attach: (ref, { ...query }) => hijack(`${container(ref)}/attach`, { query }),
      logs: (ref, { ...query }, signal) =>
        request("GET", `${container(ref)}/logs`, { query, ...(signal === undefined ? {} : { signal }) }),
      prune: (filters) => json("POST", "/containers/prune", { query: { filters: encodeFilters(filters) } }),
    },
    execs: {
      create: async (ref, config) =>
        (await json<{ Id: string }>("POST", `${container(ref)}/exec`, { json: config })).Id,
      start: (id, { tty, size }) =>
        hijack(`/exec/${encodeURIComponent(id)}/start`, {
          json: { Detach: false, Tty: tty, ...(size ? { ConsoleSize: [size.rows, size.columns] } : {}) },
        }),
      startDetached: async (id, { tty }) => {
        const answer = await request("POST", `/exec/${encodeURIComponent(id)}/start`, {
          json: { Detach: true, Tty: tty },
        });
        await answer.text();
      },
      inspect: (id) => json("GET", `/exec/${encodeURIComponent(id)}/json`),
      resize: (id, { rows, columns }) =>
        done("POST", `/exec/${encodeURIComponent(id)}/resize`, { h: rows, w: columns }),
    },
    images: {
      pull: (fromImage, { tag, platform, authorization, signal } = {}) =>
        values("POST", "/images/create", {
          query: { fromImage, tag, platform },
          ...(authorization === undefined ? {} : { headers: { "X-Registry-Auth": authorization } }),
          ...(signal === undefined ? {} : { signal }),
        }),
      list: ({ all, digests, filters } = {}) =>
        json("GET", "/images/json", { query: { all, digests, filters: encodeFilters(filters) } }),
      inspect: (ref, { platform } = {}) => json("GET", `${image(ref)}/json`, { query: { platform } }),
      history: (ref, { platform } = {}) => json("GET", `${image(ref)}/history`, { query: { platform } }),
      tag: (ref, repo, tag) => done("POST", `${image(ref)}/tag`, { repo, tag }),
      remove: (ref, { force, noPrune, platforms } = {}) =>
        json("DELETE", image(ref), { query: { force, noprune: noPrune, platforms } }),
      prune: (filters) => json("POST", "/images/prune", { query: { filters: encodeFilters(filters) } }),
    },
    volumes: {
      create: (body) => json("POST", "/volumes/create", { json: body }),
      inspect: (name) => json("GET", volume(name)),
      list: (filters) => json("GET", "/volumes", { query: { filters: encodeFilters(filters) } }),
      remove: (name, { force } = {}) => done("DELETE", volume(name), { force }),
      prune: (filters) => json("POST", "/volumes/prune", { query: { filters: encodeFilters(filters) } }),
    },
    networks: {
      list: (filters) => json("GET", "/networks", { query: { filters: encodeFilters(filters) } }),
      inspect: (ref, { verbose, scope } = {}) =>
        json("GET", `/networks/${encodeURIComponent(ref)}`, { query: { verbose, scope } }),
    },
    close: () => transport.close(),
  };
}

/** `/images/NAME`: slashes, colons and at-signs of a name stand in the path as they are. */
export const imagePath = (ref: string): string =>
  `/images/${encodeURIComponent(ref).replace(/%2F/g, "/").replace(/%3A/g, ":").replace(/%40/g, "@")}`;

/** As the API takes them (since 1.22): `{"label": {"a": true}}`. */
export function encodeFilters(filters: Filters | undefined): string | undefined {
  const entries = Object.entries(filters ?? {});
  if (entries.length === 0) return undefined;
  return JSON.stringify(
    Object.fromEntries(entries.map(([name, list]) => [name, Object.fromEntries(list.map((value) => [value, true]))])),
  );
}
