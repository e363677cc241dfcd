/** Ties our standard streams to a container's: bytes both ways, the terminal raw meanwhile, its size followed. */
import { type Connection, frameDecoder } from "../../client/client.ts";
import { CliError } from "../errors.ts";
import { writeBytes } from "../output.ts";
import { isTerminal } from "./descriptors.ts";
import { defaultDetachKeys, parseDetachKeys, watchKeys } from "./escape.ts";

export interface StreamOptions {
  connection: Connection;
  /** The container has a terminal: its output is plain, its keys are watched for the sequence that detaches. */
  terminal: boolean;
  /** Send our standard input. */
  stdin: boolean;
  detachKeys: string;
}

/** Ends when the output does, or the user detached. Throws when the stream carries an error of the server. */
export async function pumpStreams(options: StreamOptions): Promise<"ended" | "detached"> {
  const { connection, terminal, stdin, detachKeys } = options;
  const restore = terminal && stdin && isTerminal(0) ? await rawTerminal() : undefined;
  let detached = false;
  try {
    let stopInput = () => {};
    if (stdin) {
      const keys = parseDetachKeys(detachKeys || defaultDetachKeys);
      stopInput = pumpInput(connection, terminal ? keys : undefined, () => {
        detached = true;
        connection.close();
      });
    } else connection.closeWrite();
    try {
      await pumpOutput(connection, terminal);
    } catch (error) {
      if (!detached) throw error;
    } finally {
      stopInput();
    }
    return detached ? "detached" : "ended";
  } finally {
    restore?.();
  }
}

async function pumpOutput(connection: Connection, terminal: boolean): Promise<void> {
  const decode = frameDecoder();
  for (let bytes = await connection.read(); bytes !== undefined; bytes = await connection.read()) {
    if (terminal) {
      await writeBytes(1, bytes);
      continue;
    }
    for (const { stream, data } of decode(bytes)) {
      if (stream === "systemerr") throw new Error(`error from daemon in stream: ${new TextDecoder().decode(data)}`);
      await writeBytes(stream === "stdout" ? 1 : 2, data);
    }
  }
}

/** Sends standard input until it ends; returns what stops that. */
function pumpInput(connection: Connection, keys: readonly number[] | undefined, detach: () => void): () => void {
  const reader = Bun.stdin.stream().getReader();
  const watch = keys === undefined ? undefined : watchKeys(keys);
  const pump = async () => {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const { send, detach: complete } = watch === undefined ? { send: value, detach: false } : watch(value);
      if (send.length > 0) await connection.write(send);
      if (complete) return detach();
    }
    connection.closeWrite();
  };
  // A container that reads no more, or ended, does not mind; one that cannot be reached shows on the output's side.
  pump().catch(() => {});
  return () => {
    reader.cancel().catch(() => {});
  };
}

/** Makes our terminal raw. It is put back whatever ends the process, short of SIGKILL. */
async function rawTerminal(): Promise<() => void> {
  const { makeRaw } = await import("../../sys/terminal.ts");
  const restore = makeRaw(0);
  process.on("exit", restore);
  const end = (number: number) => () => process.exit(128 + number);
  const hangup = end(1);
  const terminate = end(15);
  process.on("SIGHUP", hangup);
  process.on("SIGTERM", terminate);
  return () => {
    restore();
    process.off("exit", restore);
    process.off("SIGHUP", hangup);
    process.off("SIGTERM", terminate);
  };
}

export type Resize = (size: { rows: number; columns: number }) => Promise<void>;

/** Gives the container's terminal our size, now and whenever it changes. Returns what stops that. */
export async function followSize(resize: Resize): Promise<() => void> {
  if (!isTerminal(1)) return () => {};
  const { windowSize } = await import("../../sys/terminal.ts");
  let sending = false;
  let changed = false;
  // One at a time, and the newest last: requests on connections of their own overtake each other.
  const send = async () => {
    changed = true;
    if (sending) return;
    sending = true;
    while (changed) {
      changed = false;
      const size = windowSize(1);
      // A container that is not there yet, or no more, has no terminal to size.
      if (size !== undefined && size.rows > 0 && size.columns > 0) await resize(size).catch(() => {});
    }
    sending = false;
  };
  process.on("SIGWINCH", send);
  void send();
  return () => process.off("SIGWINCH", send);
}

/** Our terminal's size, or undefined when standard output is none. */
export async function ownSize(): Promise<{ rows: number; columns: number } | undefined> {
  if (!isTerminal(1)) return undefined;
  const { windowSize } = await import("../../sys/terminal.ts");
  return windowSize(1);
}

/** Docker's refusal when a terminal is asked for and our input is none. Throws with its text. */
export function checkTerminal(stdin: boolean, terminal: boolean): void {
  if (stdin && terminal && !isTerminal(0)) {
    throw new CliError("the input device is not a TTY", { final: true });
  }
}
