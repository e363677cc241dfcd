import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openRoot } from "../../sys/rooted.ts";
import { seeded } from "../layers/tar/example.ts";
import { copyTree } from "./copy.ts";
import { describeTree, makeRandomTree } from "./example.ts";

let folder: string;
const path = (...names: string[]) => join(folder, ...names);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-copy-"));
  for (const name of ["tree", "tree/data", "target"]) mkdirSync(path(name));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function copy(inside: string): Promise<void> {
  const root = openRoot(path("tree"));
  try {
    await copyTree(root, inside, path("target"));
  } finally {
    root.close();
  }
}

test.each(Array.from({ length: 10 }, (_, i) => i))("random tree %i is the same in the copy", async (seed) => {
  makeRandomTree(path("tree/data"), seeded(seed), 80);
  const before = await describeTree(path("tree/data"));
  await copy("/data");
  expect(await describeTree(path("target"))).toEqual(before);
});

test("large files and holes", async () => {
  writeFileSync(path("tree/data/large"), Buffer.alloc((3 << 20) + 17, "abcdefg"));
  const holes = Bun.spawnSync(["truncate", "-s", "50M", path("tree/data/holes")]);
  expect(holes.exitCode).toBe(0);
  const before = await describeTree(path("tree/data"));
  await copy("data");
  expect(await describeTree(path("target"))).toEqual(before);
  expect(statSync(path("target/holes")).blocks).toBeLessThan(100);
});

test("never follows a link out of the tree", async () => {
  mkdirSync(path("secret"));
  writeFileSync(path("secret/file"), "host");
  symlinkSync(path("secret"), path("tree/absolute"));
  symlinkSync("../../secret", path("tree/data/relative"));
  await expect(copy("/absolute")).rejects.toThrow(/No such file/);
  await copy("/data");
  expect(readdirSync(path("target"))).toEqual(["relative"]);
  expect(existsSync(path("target/file"))).toBe(false);
  await expect(copy("/data/relative")).rejects.toThrow(/No such file/);
  symlinkSync("/data", path("tree/inside"));
  rmSync(path("target/relative"));
  await copy("/inside");
  expect(readdirSync(path("target"))).toEqual(["relative"]);
});
