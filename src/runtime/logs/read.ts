/** Reading a container's log: all, its end, a span of time, or on and on while it is written. */
import { type FileHandle, open } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { watchFolder } from "../../sys/inotify.ts";
import { type LogRecord, parseRecord, seconds } from "./record.ts";
import { tailOffset } from "./tail.ts";

export interface ReadLogsOptions {
  /** Lines from the end; -1 or undefined is all. */
  tail?: number;
  /** Seconds since the epoch, with a fraction; 0 or undefined is none. Both are included. */
  since?: number;
  until?: number;
  /** Read on until this resolves (the process has ended and its log is whole), then what was written up to then. */
  follow?: Promise<unknown>;
  signal?: AbortSignal;
}

const block = 64 << 10;
const newline = 0x0a;

/** The records, in their order. Nothing when there is no file. Data may be kept. */
export async function* readLogs(path: string, options: ReadLogsOptions = {}): AsyncGenerator<LogRecord> {
  const { since = 0, until = 0, follow, signal } = options;
  // Before the first read: what is written after it is announced.
  const changes = follow === undefined ? undefined : new Changes(path, follow, until, signal);
  let file: FileHandle | undefined;
  try {
    file = await openIfThere(path);
    while (file === undefined) {
      if (changes === undefined || changes.ended) return;
      await changes.next();
      file = await openIfThere(path);
    }
    let position = 0;
    if (options.tail !== undefined && options.tail >= 0) {
      position = await tailOffset(file, (await file.stat()).size, options.tail);
    }
    let rest = Buffer.alloc(0);
    for (;;) {
      // The last round begins after the end was announced: what was written before it is read then.
      const last = changes?.ended ?? true;
      for (;;) {
        const chunk = Buffer.allocUnsafeSlow(block);
        const { bytesRead } = await file.read(chunk, 0, block, position);
        if (signal?.aborted) return;
        if (bytesRead === 0) break;
        position += bytesRead;
        const data =
          rest.length === 0 ? chunk.subarray(0, bytesRead) : Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
        let start = 0;
        for (let end = data.indexOf(newline); end !== -1; end = data.indexOf(newline, start)) {
          const record = parseRecord(data.subarray(start, end + 1));
          start = end + 1;
          if (record === undefined) continue;
          if (since > 0 && seconds(record.time) < since) continue;
          if (until > 0 && seconds(record.time) > until) return;
          yield record;
          if (signal?.aborted) return;
        }
        rest = data.subarray(start);
      }
      if (changes === undefined || last) return;
      await changes.next();
    }
  } finally {
    changes?.close();
    await file?.close();
  }
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Tells that a file was written to, or that no more will come. */
class Changes {
  ended = false;
  #changed = false;
  #wake: (() => void) | undefined;
  #stop: (() => void) | undefined;
  #timer: Timer | undefined;
  #signal: AbortSignal | undefined;
  readonly #finish = () => {
    this.ended = true;
    this.#wake?.();
  };

  constructor(path: string, end: Promise<unknown>, until: number, signal: AbortSignal | undefined) {
    const name = basename(path);
    try {
      // The folder, not the file: the file may not be there yet.
      this.#stop = watchFolder(dirname(path), (changed) => {
        if (changed !== name && changed !== undefined) return;
        this.#changed = true;
        this.#wake?.();
      });
    } catch (error) {
      if ((error as { code?: string }).code !== "ENOENT") throw error;
      this.ended = true;
    }
    end.then(this.#finish, this.#finish);
    this.#signal = signal;
    signal?.addEventListener("abort", this.#finish, { once: true });
    if (signal?.aborted) this.ended = true;
    const wait = until * 1000 - Date.now();
    if (until > 0 && wait < 2 ** 31) this.#timer = setTimeout(this.#finish, Math.max(0, wait));
  }

  /** Resolves at the next change, or one since the last call, or at the end. */
  async next(): Promise<void> {
    if (!this.#changed && !this.ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
    this.#changed = false;
  }

  close(): void {
    this.#stop?.();
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener("abort", this.#finish);
  }
}
