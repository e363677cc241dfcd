/** A program on a terminal of its own, driven as a person would: type, look, resize. */
import { cleanEnvironment } from "./run.ts";

export interface Pty {
  readonly pid: number;
  type(text: string): void;
  resize(rows: number, columns: number): void;
  /** Everything shown so far, control sequences included. */
  shown(): string;
  /** Resolves with what was shown, once it matches `pattern`. Rejects when the program ends, or after `limit` ms, first. */
  see(pattern: RegExp | string, limit?: number): Promise<string>;
  /** Sends the program a signal. */
  kill(signal: NodeJS.Signals): void;
  /** Exit code, once it ended and everything it wrote was taken. */
  readonly ended: Promise<number>;
}

export function pty(
  argv: string[],
  options: { rows?: number; columns?: number; env?: Record<string, string | undefined>; cwd?: string } = {},
): Pty {
  const { rows = 24, columns = 80, env = cleanEnvironment({ TERM: "xterm" }), cwd } = options;
  const decoder = new TextDecoder();
  let text = "";
  let over = false;
  const watchers = new Set<() => void>();
  const notify = (): void => {
    for (const watcher of [...watchers]) watcher();
  };
  const drained = Promise.withResolvers<void>();
  const child = Bun.spawn(argv, {
    env,
    cwd,
    terminal: {
      rows,
      cols: columns,
      data(_, chunk) {
        text += decoder.decode(chunk, { stream: true });
        notify();
      },
      exit() {
        drained.resolve();
      },
    },
  });
  const terminal = child.terminal!;
  // A child of the program can hold the terminal open: do not wait for it long.
  const ended = child.exited.then(async (code) => {
    await Promise.race([drained.promise, Bun.sleep(1000)]);
    over = true;
    notify();
    terminal.close();
    return code;
  });
  return {
    pid: child.pid,
    type: (input) => void terminal.write(input),
    resize: (newRows, newColumns) => terminal.resize(newColumns, newRows),
    shown: () => text,
    see(pattern, limit = 20_000) {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      const look = (): void => {
        const found = typeof pattern === "string" ? text.includes(pattern) : pattern.test(text);
        if (!found && !over) return;
        stop();
        if (found) resolve(text);
        else reject(new Error(`the program ended and never showed ${pattern}; it showed ${JSON.stringify(text)}`));
      };
      const timer = setTimeout(() => {
        stop();
        reject(new Error(`${pattern} did not show within ${limit} ms; shown: ${JSON.stringify(text)}`));
      }, limit);
      const stop = (): void => {
        clearTimeout(timer);
        watchers.delete(look);
      };
      watchers.add(look);
      look();
      return promise;
    },
    kill: (signal) => void child.kill(signal),
    ended,
  };
}
