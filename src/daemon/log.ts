/** The server's log: one line an event on standard error, in logfmt, as dockerd writes it. */
import { writeSync } from "node:fs";
import type { DaemonOptions } from "./options.ts";

export type Level = "debug" | "info" | "warn" | "error";
export type Log = (level: Level, message: string) => void;

const order = ["debug", "info", "warn", "error", "fatal"];

export function createLog(lowest: DaemonOptions["logLevel"]): Log {
  const from = order.indexOf(lowest);
  return (level, message) => {
    if (order.indexOf(level) < from) return;
    const line = `time=${JSON.stringify(new Date().toISOString())} level=${level} msg=${JSON.stringify(message)}\n`;
    try {
      writeSync(2, line);
    } catch {
      // Nobody reads it: that is no reason to end.
    }
  };
}
