/** What the guest does when nothing else is asked for: a shell script. */
import { quoted } from "./command.ts";

export interface Wanted {
  /** Parts of test files' paths; none: the usual ones. */
  patterns: string[];
  /** A part of the usual ones. */
  quick: boolean;
  /** Part of the tests' names. */
  name: string | undefined;
  /** Whether dist/gantry is there. */
  built: boolean;
}

/**
 * Tests that touch what differs with Debian 13's kernel, its programs and cgroup v2. Those of pure functions would say
 * here what they say everywhere.
 */
const usual = ["test/vm/platform", "src/sys/", "src/runtime/", "src/network/", "src/storage/snapshots/", "src/doctor/"];

/** End-to-end tests: they need the executable. */
const endToEnd = ["test/hello-world", "test/confinement", "test/apparmor", "test/run", "test/crash"];

/** A part of both that says most in three minutes. */
const quick = ["test/vm/platform", "src/runtime/run", "src/runtime/confine"];
const quickEndToEnd = ["test/hello-world", "test/confinement", "test/apparmor"];

export function plan(wanted: Wanted): string {
  const { patterns, name, built } = wanted;
  const [parts, whole] = wanted.quick ? [quick, quickEndToEnd] : [usual, endToEnd];
  const tests = patterns.length > 0 ? patterns : [...parts, ...(built ? whole : [])];
  const named = name === undefined ? [] : ["-t", name];
  const lines = [`bun scripts/test.ts ${[...tests, ...named].map(quoted).join(" ")} || code=1`];
  // The machine check says by itself what it finds; its verdict counts.
  if (built && patterns.length === 0) lines.unshift("dist/gantry doctor --json || code=1");
  return ["code=0", ...lines, "exit $code"].join("\n");
}
