/** Runs a program to its end. Resolves with what it printed; rejects, with what it said, when it fails or takes too long. */
export async function call(argv: string[], options: { cwd?: string; limit?: number } = {}): Promise<string> {
  const { cwd, limit = 120_000 } = options;
  const child = Bun.spawn(argv, {
    cwd,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    // Debian keeps mke2fs where only root's PATH looks.
    env: {
      ...process.env,
      PATH: `${process.env.PATH}:/usr/sbin:/sbin`,
      LC_ALL: "C.UTF-8",
      DEBIAN_FRONTEND: "noninteractive",
    },
    timeout: limit,
    killSignal: "SIGKILL",
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (child.signalCode === "SIGKILL") throw new Error(`${argv.join(" ")}: killed after ${limit / 1000} s\n${stderr}`);
  if (code !== 0) throw new Error(`${argv.join(" ")}: exit code ${code}\n${stdout}${stderr}`);
  return stdout;
}
