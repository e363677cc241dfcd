/**
 * The import rule: rooms of src/ import downwards only (docs/architecture.md draws the house).
 *
 *   bun scripts/import-rule.ts      prints what breaks it, exit 1 when anything does
 *
 * - An import goes to a lower level, or stays in its room. Rooms on one level may import each other's types only.
 * - src/client/ is imported by the CLI alone, and takes only types from the rest of the house.
 * - src/cli/ speaks the Engine API only: of the rooms below it takes client, sys, the machine check and the
 *   grammar of image references.
 * - bun:ffi is imported in src/sys/ alone, tests included.
 * - No shell is started: not `$` of Bun, not exec of node:child_process, not `shell: true`, not `sh` in a spawn.
 * - A worker is started in the one form that the build can embed (scripts/build.ts).
 *
 * Tests (`*.test.ts`, `suite.ts`, what is in a folder `testing` or `lab`) may import from everywhere, but for bun:ffi.
 */
import { dirname, join, relative, resolve } from "node:path";
import { Glob } from "bun";

/** Rooms, the highest first; those in one list are on one level. main.ts and version.ts stand in src/ itself. */
const levels: string[][] = [
  ["main"],
  ["daemon", "cli"],
  ["api", "doctor"],
  ["engine", "client"],
  ["registry", "hub", "storage", "runtime", "network", "machine"],
  ["sys"],
  ["version"],
];

/** What the CLI may take besides types. */
const ofCli = new Set(["cli", "client", "sys", "doctor", "version"]);
/** The grammar of image names is the same for those who type them and those who pull them. */
const grammar = "registry/reference/";

export interface Import {
  specifier: string;
  /** Only types come from it: nothing is left of it when the program runs. */
  typeOnly: boolean;
}

const staticImport =
  /^(?:import|export)\s+(type\s+)?(?:([\w$*\s]+|[\w$\s,]*\{[^}]*\}|[\w$]+\s*,\s*\*\s*as\s+[\w$]+)\s+from\s+)?["']([^"']+)["']/gm;
const dynamicImport = /(typeof\s+)?\bimport\(\s*["'`]([^"'`]+)["'`]\s*\)(\.[A-Z])?/g;

const transpiler = new Bun.Transpiler({ loader: "ts" });

/** The imports of a source file, static and dynamic. */
export function importsOf(source: string): Import[] {
  const found: Import[] = [];
  for (const [, type, names = "", specifier = ""] of source.matchAll(staticImport)) {
    const listed = /^\s*\{([^}]*)\}\s*$/.exec(names)?.[1]?.split(",") ?? [];
    const words = listed.map((word) => word.trim()).filter(Boolean);
    const allTypes = words.length > 0 && words.every((word) => word.startsWith("type "));
    found.push({ specifier, typeOnly: type !== undefined || allTypes });
  }
  for (const [, type, specifier = ""] of source.matchAll(dynamicImport)) {
    found.push({ specifier, typeOnly: type !== undefined });
  }
  // The parser's own view: what a pattern above misses is not missed here (it does not see types).
  for (const { path, kind } of transpiler.scanImports(source)) {
    if (kind === "internal" || found.some(({ specifier, typeOnly }) => specifier === path && !typeOnly)) continue;
    found.push({ specifier: path, typeOnly: false });
  }
  return found;
}

/** The room of a path relative to src/. */
function roomOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : path.replace(/\.ts$/, "");
}

function levelOf(room: string): number {
  return levels.findIndex((rooms) => rooms.includes(room));
}

/** Why a file in room `from` may not import from room `to`; undefined when it may. */
export function verdict(from: string, to: string, typeOnly: boolean): string | undefined {
  if (from === to) return undefined;
  if (levelOf(to) === -1) return `${to} is no room of the house`;
  if (to === "version") return undefined;
  if (from === "client") return typeOnly ? undefined : "client takes only types from the house";
  if (to === "client") return from === "cli" ? undefined : "only cli imports client";
  if (from === "cli" && !typeOnly && !ofCli.has(to)) return "cli speaks the Engine API only";
  if (levelOf(from) < levelOf(to)) return undefined;
  if (levelOf(from) > levelOf(to)) return `${from} is below ${to}`;
  return typeOnly ? undefined : `${from} and ${to} are on one level: types only`;
}

const shells: [pattern: RegExp, fault: string][] = [
  [/\bBun\.\$|\bimport\s*\{[^}]*\$[^}]*\}\s*from\s*["']bun["']/, "Bun's shell is used"],
  [/\bimport\s*\{[^}]*\bexec(Sync)?\b[^}]*\}\s*from\s*["'](node:)?child_process["']/, "exec starts a shell"],
  [/\bshell:\s*true\b/, "a shell is started"],
  [/\bspawn(Sync)?\(\s*\[?\s*["'`](\/usr)?(\/bin\/)?(ba|da)?sh["'`]/, "a shell is started"],
];

const workerForm = /new Worker\(\s*new URL\(\s*"\.{1,2}\/(?:[^"]*[./])?worker\.ts"\s*,\s*import\.meta\.url,?\s*\)/;

/** What breaks the rule in a file; `path` is relative to src/. */
export function faults(path: string, source: string): string[] {
  const test = path.endsWith(".test.ts") || /(^|\/)(suite\.ts$|testing\/|lab\/)/.test(path);
  const from = roomOf(path);
  const found: string[] = [];
  if (levelOf(from) === -1) found.push(`${from} is no room of the house (scripts/import-rule.ts lists them)`);
  for (const { specifier, typeOnly } of importsOf(source)) {
    if (specifier === "bun:ffi" && from !== "sys") found.push("bun:ffi is for src/sys/ alone");
    if (test || !specifier.startsWith(".")) continue;
    const target = join(dirname(path), specifier);
    if (target.startsWith("..")) {
      if (!target.endsWith("package.json")) found.push(`${specifier} lies outside src/`);
      continue;
    }
    if (from === "cli" && target.startsWith(grammar)) continue;
    const reason = verdict(from, roomOf(target), typeOnly);
    if (reason !== undefined) found.push(`${typeOnly ? "type " : ""}import of ${specifier}: ${reason}`);
  }
  if (test) return found;
  for (const [pattern, fault] of shells) if (pattern.test(source)) found.push(fault);
  const workers = source.match(/\bnew Worker\(/g)?.length ?? 0;
  const embeddable = source.match(new RegExp(workerForm, "g"))?.length ?? 0;
  if (workers !== embeddable) {
    found.push(
      'a worker is not started as new Worker(new URL("./NAME.worker.ts", import.meta.url)): it would be missing',
    );
  }
  return found;
}

if (import.meta.main) {
  const src = resolve(import.meta.dir, "../src");
  let count = 0;
  for (const path of [...new Glob("**/*.ts").scanSync({ cwd: src })].sort()) {
    for (const fault of faults(path, await Bun.file(join(src, path)).text())) {
      console.error(`${relative(process.cwd(), join(src, path))}: ${fault}`);
      count++;
    }
  }
  process.exitCode = count > 0 ? 1 : 0;
}
