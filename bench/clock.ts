/** Times programs as whoever types them waits: from before the spawn until the exit is seen. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Milliseconds. Longer, and it hangs. */
const limit = 60_000;

/**
 * Milliseconds that `argv` takes. Its output goes to /dev/null, so no reader takes part; what it says on standard error
 * goes to a file, and is in the error with which this rejects when it fails.
 */
export async function timed(argv: string[], env: Record<string, string | undefined>): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "gantry-bench-"));
  const stderr = openSync(join(folder, "stderr"), "w");
  try {
    const began = performance.now();
    const child = Bun.spawn(argv, { env, stdio: ["ignore", "ignore", stderr], timeout: limit, killSignal: "SIGKILL" });
    const code = await child.exited;
    const took = performance.now() - began;
    if (code !== 0) {
      const said = readFileSync(join(folder, "stderr"), "utf8").trim();
      throw new Error(`${argv.join(" ")}: ${child.signalCode ?? `exit code ${code}`}: ${said}`);
    }
    return took;
  } finally {
    closeSync(stderr);
    rmSync(folder, { recursive: true, force: true });
  }
}
