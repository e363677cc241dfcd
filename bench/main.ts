/**
 * Measures Gantry beside Debian's dockerd on this machine.
 *
 *   bun bench/main.ts [ROW …] [--rounds N] [--json]
 *
 * ROW is a row's name or its beginning (`exec` is exec-stock and exec-ours); without any, all are measured and
 * docs/performance.md is written. Takes root, dist/gantry, and what `scripts/setup test` fetches.
 */
import { resolve } from "node:path";

// What the harness takes from the environment when it is loaded: the executable, as its users run it, and a place for
// the servers' roots that is not in memory.
process.env.GANTRY_EXECUTABLE ??= resolve(import.meta.dir, "../dist/gantry");
process.env.GANTRY_TEST_ROOT ??= "/var/tmp";

const { main } = await import("./bench.ts");
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`bench: ${(error as Error).message}`);
  process.exitCode = 1;
}
