/** Processes that exist only in memory: enough of a shell's vocabulary to try the streams with. */
import type { Attachment, OutputListener, Stream } from "../../runtime/runtime.ts";

export interface FakeProcess {
  attachment: Attachment;
  exit: Promise<number>;
  kill(signal: number): void;
  /** Listeners on its output. */
  readonly listeners: number;
  /** Bytes that were written but that a paused listener has not taken. */
  readonly waiting: number;
  readonly stdinClosed: boolean;
}

interface Shell {
  write(stream: Stream, bytes: Uint8Array): Promise<void>;
  /** Undefined at the end of input. */
  read(): Promise<Uint8Array | undefined>;
  killed: Promise<number>;
}

const text = (value: string) => new TextEncoder().encode(value);

const commands: Record<string, (shell: Shell, args: string[]) => Promise<number>> = {
  async echo(shell, args) {
    await shell.write("stdout", text(`${args.join(" ")}\n`));
    return 0;
  },
  async both(shell) {
    await shell.write("stdout", text("out\n"));
    await shell.write("stderr", text("err\n"));
    return 0;
  },
  async cat(shell) {
    for (let input = await shell.read(); input !== undefined; input = await shell.read())
      await shell.write("stdout", input);
    return 0;
  },
  /** Reads everything, then says how much it was. */
  async count(shell) {
    let length = 0;
    for (let input = await shell.read(); input !== undefined; input = await shell.read()) length += input.length;
    await shell.write("stdout", text(`${length}\n`));
    return 0;
  },
  async flood(shell, [bytes = "0"]) {
    const chunk = new Uint8Array(32768).fill(120);
    for (let left = Number(bytes); left > 0; left -= chunk.length) {
      await shell.write("stdout", chunk.subarray(0, Math.min(left, chunk.length)));
    }
    return 0;
  },
  async exit(_, [code = "0"]) {
    return Number(code);
  },
  /** Until it is killed. */
  sleep: (shell) => shell.killed,
};

export function knowsCommand(name: string | undefined): boolean {
  return name !== undefined && Object.hasOwn(commands, name);
}

export function startProcess(
  command: string[],
  options: { terminal: boolean; stdinOnce: boolean; log?: (stream: Stream, bytes: Uint8Array) => void },
): FakeProcess {
  const listeners = new Set<{ listener: OutputListener; paused: boolean; ended: boolean }>();
  const input: Uint8Array[] = [];
  let inputEnded = false;
  let wakeReader: (() => void) | undefined;
  let wakeWriter: (() => void) | undefined;
  let waiting = 0;
  let ended = false;
  const killed = Promise.withResolvers<number>();

  const shell: Shell = {
    async write(stream, bytes) {
      const to = options.terminal ? "stdout" : stream;
      options.log?.(to, bytes);
      waiting = bytes.length;
      while ([...listeners].some((entry) => entry.paused)) {
        await new Promise<void>((resolve) => {
          wakeWriter = resolve;
        });
      }
      waiting = 0;
      // Reused memory, as a real attachment's: whoever keeps it sees garbage.
      const shared = Uint8Array.from(bytes);
      for (const entry of listeners) if (entry.listener.data(to, shared) === false) entry.paused = true;
      shared.fill(0);
      await Promise.resolve();
    },
    async read() {
      while (input.length === 0 && !inputEnded) {
        await new Promise<void>((resolve) => {
          wakeReader = resolve;
        });
      }
      return input.shift();
    },
    killed: killed.promise,
  };

  const attachment: Attachment = {
    listen(listener) {
      const entry = { listener, paused: false, ended: false };
      listeners.add(entry);
      if (ended) listener.end();
      return {
        resume() {
          entry.paused = false;
          wakeWriter?.();
        },
        remove() {
          listeners.delete(entry);
          wakeWriter?.();
        },
      };
    },
    async write(chunk) {
      if (inputEnded || ended) throw new Error("standard input is closed");
      input.push(Uint8Array.from(chunk));
      wakeReader?.();
    },
    closeStdin() {
      if (options.terminal || !options.stdinOnce) return;
      inputEnded = true;
      wakeReader?.();
    },
    get ended() {
      return ended;
    },
  };

  const run = commands[command[0] as string] as (shell: Shell, args: string[]) => Promise<number>;
  // Not before whoever waits for the attachment has it.
  const exit = Bun.sleep(3)
    .then(() => Promise.race([run(shell, command.slice(1)), killed.promise]))
    .then((code) => {
      ended = true;
      for (const { listener } of [...listeners]) listener.end();
      return code;
    });
  return {
    attachment,
    exit,
    kill: (signal) => killed.resolve(128 + signal),
    get listeners() {
      return listeners.size;
    },
    get waiting() {
      return waiting;
    },
    get stdinClosed() {
      return inputEnded;
    },
  };
}
