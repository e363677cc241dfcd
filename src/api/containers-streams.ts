/** Attach, logs and wait: the container's endpoints whose answers take as long as the container does. */
import type { LogRecord, WaitCondition, WaitResult } from "../engine/engine.ts";
import type { Stream } from "../runtime/runtime.ts";
import { parseDetachKeys } from "./detach-keys.ts";
import { badRequest, messageOf } from "./http/errors.ts";
import { frame, multiplexedStream, rawStream } from "./http/framing.ts";
import { booleanOf } from "./http/query.ts";
import { writeRecords } from "./http/record-stream.ts";
import type { Call } from "./http/router.ts";
import { follow, unlessAborted } from "./http/signals.ts";
import { runSession } from "./session.ts";
import { parseTimestamp } from "./timestamps.ts";

function contentType(multiplexed: boolean, version: number): string {
  return multiplexed && version >= 42 ? multiplexedStream : rawStream;
}

/** POST /containers/{name}/attach */
export async function attach(call: Call): Promise<void> {
  const { exchange, query, stopping } = call;
  const detachKeys = parseDetachKeys(query.get("detachKeys") ?? undefined);
  const wanted = { stdout: booleanOf(query, "stdout"), stderr: booleanOf(query, "stderr") };
  const session = call.engine.containers.attach(call.path.name as string);
  await exchange.body.drain(call.limits.bodyBytes);

  const multiplexed = !session.terminal;
  const upgrade = exchange.head.headers.has("upgrade");
  const client = exchange.response.hijack(upgrade, upgrade ? contentType(multiplexed, call.version) : rawStream);
  // A client may end its input and still read: only its death, or the server's end, ends the wait for the process.
  const ends = follow(stopping, client.closed);
  try {
    if (booleanOf(query, "logs")) {
      for await (const record of session.history()) {
        if (client.gone) return;
        if (!wanted[record.stream]) continue;
        if (!client.write(multiplexed ? frame(record.stream, record.data) : Buffer.from(record.data)))
          await client.drained();
      }
    }
    if (!booleanOf(query, "stream") || client.gone) return;
    const attachment = await session.attachment(ends.signal);
    const outcome = await runSession(client, attachment, {
      ...wanted,
      multiplexed,
      stdin: booleanOf(query, "stdin") && session.openStdin,
      closesStdin: session.stdinOnce !== false && !session.terminal,
      ...(session.terminal ? { detachKeys } : {}),
      signal: ends.signal,
    });
    if (outcome === "detached") session.detached?.();
  } catch (error) {
    if (!ends.signal.aborted) call.log.debug(`attach to ${call.path.name}: ${messageOf(error)}`);
  } finally {
    ends.release();
    client.end();
  }
}

/** GET /containers/{name}/logs */
export async function logs(call: Call): Promise<void> {
  const { query, exchange } = call;
  const stdout = booleanOf(query, "stdout");
  const stderr = booleanOf(query, "stderr");
  if (!stdout && !stderr) throw badRequest("Bad parameters: you must choose at least one stream");
  const since = parseTimestamp("since", query.get("since")) ?? 0;
  const until = (call.version >= 35 ? parseTimestamp("until", query.get("until")) : undefined) ?? 0;
  const ends = follow(exchange.signal, call.stopping);
  try {
    const { terminal, records } = call.engine.containers.logs(call.path.name as string, {
      stdout,
      stderr,
      since,
      until,
      follow: booleanOf(query, "follow"),
      tail: tailOf(query.get("tail")),
      signal: ends.signal,
    });
    const toLine = logFormatter(booleanOf(query, "timestamps"), booleanOf(query, "details"));
    const format = (record: LogRecord) => {
      const parts = toLine(record);
      return terminal ? Buffer.concat(parts) : frame(record.stream, ...parts);
    };
    exchange.response.stream(200, { "Content-Type": contentType(!terminal, call.version) });
    try {
      await writeRecords(exchange.response, records, format, ends.signal);
    } catch (error) {
      const text = Buffer.from(`Error grabbing logs: ${messageOf(error)}\n`);
      exchange.response.write(terminal ? text : frame("systemerr", text));
    }
    exchange.response.end();
  } finally {
    ends.release();
  }
}

/** Docker takes what is no number, or negative, as all. */
function tailOf(value: string | null): number {
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : -1;
}

/** Time and details stand once before a line, however many records it came in. */
function logFormatter(timestamps: boolean, details: boolean): (record: LogRecord) => Uint8Array[] {
  const within: Record<Stream, boolean> = { stdout: false, stderr: false };
  return ({ stream, time, data, partial }) => {
    const begins = !within[stream];
    within[stream] = partial;
    if (!begins || (!timestamps && !details)) return [data];
    // Details are a log driver's attributes, of which none exist: Docker then leaves the space that ends them.
    return [Buffer.from(`${timestamps ? `${time} ` : ""}${details ? " " : ""}`), data];
  };
}

const conditions: ReadonlySet<string> = new Set<WaitCondition>(["not-running", "next-exit", "removed"]);

/** POST /containers/{name}/wait */
export async function wait(call: Call): Promise<void> {
  const { response, signal } = call.exchange;
  // Before 1.30 there were no conditions, and headers came with the result.
  const condition = (call.version >= 30 && call.query.get("condition")) || "not-running";
  if (!conditions.has(condition)) throw badRequest(`invalid condition: ${JSON.stringify(condition)}`);
  const { result } = call.engine.containers.wait(call.path.name as string, condition as WaitCondition);
  if (call.version >= 30) response.stream(200, { "Content-Type": "application/json" });

  const outcome = await unlessAborted(
    result.catch((error: unknown): WaitResult => ({ StatusCode: -1, Error: { Message: messageOf(error) } })),
    signal,
    call.stopping,
  );
  if (outcome === undefined) return response.abort();
  if (!response.started) return response.json(200, outcome);
  // Before 1.34 an answer without body was the one way to tell that the removal failed.
  const silent = call.version < 34 && condition === "removed" && outcome.Error;
  if (!silent) response.write(`${JSON.stringify(outcome)}\n`);
  response.end();
}
