/** A program that runs while the test talks to it over pipes. */
import { cleanEnvironment, type Result } from "./run.ts";

export interface Live {
  readonly pid: number;
  write(text: string | Uint8Array): void;
  /** The end of its standard input. */
  closeInput(): void;
  /** What it said so far. */
  stdout(): string;
  stderr(): string;
  /** Resolves once either stream matches. Rejects when the program ends, or after 20 s, first. */
  see(pattern: RegExp | string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<Result>;
}

export function live(argv: string[], options: { env?: Record<string, string | undefined> } = {}): Live {
  const { env = cleanEnvironment() } = options;
  const child = Bun.spawn(argv, { env, stdin: "pipe", stdout: "pipe", stderr: "pipe" });
  const texts = { stdout: "", stderr: "" };
  const watchers = new Set<() => void>();
  let over = false;
  const notify = (): void => {
    for (const watcher of [...watchers]) watcher();
  };
  async function take(stream: "stdout" | "stderr"): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of child[stream]) {
      texts[stream] += decoder.decode(chunk, { stream: true });
      notify();
    }
  }
  const ended = Promise.all([take("stdout"), take("stderr"), child.exited]).then(([, , code]) => {
    over = true;
    notify();
    return { code, ...texts };
  });
  return {
    pid: child.pid,
    write(text) {
      child.stdin.write(text);
      child.stdin.flush();
    },
    closeInput: () => void child.stdin.end(),
    stdout: () => texts.stdout,
    stderr: () => texts.stderr,
    see(pattern) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const found = (text: string) => (typeof pattern === "string" ? text.includes(pattern) : pattern.test(text));
      const stop = (): void => {
        clearTimeout(timer);
        watchers.delete(look);
      };
      const fail = (reason: string): void => {
        stop();
        reject(new Error(`${argv.join(" ")}: ${reason} ${pattern}; it said ${JSON.stringify(texts)}`));
      };
      const timer = setTimeout(() => fail("in 20 s nobody saw"), 20_000);
      const look = (): void => {
        if (found(texts.stdout) || found(texts.stderr)) {
          stop();
          resolve();
        } else if (over) fail("it ended without");
      };
      watchers.add(look);
      look();
      return promise;
    },
    kill: (signal) => void child.kill(signal),
    ended,
  };
}
