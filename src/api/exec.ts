/** Further processes in a running container: /containers/{name}/exec and /exec/{id}. */
import type { ExecConfig } from "@docker/node-sdk";
import { EngineError } from "../engine/errors.ts";
import { defaultDetachKeys, parseDetachKeys } from "./detach-keys.ts";
import { badRequest, messageOf } from "./http/errors.ts";
import { frame, multiplexedStream, rawStream } from "./http/framing.ts";
import { readJson } from "./http/json.ts";
import { dimensionOf } from "./http/query.ts";
import type { Call, Route } from "./http/router.ts";
import { boolean, integer, list, record, text, words } from "./http/shape.ts";
import { follow } from "./http/signals.ts";
import { runSession } from "./session.ts";

const consoleSize = list(integer(0, 0xffffffff));

const execConfig = record({
  AttachStdin: boolean,
  AttachStdout: boolean,
  AttachStderr: boolean,
  ConsoleSize: consoleSize,
  DetachKeys: text,
  Tty: boolean,
  Env: list(text),
  Cmd: words,
  Privileged: boolean,
  User: text,
  WorkingDir: text,
});

const execStart = record({ Detach: boolean, Tty: boolean, ConsoleSize: consoleSize });

/** POST /containers/{name}/exec */
async function create(call: Call): Promise<void> {
  const config = execConfig((await readJson(call)) ?? {}, "") as ExecConfig;
  if (!config.Cmd?.length) throw badRequest("No exec command specified");
  parseDetachKeys(config.DetachKeys);
  if (call.version < 42) delete config.ConsoleSize;
  else sizeOf(config.ConsoleSize);
  call.exchange.response.json(201, { Id: await call.engine.execs.create(call.path.name as string, config) });
}

function sizeOf(size: unknown): { rows: number; columns: number } | undefined {
  if (!Array.isArray(size) || size.length === 0) return undefined;
  if (size.length !== 2)
    throw badRequest(`invalid JSON: ConsoleSize: expected rows and columns, got ${JSON.stringify(size)}`);
  return { rows: size[0], columns: size[1] };
}

/** POST /exec/{id}/start */
async function start(call: Call): Promise<void> {
  const { exchange, engine, stopping } = call;
  const execId = call.path.id as string;
  const options = execStart((await readJson(call)) ?? {}, "") as {
    Detach?: boolean;
    Tty?: boolean;
    ConsoleSize?: number[];
  };
  const tty = options.Tty === true;
  const size = tty && call.version >= 42 ? sizeOf(options.ConsoleSize) : undefined;
  if (options.Detach) {
    await engine.execs.start(execId, { detach: true, tty, size });
    return exchange.response.empty(200);
  }

  const upgrade = exchange.head.headers.has("upgrade");
  const type = upgrade && !tty && call.version >= 42 ? multiplexedStream : rawStream;
  const starting = engine.execs.start(execId, { detach: false, tty, size });
  // The head leaves before the process can have said anything: clients (docker-py) lose output that comes with it. What the
  // engine refuses, it refuses at once, so one turn tells.
  const refusal = await Promise.race([starting.then(nothing, (error: unknown) => error), nextTurn()]);
  if (refusal instanceof EngineError && (refusal.kind === "not-found" || refusal.kind === "conflict")) throw refusal;
  const client = exchange.response.hijack(upgrade, type);
  let started: Awaited<typeof starting>;
  try {
    started = await starting;
  } catch (error) {
    // As in Docker: the client finds the text among the output, and the exit code by inspection.
    const message = Buffer.from(`${messageOf(error)}\r\n`);
    client.write(tty ? message : frame("stdout", message));
    return client.end();
  }
  if (!started) return client.end();
  const { openStdin, terminal, attachment, exited } = started;
  const config = engine.execs.inspect(execId);
  const ends = follow(stopping, client.closed);
  try {
    await runSession(client, attachment, {
      multiplexed: !tty,
      stdin: openStdin,
      stdout: config.OpenStdout !== false,
      stderr: config.OpenStderr !== false,
      closesStdin: !terminal,
      ...(terminal ? { detachKeys: knownKeys(config.DetachKeys) } : {}),
      signal: ends.signal,
    });
    // Clients ask for the exit code the moment the stream ends: it must be there then.
    if (attachment.ended && !ends.signal.aborted) await Promise.race([exited, aborted(ends.signal)]);
  } finally {
    ends.release();
    client.end();
  }
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
const nothing = () => undefined;
const nextTurn = () => new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined)));

/** They were checked when the exec was created; an engine that shows them in another form gets the default ones. */
function knownKeys(keys: string | undefined): Uint8Array {
  try {
    return parseDetachKeys(keys);
  } catch {
    return defaultDetachKeys;
  }
}

export const execRoutes: Route[] = [
  { method: "POST", pattern: "/containers/{name}/exec", handler: create },
  { method: "POST", pattern: "/exec/{id}/start", handler: start },
  {
    method: "GET",
    pattern: "/exec/{id}/json",
    handler: (call) => call.exchange.response.json(200, call.engine.execs.inspect(call.path.id as string)),
  },
  {
    method: "POST",
    pattern: "/exec/{id}/resize",
    async handler(call) {
      await call.engine.execs.resize(
        call.path.id as string,
        dimensionOf(call.query, "h"),
        dimensionOf(call.query, "w"),
      );
      call.exchange.response.empty(200);
    },
  },
];
