/** `docker logs`: from the file that the supervisor writes, whether the server was there or not. */
import { readLogs } from "../../runtime/logs/read.ts";
import type { LogOptions, LogRecord } from "../engine.ts";
import { EngineError } from "../errors.ts";
import { type Container, isRunning } from "./container.ts";
import type { Parts } from "./containers.ts";
import { logPath } from "./inspect.ts";

/** Throws 500 with Docker's text when the container keeps no log. */
export function containerLogs(
  parts: Parts,
  container: Container,
  options: LogOptions,
): { terminal: boolean; records: AsyncIterable<LogRecord> } {
  const path = logPath(parts, container.record);
  if (path === "") throw new EngineError("not-implemented", "configured logging driver does not support reading");
  return { terminal: container.record.config.Tty ?? false, records: read(container, path, options) };
}

async function* read(container: Container, path: string, options: LogOptions): AsyncGenerator<LogRecord> {
  const follow = options.follow && isRunning(container);
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  if (follow) container.exits.add(end);
  try {
    const { tail, since, until, signal } = options;
    const following = { ...(follow ? { follow: ended } : {}), ...(signal ? { signal } : {}) };
    for await (const record of readLogs(path, { tail, since, until, ...following })) {
      if (record.stream === "stdout" ? options.stdout : options.stderr) yield record;
    }
  } finally {
    container.exits.delete(end);
  }
}
