/**
 * The runtime: starts, watches and ends containers by means of conmon and crun. It knows bundles and processes; images,
 * names and policies are the engine's.
 */
import type { Spec } from "./spec/types.ts";

/** What a process's three streams are connected to. */
export interface Streams {
  terminal: boolean;
  /** A pipe (or the terminal) to the process's standard input is kept. */
  openStdin: boolean;
  /** Standard input closes when the first attached client goes. */
  stdinOnce: boolean;
}

export interface Launch {
  id: string;
  /** Complete OCI runtime specification; `root.path` is mounted already. Without `cgroupsPath` the runtime chooses one. */
  spec: Spec;
  streams: Streams;
  /** Where the log goes; undefined for none. */
  logPath?: string;
  /** Terminal size before the process starts. */
  size?: { rows: number; columns: number };
}

export interface Exit {
  /** 0 to 255; 128+n for signal n. */
  code: number;
  /** Nanosecond RFC 3339 time at which the supervisor saw the end. */
  at: string;
  oomKilled: boolean;
  /** Set when nobody saw the end: the supervisor itself was killed. Then `code` is 137, and nothing of it runs. */
  error?: string;
}

/** A failure of crun to create or start: `kind` decides Docker's 126 and 127. */
export class LaunchError extends Error {
  constructor(
    /** crun's own words, without its prefix. */
    message: string,
    readonly kind: "not-found" | "not-executable" | "other",
  ) {
    super(message);
  }
}

export type Stream = "stdout" | "stderr";

/**
 * One listener of a process's output. A slow one holds back the process, as a pipe would, once 1 MiB waits for it: nothing
 * is lost, and memory is bounded. When it then takes nothing for 30 s it is ended, so that it stalls no other for ever.
 * Once the process is gone nobody is waited for: what is left (a socket's buffer) goes to the listeners' buffers.
 */
export interface OutputListener {
  /** Data must be copied if kept after the call. Return false to be paused: then nothing more comes until `resume`. */
  data(stream: Stream, chunk: Uint8Array): boolean | undefined;
  /** Every byte of output was delivered: the end of the stream, not of the process. */
  end(): void;
}

/** The held connection to a process's streams: opened once at its creation, always drained, whoever listens. */
export interface Attachment {
  /**
   * Returns its removal. Output that came before is not repeated.
   * A listener that is stuck (see OutputListener) is ended early with `end`; the others go on.
   */
  listen(listener: OutputListener): { resume(): void; remove(): void };
  /** Writes to standard input; resolves when the supervisor took it (back-pressure). Rejects when it is closed. */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Half-close: the process sees the end of its standard input, its output goes on. Does nothing for a terminal, and
   * nothing when `stdinOnce` is false: its input stays open for the next client, as Docker has it.
   */
  closeStdin(): void;
  readonly ended: boolean;
}

export interface RunningProcess {
  readonly pid: number;
  readonly attachment: Attachment;
  /**
   * Resolves once, when the process ended and all its output was given to every listener, or to the buffer of one that is
   * paused. Not held back by a grandchild that keeps the output open. Survives a restart of the server for containers.
   */
  readonly exit: Promise<Exit>;
  /** Sizes above 1000 are taken as 1000. Throws when the process is gone. */
  resize(rows: number, columns: number): Promise<void>;
}

export interface ExecLaunch {
  /** 64 hex digits. */
  execId: string;
  process: NonNullable<Spec["process"]>;
  streams: Streams;
  /** Nobody will listen. Otherwise what it prints before the first listener is kept for that one. */
  detached?: boolean;
  size?: { rows: number; columns: number };
}

export interface Runtime {
  readonly name: string;
  version(): Promise<string>;
  /**
   * Makes bundle and process up to the point before its first instruction: in its own cgroup, limits and device rules in
   * force, confined. Throws LaunchError. Leaves nothing behind when it fails.
   */
  create(launch: Launch): Promise<RunningProcess>;
  /**
   * An ID under which a supervisor waits already, for a container without terminal and input that keeps a log and is
   * created within a moment; it starts sooner. Undefined when none waits: any other ID does as well.
   */
  reserve(): string | undefined;
  /** Lets the created process execute its command. Throws LaunchError (command not found, not executable). */
  start(id: string): Promise<void>;
  /** After a restart of the server: undefined when nothing is left of it; one whose `exit` is resolved when it ended meanwhile. */
  reconnect(id: string, streams: Streams): Promise<RunningProcess | undefined>;
  /** Whether the container was started, or only created: for one that is reconnected. */
  isStarted(id: string): boolean;
  /** signal(7) number; to all processes of the container when `all`. Throws when it does not run. */
  kill(id: string, signal: number, all?: boolean): Promise<void>;
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  /** Pids in the container, as the host sees them. */
  processes(id: string): Promise<number[]>;
  exec(id: string, launch: ExecLaunch): Promise<RunningProcess>;
  /** Ends what runs, removes runtime state, bundle and cgroup. No error when nothing is there. */
  remove(id: string): Promise<void>;
  /** IDs of which anything is left: bundles, runtime state, cgroups. For the sweep at start. */
  list(): Promise<string[]>;
}
