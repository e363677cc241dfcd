/**
 * What happened, for `docker events`: kept in memory for those who listen and in the database for those who ask later.
 * The history is written behind the answer, many in one commit: an event lost by a crash takes nothing with it.
 */
import type { EventMessage } from "@docker/node-sdk";
import type { Database } from "../../storage/database/database.ts";
import { nowNanoseconds } from "../clock.ts";
import type { Events, Filters } from "../engine.ts";

export type EventType = "container" | "image" | "volume" | "network" | "daemon";

export interface EventLog extends Events {
  /** `action` is Docker's (`start`, `exec_create: sh`), `attributes` what Docker sends with it. */
  emit(type: EventType, action: string, id: string, attributes: Record<string, string>): void;
  /** Writes what is not written yet. */
  flush(): void;
}

const historyLength = 10_000;
const flushDelay = 500;

export function createEventLog(database: Database): EventLog {
  const listeners = new Set<(message: EventMessage) => void>();
  let pending: EventMessage[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let last = 0n;

  const insert = database.prepare("INSERT INTO events (time, message) VALUES (?, ?)");
  const trim = database.prepare("DELETE FROM events WHERE number <= (SELECT max(number) FROM events) - ?");
  const select = database.prepare("SELECT message FROM events WHERE time >= ? ORDER BY number");

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (pending.length === 0) return;
    const batch = pending;
    pending = [];
    database.transaction(() => {
      for (const message of batch) insert.run(BigInt(message.timeNano ?? 0), JSON.stringify(message));
      trim.run(historyLength);
    })();
  }

  function emit(type: EventType, action: string, id: string, attributes: Record<string, string>): void {
    let time = nowNanoseconds();
    if (time <= last) time = last + 1n;
    last = time;
    const message = {
      // The fields that clients before 1.22 read; the stock client still falls back to them.
      ...(type === "container" || type === "image" ? { status: action, id, from: attributes.image } : {}),
      Type: type,
      Action: action,
      Actor: { ID: id, Attributes: attributes },
      scope: "local",
      time: Number(time / 1_000_000_000n),
      timeNano: Number(time),
    } as EventMessage;
    pending.push(message);
    timer ??= setTimeout(flush, flushDelay);
    for (const listener of listeners) listener(message);
  }

  function history(since: number): EventMessage[] {
    flush();
    const rows = select.all(BigInt(Math.floor(since * 1e9))) as { message: string }[];
    return rows.map((row) => JSON.parse(row.message) as EventMessage);
  }

  async function* stream(options: {
    since?: number;
    until?: number;
    filters: Filters;
    signal: AbortSignal;
  }): AsyncGenerator<EventMessage> {
    const queue: EventMessage[] = [];
    let wake: (() => void) | undefined;
    const notify = () => wake?.();
    const listener = (message: EventMessage) => {
      queue.push(message);
      notify();
    };
    // Listens before it reads the history, so that nothing falls between.
    const live = options.until === undefined || options.until * 1000 > Date.now();
    if (options.since !== undefined) queue.push(...history(options.since));
    if (live) listeners.add(listener);
    let ended = !live;
    const end = () => {
      ended = true;
      notify();
    };
    const deadline =
      options.until === undefined || !live ? undefined : setTimeout(end, options.until * 1000 - Date.now());
    options.signal.addEventListener("abort", end, { once: true });
    try {
      for (;;) {
        const message = queue.shift();
        if (message) {
          const tooLate = options.until !== undefined && (message.timeNano ?? 0) / 1e9 > options.until;
          if (!tooLate && matches(message, options.filters)) yield message;
          continue;
        }
        if (ended || options.signal.aborted) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      clearTimeout(deadline);
      listeners.delete(listener);
      options.signal.removeEventListener("abort", end);
    }
  }

  return { emit, flush, stream };
}

/** Docker's event filters: values of one key are alternatives, keys must all hold. */
export function matches(message: EventMessage, filters: Filters): boolean {
  const attributes = message.Actor?.Attributes ?? {};
  const id = message.Actor?.ID ?? "";
  const named = (value: string) => id === value || id.startsWith(value) || attributes.name === value;
  const tests: Record<string, (value: string) => boolean> = {
    type: (value) => message.Type === value,
    // `exec_create: sh` is found by `exec_create`, `health_status: healthy` by `health_status`.
    event: (value) => message.Action === value || message.Action?.startsWith(`${value}: `) === true,
    container: (value) => message.Type === "container" && named(value),
    image: (value) =>
      (message.Type === "image" && (named(value) || attributes.name?.split(":")[0] === value)) ||
      (message.Type === "container" && (attributes.image === value || attributes.image?.split(":")[0] === value)),
    volume: (value) => message.Type === "volume" && named(value),
    network: (value) => message.Type === "network" && named(value),
    daemon: (value) => message.Type === "daemon" && named(value),
    scope: (value) => message.scope === value,
    label: (value) => {
      const [key = "", wanted] = splitOnce(value, "=");
      return key in attributes && (wanted === undefined || attributes[key] === wanted);
    },
  };
  for (const [key, values] of filters) {
    const test = tests[key];
    if (test && values.length > 0 && !values.some(test)) return false;
  }
  return true;
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
