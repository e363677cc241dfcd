/** Programs that the tests use: installed ones, or those that `scripts/setup test` unpacked. */

import { describe, test } from "bun:test";
import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

const repository = resolve(import.meta.dir, "../..");
const unpacked = join(repository, ".cache/debian");

const folders = [
  ...(process.env.PATH ?? "").split(delimiter).filter(Boolean),
  "/usr/local/sbin",
  "/usr/sbin",
  "/sbin",
  join(unpacked, "usr/bin"),
  join(unpacked, "usr/sbin"),
];

/** A PATH that finds all of them. */
export const searchPath = folders.join(delimiter);

/** Where the unpacked packages' shared libraries are, as LD_LIBRARY_PATH; undefined when there are none. */
export function libraryPath(): string | undefined {
  const found = ["lib", "usr/lib"]
    .map((folder) => join(unpacked, folder))
    .filter(existsSync)
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((path) => path.endsWith("-linux-gnu"));
  return found.length > 0 ? found.join(delimiter) : undefined;
}

/** The program's path, or undefined. */
export function find(program: string): string | undefined {
  for (const folder of folders) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

/** The program's path. Throws when it is missing. */
export function program(name: string): string {
  const path = find(name);
  if (path === undefined) throw new Error(`${name} is not installed; scripts/setup test fetches it`);
  return path;
}

/** What a test needs of the machine: `root`, or the name of a program. */
export type Need = "root" | (string & {});

/** Why this machine cannot run tests with these needs, or undefined. */
export function lack(...needs: Need[]): string | undefined {
  for (const need of needs) {
    if (need === "root") {
      if (process.getuid?.() !== 0) return "needs root";
    } else if (find(need) === undefined) return `needs ${need}`;
  }
  return undefined;
}

/** bun's `test`, or one that skips and has the reason in the test's name: `const test = needing("root", "docker")`. */
export function needing(...needs: Need[]): typeof test {
  const reason = lack(...needs);
  if (reason === undefined) return test;
  const skipping = (name: string, ...rest: [() => void]): void => {
    test.skip(`${name} (skipped: ${reason})`, ...rest);
  };
  return Object.assign(skipping, test) as unknown as typeof test;
}

/** bun's `describe`, or one that holds a single skipped test with the reason: then nothing is set up for it either. */
export function describeNeeding(...needs: Need[]): (name: string, body: () => void) => void {
  const reason = lack(...needs);
  if (reason === undefined) return describe;
  return (name) => test.skip(`${name} (skipped: ${reason})`, () => {});
}
