/** Runs a program to its end and collects what it says. */

export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** What it reads; default nothing (/dev/null). */
  stdin?: string | Uint8Array;
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** ms; then it is killed and the call rejects. Default 60 s. */
  limit?: number;
}

/** The environment without what would lead a client to another server. */
export function cleanEnvironment(extra: Record<string, string | undefined> = {}): Record<string, string | undefined> {
  const kept = Object.entries(process.env).filter(([name]) => !/^(DOCKER|GANTRY)_/.test(name));
  return { ...Object.fromEntries(kept), ...extra };
}

export async function run(argv: string[], options: RunOptions = {}): Promise<Result> {
  const { stdin, env = cleanEnvironment(), cwd, limit = 60_000 } = options;
  const child = Bun.spawn(argv, {
    env,
    cwd,
    stdin: stdin === undefined ? "ignore" : typeof stdin === "string" ? Buffer.from(stdin) : stdin,
    stdout: "pipe",
    stderr: "pipe",
    timeout: limit,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (child.signalCode === "SIGKILL") {
    throw new Error(`${argv.join(" ")}: killed after ${limit} ms\n${stdout}${stderr}`);
  }
  return { code, stdout, stderr };
}
