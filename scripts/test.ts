/**
 * Runs the tests: each file in a process of its own (its namespaces, mounts and descriptors are its own then, and a
 * crash of one is the failure of one), two at a time.
 *
 *   bun scripts/test.ts [PATTERN …] [-t NAME]
 *
 * PATTERN is a part of a file's path; NAME a part (regular expression) of a test's name. The last line is
 * `N passed, N failed, N skipped`, alone. Exit 0 only when tests ran and none failed. What a file leaves behind on the
 * machine (processes, mounts, bridges, …) is removed, and is a failure of that file.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Glob } from "bun";
import { sweep } from "../test/harness/sweep.ts";
import { type Report, readReport } from "./junit.ts";

const root = resolve(import.meta.dir, "..");
const atOnce = 2;
/** ms; a test that needs more says so itself. Slow machines (an emulated one) set another. */
const testLimit = Number(process.env.GANTRY_TEST_LIMIT ?? 30_000);
const fileLimit = 10 * 60_000; // ms

interface Outcome extends Report {
  file: string;
  output: string;
  seconds: number;
}

function testFiles(patterns: string[]): string[] {
  const files = ["src", "test", "scripts", "bench"].flatMap((folder) => [
    ...new Glob(`${folder}/**/*.test.ts`).scanSync({ cwd: root }),
  ]);
  const wanted = patterns.map((pattern) => pattern.replace(/^\.\//, ""));
  return files.filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part))).sort();
}

/** Ends a file's process with everything it started: it leads a process group. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Gone by itself.
  }
}

const running = new Set<number>();

async function run(file: string, name: string | undefined, folder: string): Promise<Outcome> {
  const began = performance.now();
  const stem = join(folder, file.replaceAll("/", "."));
  const output = Bun.file(`${stem}.out`);
  const argv = [process.execPath, "test", `./${file}`, "--timeout", String(testLimit)];
  argv.push("--reporter=junit", `--reporter-outfile=${stem}.xml`);
  if (name !== undefined) argv.push("-t", name);
  // One file behind both: what they say stays in order.
  const child = Bun.spawn(argv, {
    cwd: root,
    stdin: "ignore",
    stdout: output,
    stderr: output,
    detached: true,
    env: { ...process.env, FORCE_COLOR: "0", GANTRY_EXECUTABLE: resolve(root, "dist/gantry") },
  });
  running.add(child.pid);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    killGroup(child.pid);
  }, fileLimit);
  await child.exited;
  clearTimeout(timer);
  killGroup(child.pid);
  running.delete(child.pid);
  const report = await readReport(`${stem}.xml`, name !== undefined);
  const troubles: string[] = [];
  if (late) troubles.push(`the file took more than ${fileLimit / 60_000} minutes and was killed`);
  else if (child.signalCode !== null) troubles.push(`the file's process was ended by ${child.signalCode}`);
  else if (report === undefined) troubles.push(`no test ran to its end in this file (exit code ${child.exitCode})`);
  else if (child.exitCode !== 0 && report.failed === 0 && report.passed > 0)
    troubles.push(`exit code ${child.exitCode} although no test failed`);
  for (const rest of await sweep(child.pid)) troubles.push(`left behind: ${rest}`);
  const found = report ?? { passed: 0, failed: 0, skipped: [] };
  return {
    file,
    passed: found.passed,
    failed: found.failed + (troubles.length > 0 ? 1 : 0),
    skipped: found.skipped,
    output: [await output.text(), ...troubles.map((trouble) => `error: ${trouble}\n`)].join(""),
    seconds: (performance.now() - began) / 1000,
  };
}

function show(outcome: Outcome): void {
  const { passed, failed, skipped } = outcome;
  const counts = `${passed} passed${failed > 0 ? `, ${failed} FAILED` : ""}`;
  console.log(`${failed > 0 ? "FAIL" : "ok  "} ${outcome.file}: ${counts} (${outcome.seconds.toFixed(1)} s)`);
  for (const test of skipped) console.log(`     skipped: ${test}`);
  if (failed > 0) console.log(outcome.output.replace(/^/gm, "     "));
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { "test-name-pattern": { type: "string", short: "t" } },
  });
  const waiting = testFiles(positionals);
  if (waiting.length === 0 && positionals.length > 0) console.log(`no test file matches ${positionals.join(" ")}`);
  const folder = mkdtempSync(join(tmpdir(), "gantry-tests-"));
  const interrupt = (): void => {
    for (const pid of running) killGroup(pid);
    rmSync(folder, { recursive: true, force: true });
    process.exit(130);
  };
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  const total = { passed: 0, failed: 0, skipped: 0 };
  const lane = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const outcome = await run(file, values["test-name-pattern"], folder);
      show(outcome);
      total.passed += outcome.passed;
      total.failed += outcome.failed;
      total.skipped += outcome.skipped.length;
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, lane));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed === 0 && total.passed > 0 ? 0 : 1;
}

process.exitCode = await main();
