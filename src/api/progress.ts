/** A pull's progress to a client of any speed. */
import type { ProgressMessage } from "../engine/engine.ts";
import type { Response } from "./http/response.ts";

export interface ProgressWriter {
  /** The first message starts the response. */
  write(message: ProgressMessage): void;
  /** Resolves when the rest was taken. */
  end(): Promise<void>;
}

/**
 * Messages cannot be refused, so a slow client gets fewer: while it is busy, of the numbers of one layer only the newest is
 * kept. What is kept then is bounded by the layers and their states.
 */
export function createProgressWriter(response: Response): ProgressWriter {
  const waiting = new Map<string | number, ProgressMessage>();
  let lines = 0;
  let blocked: Promise<void> | undefined;

  const send = (message: ProgressMessage) => {
    if (!response.started) response.stream(200, { "Content-Type": "application/json" });
    if (!response.write(`${JSON.stringify(message)}\r\n`)) blocked ??= response.drained().then(flush);
  };
  const flush = () => {
    blocked = undefined;
    for (const [key, message] of waiting) {
      if (blocked) return;
      waiting.delete(key);
      send(message);
    }
  };
  return {
    write(message) {
      if (!blocked) return send(message);
      const counts = message.id !== undefined && message.progressDetail?.current !== undefined;
      waiting.set(counts ? `${message.id} ${message.status}` : lines++, message);
    },
    async end() {
      while (blocked) await blocked;
      if (!response.started) response.stream(200, { "Content-Type": "application/json" });
      response.end();
    },
  };
}
