/** The server's log: one line an event on standard error, in logfmt, as dockerd writes it. */
import { writeSync } from "node:fs";
import type { Log } from "../api/server.ts";
import type { DaemonOptions } from "./options.ts";

const order = ["debug", "info", "warn", "error", "fatal"] as const;
type Level = (typeof order)[number];

export function createLog(lowest: DaemonOptions["logLevel"]): Log {
  const from = order.indexOf(lowest);
  const write = (level: Level) => (message: string) => {
    if (order.indexOf(level) < from) return;
    const line = `time=${JSON.stringify(new Date().toISOString())} level=${level} msg=${JSON.stringify(message)}\n`;
    try {
      writeSync(2, line);
    } catch {
      // Nobody reads it: that is no reason to end.
    }
  };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}
