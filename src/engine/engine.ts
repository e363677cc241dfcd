/**
 * The engine: what the Engine API asks for, without HTTP. Shapes are those of Docker's OpenAPI document at the newest
 * version that we announce; src/api/ turns them into older ones. Methods throw EngineError with Docker's texts.
 *
 * `ref` is what a user types: a name, a full ID or an unambiguous prefix of one.
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
  VolumePruneResponse,
} from "@docker/node-sdk";
import type { Credentials } from "../registry/registry.ts";
import type { Attachment, Stream } from "../runtime/runtime.ts";

/** Docker's filters: key to values, as the `filters` parameter holds them (both its forms parsed). */
export type Filters = Map<string, string[]>;

export interface AttachOptions {
  /** Deliver what the log holds already. */
  logs: boolean;
  /** Deliver what comes from now on. */
  stream: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

export interface LogOptions {
  stdout: boolean;
  stderr: boolean;
  follow: boolean;
  /** Seconds since the epoch, with a fraction; 0 is none. */
  since: number;
  until: number;
  /** Lines from the end; -1 is all. */
  tail: number;
  /** Ends the iteration, also while it waits for the next record. */
  signal?: AbortSignal;
}

/** One line (with its newline, if it had one) or piece of a long one. */
export interface LogRecord {
  stream: Stream;
  /** RFC 3339 with nanoseconds, UTC. */
  time: string;
  data: Uint8Array;
  /** The line goes on in the next record of this stream. */
  partial: boolean;
}

export type WaitCondition = "not-running" | "next-exit" | "removed";

export interface WaitResult {
  StatusCode: number;
  Error?: { Message: string };
}

export interface Containers {
  create(
    name: string | undefined,
    request: ContainerCreateRequest,
    platform: string | undefined,
  ): Promise<ContainerCreateResponse>;
  /** false when it runs already (304). */
  start(ref: string): Promise<boolean>;
  /** false when it is stopped already (304). `timeout` in seconds, -1 for ever; default the container's, else 10. */
  stop(ref: string, options: { signal?: string; timeout?: number }): Promise<boolean>;
  restart(ref: string, options: { signal?: string; timeout?: number }): Promise<void>;
  /** `signal` as a name or number; default SIGKILL. */
  kill(ref: string, signal: string): Promise<void>;
  pause(ref: string): Promise<void>;
  unpause(ref: string): Promise<void>;
  /** Throws 404 at once; then `result` resolves when the condition holds, also when the container is removed meanwhile. */
  wait(ref: string, condition: WaitCondition): { result: Promise<WaitResult> };
  remove(ref: string, options: { force: boolean; volumes: boolean }): Promise<void>;
  rename(ref: string, name: string): Promise<void>;
  list(options: { all: boolean; limit: number; size: boolean; filters: Filters }): Promise<ContainerSummary[]>;
  inspect(ref: string, size: boolean): Promise<ContainerInspectResponse>;
  top(ref: string, psArgs: string): Promise<ContainerTopResponse>;
  resize(ref: string, rows: number, columns: number): Promise<void>;
  /**
   * The container's streams. Works before it starts (then output comes when it does) and ends when its output ends.
   * `terminal` decides raw or multiplexed framing.
   */
  attach(ref: string): AttachSession;
  /** Whether it has a terminal, and its records; the iteration ends when the log does (follow: when the container does). */
  logs(ref: string, options: LogOptions): { terminal: boolean; records: AsyncIterable<LogRecord> };
  prune(filters: Filters): Promise<ContainerPruneResponse>;
}

export interface AttachSession {
  terminal: boolean;
  openStdin: boolean;
  /** false: the end of a client's input is not the container's. It ends the client's session, as Docker does. */
  stdinOnce?: boolean;
  /** To be called when the client left by its detach keys (Docker's `detach` event). */
  detached?(): void;
  /** What was logged before, for `logs=1`. */
  history(): AsyncIterable<LogRecord>;
  /** The process's connection: that of the running process, or of the next one when it does not run yet. */
  attachment(signal: AbortSignal): Promise<Attachment>;
}

export interface Execs {
  create(ref: string, config: ExecConfig): Promise<string>;
  /** Rejects with 404, 409 at once, before anything starts. With `detach` resolves undefined once it runs. */
  start(
    execId: string,
    options: { detach: boolean; tty: boolean; size?: { rows: number; columns: number } },
  ): Promise<{ terminal: boolean; openStdin: boolean; attachment: Attachment; exited: Promise<void> } | undefined>;
  inspect(execId: string): ExecInspectResponse;
  resize(execId: string, rows: number, columns: number): Promise<void>;
}

/** One line of a pull's progress, as the API streams it (Docker's JSONMessage). */
export interface ProgressMessage {
  status?: string;
  id?: string;
  progressDetail?: { current?: number; total?: number };
  progress?: string;
  error?: string;
  errorDetail?: { message: string };
}

export interface Images {
  /**
   * Without tag and digest it is every tag of the repository. Rejects when nothing was sent yet; afterwards too, and the
   * API then ends its stream with an `error` line.
   */
  pull(
    reference: string,
    options: {
      tag?: string;
      platform?: string;
      credentials?: Credentials;
      signal: AbortSignal;
      progress: (message: ProgressMessage) => void;
    },
  ): Promise<void>;
  list(options: { all: boolean; filters: Filters; digests: boolean }): Promise<ImageSummary[]>;
  inspect(ref: string): Promise<ImageInspect>;
  history(ref: string): Promise<HistoryResponseItem[]>;
  tag(ref: string, repository: string, tag: string | undefined): Promise<void>;
  remove(ref: string, options: { force: boolean; noPrune: boolean }): Promise<ImageDeleteResponseItem[]>;
  prune(filters: Filters): Promise<ImagePruneResponse>;
}

export interface Volumes {
  create(options: VolumeCreateOptions): Promise<Volume>;
  inspect(name: string): Promise<Volume>;
  list(filters: Filters): Promise<{ Volumes: Volume[]; Warnings: string[] | null }>;
  remove(name: string, force: boolean): Promise<void>;
  prune(filters: Filters): Promise<VolumePruneResponse>;
}

export interface Networks {
  list(filters: Filters): Promise<NetworkInspect[]>;
  inspect(ref: string): Promise<NetworkInspect>;
}

export interface Events {
  /** From the stored history (`since`), then live until `until` or the signal. Seconds since the epoch, with a fraction. */
  stream(options: {
    since?: number;
    until?: number;
    filters: Filters;
    signal: AbortSignal;
  }): AsyncIterable<EventMessage>;
}

export interface Engine {
  containers: Containers;
  execs: Execs;
  images: Images;
  volumes: Volumes;
  networks: Networks;
  events: Events;
  info(): Promise<SystemInfo>;
  version(): Promise<SystemVersion>;
}
