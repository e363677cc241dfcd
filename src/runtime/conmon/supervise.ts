/**
 * Starts conmon and takes its reports. conmon waits on its start pipe until it is in its control group; it says over its
 * sync pipe, a line of JSON each, which process crun made or why it could not, and for an exec its exit code at the end.
 */
import { closeSync, existsSync, readFileSync, writeSync } from "node:fs";
import { conmonCommand, type Supervision } from "./command.ts";
import { launchError } from "./errors.ts";

export interface Supervised {
  /** The process that crun made, as the host sees it. */
  pid: number;
  /** An exec's exit code, -1 when conmon ended without telling one. Containers: never resolves. */
  code: Promise<number>;
}

export interface SuperviseOptions extends Supervision {
  /** Puts conmon, which has not begun its work, into its control group; not called when it enters by itself. */
  place(pid: number): void;
  /** The attach socket can be connected, and the process does not run yet: an exec's only moment for it. */
  attach?(): Promise<void>;
  /** The first argument of the process, for error texts. */
  command: string;
  environment: Record<string, string>;
  /** Where crun was told to write its errors, if it was. */
  errorPath?: string;
}

/** A conmon that was started, and in time starts crun. */
export interface Begun {
  child: Bun.Subprocess;
  sync: Lines;
  attachLines: Lines | undefined;
  startPipe: number;
}

/** Throws LaunchError when crun refuses. */
export const supervise = (options: SuperviseOptions): Promise<Supervised> => finish(begin(options), options);

/** Starts conmon and lets it go on. Throws when it cannot be started. */
export function begin(options: SuperviseOptions): Begun {
  const exec = options.processPath !== undefined;
  const child = Bun.spawn(conmonCommand(options), {
    cwd: options.folder,
    env: {
      ...options.environment,
      _OCI_SYNCPIPE: "3",
      _OCI_STARTPIPE: "4",
      ...(exec ? { _OCI_ATTACHPIPE: "5" } : {}),
    },
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe", ...(exec ? (["pipe"] as const) : [])],
  });
  const [, , , syncPipe, startPipe, attachPipe] = child.stdio as unknown as number[];
  const begun: Begun = {
    child,
    sync: new Lines(syncPipe!),
    attachLines: attachPipe === undefined ? undefined : new Lines(attachPipe),
    startPipe: startPipe!,
  };
  try {
    if (options.entrance === undefined) options.place(child.pid);
    writeSync(startPipe!, "1");
  } catch (error) {
    abandon(begun);
    throw error;
  }
  return begun;
}

/** Lets go of a conmon whose process nobody wants: who calls ends it, with what it started. */
export function abandon({ child, sync, attachLines, startPipe }: Begun): void {
  sync.close();
  // First: one that still waits would go on at the end of its start pipe.
  child.kill(9);
  attachLines?.close();
  closeSync(startPipe);
}

/** Waits for conmon's report of what `begin` began. Throws LaunchError when crun refuses. */
export async function finish(begun: Begun, options: SuperviseOptions): Promise<Supervised> {
  const { child, sync, attachLines, startPipe } = begun;
  const exec = attachLines !== undefined;
  try {
    if (attachLines !== undefined && (await attachLines.next()) !== undefined) {
      await options.attach?.();
      writeSync(startPipe, "1");
    }
    const report = parseReport(await sync.next());
    if (report === undefined || report.data < 0) {
      const text =
        report?.message ??
        (readLog(options.errorPath) || (await new Response(child.stderr as ReadableStream<Uint8Array>).text()));
      throw launchError(text, options.command);
    }
    if (!exec) sync.close();
    // It forked itself off long ago; its pid file is there once this one has ended.
    await child.exited;
    attachLines?.close();
    closeSync(startPipe);
    return { pid: report.data, code: exec ? exitCode(sync) : new Promise(() => {}) };
  } catch (error) {
    abandon(begun);
    throw error;
  }
}

function readLog(path: string | undefined): string {
  return path !== undefined && existsSync(path) ? readFileSync(path, "utf8") : "";
}

async function exitCode(sync: Lines): Promise<number> {
  const report = parseReport(await sync.next());
  sync.close();
  return report?.data ?? -1;
}

interface Report {
  data: number;
  message?: string;
}

/** Undefined when conmon ended without a report. conmon's escapes are not always JSON: fall back to the bare text. */
function parseReport(line: string | undefined): Report | undefined {
  if (line === undefined) return undefined;
  try {
    return JSON.parse(line) as Report;
  } catch {
    const match = /^\{"data": (-?\d+)(?:, "message": "(.*)")?\}$/s.exec(line);
    return match === null ? undefined : { data: Number(match[1]), message: match[2] ?? "" };
  }
}

/** Lines from one end of a socket pair, whole; undefined at its end. */
class Lines {
  #text = "";
  #ended = false;
  #wake: (() => void) | undefined;
  #decoder = new TextDecoder();
  #socket: ReturnType<typeof Bun.connect>;
  #closed = false;

  constructor(fd: number) {
    const finish = () => {
      this.#ended = true;
      this.#wake?.();
    };
    this.#socket = Bun.connect({
      fd,
      socket: {
        data: (_socket: unknown, chunk: Uint8Array) => {
          this.#text += this.#decoder.decode(chunk, { stream: true });
          this.#wake?.();
        },
        end: finish,
        close: finish,
        error: finish,
      },
    } as never);
  }

  async next(): Promise<string | undefined> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end !== -1) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return line;
      }
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    void this.#socket.then((socket) => socket.terminate()).catch(() => {});
  }
}
