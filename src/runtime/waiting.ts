/**
 * Supervisors that wait: a conmon and its crun for a container that does not exist yet, started when nobody waits for them,
 * under an ID that the next container gets. crun waits at the FIFO that stands for its config.json, in its control group.
 * Saves the start of both programs. Only for the usual kind: no terminal, no input, with a log.
 */
import type { Begun } from "./conmon/supervise.ts";

export interface WaitingOptions {
  count: number;
  newId(): string;
  /** Makes what must be there for conmon to open its log; returns its path. */
  openLog(id: string): string;
  /** Takes it away again. */
  dropLog(id: string): void;
  log(message: string): void;
}

export interface Pair {
  begun: Begun;
  logPath: string;
}

export interface Waiting {
  /** The ID of a pair, for a container that will be created soon. Given back by itself when it is not. */
  take(): string | undefined;
  /** The pair of a taken ID, once; undefined when there is none (any more). What was being removed is gone then. */
  claim(id: string): Promise<Pair | undefined>;
  /** Ends all that wait. */
  close(): Promise<void>;
}

interface Parts {
  begin(id: string, logPath: string): Begun;
  /** Ends and removes everything of the ID. */
  remove(id: string, begun: Begun): Promise<void>;
}

/** Milliseconds: after the last take until more are made; and until a taken one is given up. */
const [quiet, patience] = [60, 3000];

export function keepWaiting(parts: Parts, options: WaitingOptions): Waiting {
  const ready = new Map<string, Pair>();
  const taken = new Map<string, { pair: Pair; timer: Timer }>();
  const removals = new Map<string, Promise<void>>();
  let timer: Timer | undefined;
  let closed = false;

  function later(): void {
    clearTimeout(timer);
    // Not while containers follow each other: their start is what this is for.
    timer = setTimeout(fill, quiet);
    timer.unref();
  }

  function fill(): void {
    if (closed || ready.size >= options.count) return;
    const id = options.newId();
    try {
      const logPath = options.openLog(id);
      ready.set(id, { begun: parts.begin(id, logPath), logPath });
    } catch (error) {
      // Containers are started without; the next one says what is wrong.
      options.log(`no supervisor could be made ready: ${(error as Error).message}`);
      options.dropLog(id);
      return;
    }
    if (ready.size < options.count) later();
  }

  function discard(id: string, pair: Pair): Promise<void> {
    const removal = parts
      .remove(id, pair.begun)
      .catch((error: Error) => options.log(`a supervisor that waited could not be removed: ${error.message}`))
      .then(() => {
        options.dropLog(id);
        removals.delete(id);
      });
    removals.set(id, removal);
    return removal;
  }

  later();
  return {
    take() {
      if (closed) return undefined;
      later();
      const [first] = ready;
      if (first === undefined) return undefined;
      const [id, pair] = first;
      ready.delete(id);
      const giveUp = setTimeout(() => {
        taken.delete(id);
        void discard(id, pair);
      }, patience);
      giveUp.unref();
      taken.set(id, { pair, timer: giveUp });
      return id;
    },
    async claim(id) {
      await removals.get(id);
      const entry = taken.get(id);
      if (entry === undefined) return undefined;
      clearTimeout(entry.timer);
      taken.delete(id);
      return entry.pair;
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      const pairs = [...ready, ...[...taken].map(([id, { pair }]): [string, Pair] => [id, pair])];
      for (const { timer: giveUp } of taken.values()) clearTimeout(giveUp);
      ready.clear();
      taken.clear();
      await Promise.all([...pairs.map(([id, pair]) => discard(id, pair)), ...removals.values()]);
    },
  };
}
