import { describe, expect, test } from "bun:test";
import { faults, importsOf, verdict } from "./import-rule.ts";

describe("importsOf", () => {
  test("finds each form", () => {
    const source = `/**
 * import { no } from "./comment.ts"
 */
import a from "./a.ts";
import * as b from "./b.ts";
import c, { d } from "./c.ts";
import type { E } from "./e.ts";
import { type F, type G } from "./f.ts";
import {
  type H,
  i,
} from "./h.ts";
import "./j.ts";
export * from "./k.ts";
export { l } from "./l.ts";
export type { M } from "./m.ts";
let n: typeof import("./n.ts");
const o = await import("./o.ts");
console.log(a, b, c, d, i, o, n);
`;
    const found = Object.fromEntries(importsOf(source).map(({ specifier, typeOnly }) => [specifier, typeOnly]));
    expect(found).toEqual({
      "./a.ts": false,
      "./b.ts": false,
      "./c.ts": false,
      "./e.ts": true,
      "./f.ts": true,
      "./h.ts": false,
      "./j.ts": false,
      "./k.ts": false,
      "./l.ts": false,
      "./m.ts": true,
      "./n.ts": true,
      "./o.ts": false,
    });
  });

  test("sees an import that is not at the start of a line", () => {
    expect(importsOf('const x = 1; import { a } from "./a.ts"; a(x);')).toEqual([
      { specifier: "./a.ts", typeOnly: false },
    ]);
  });
});

describe("verdict", () => {
  test.each([
    ["main", "daemon"],
    ["daemon", "engine"],
    ["daemon", "doctor"],
    ["api", "engine"],
    ["engine", "sys"],
    ["cli", "client"],
    ["cli", "sys"],
    ["client", "version"],
    ["network", "network"],
  ])("%s may import %s", (from, to) => expect(verdict(from, to, false)).toBeUndefined());

  test.each([
    ["sys", "runtime"],
    ["engine", "api"],
    ["registry", "storage"],
    ["daemon", "client"],
    ["client", "sys"],
    ["cli", "engine"],
    ["cli", "daemon"],
    ["engine", "utils"],
  ])("%s may not import %s", (from, to) => expect(verdict(from, to, false)).toBeString());

  test("types pass between rooms of one level and to the client, never up", () => {
    expect(verdict("registry", "storage", true)).toBeUndefined();
    expect(verdict("client", "engine", true)).toBeUndefined();
    expect(verdict("storage", "engine", true)).toBeString();
  });
});

describe("faults", () => {
  test.each([
    ["network/a.ts", 'import { dlopen } from "bun:ffi";', "bun:ffi"],
    ["network/a.test.ts", 'import { dlopen } from "bun:ffi";', "bun:ffi"],
    ["network/a.ts", 'Bun.spawn(["sh", "-c", "ls"]);', "shell"],
    ["network/a.ts", 'import { exec } from "node:child_process"; exec("ls");', "shell"],
    ["network/a.ts", 'import { $ } from "bun"; $`ls`;', "shell"],
    ["network/a.ts", 'spawn("ls", { shell: true });', "shell"],
    ["storage/a.ts", 'new Worker("./a.worker.ts");', "worker"],
    ["storage/a.ts", 'import { a } from "../../scripts/a.ts"; a();', "outside"],
    ["helpers/a.ts", "", "no room"],
    ["helpers.ts", "", "no room"],
  ])("%s: %s", (path, source, word) => expect(faults(path, source).join()).toContain(word));

  test.each([
    ["sys/a.ts", 'import { dlopen } from "bun:ffi"; dlopen("", {});'],
    ["network/a.test.ts", 'import { a } from "../api/a.ts"; a();'],
    ["storage/a.ts", 'new Worker(new URL("./unpack.worker.ts", import.meta.url));'],
    ["engine/a.ts", 'const shell = ["/bin/sh", "-c"]; use(shell);'],
    ["daemon/a.ts", 'import { version } from "../../package.json"; use(version);'],
  ])("%s: %s is allowed", (path, source) => expect(faults(path, source)).toEqual([]));
});
