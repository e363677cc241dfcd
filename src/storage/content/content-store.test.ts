import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Digest } from "./content.ts";
import { type BlobFolder, createContentStore } from "./content-store.ts";
import { digestOf, isDigest } from "./digest.ts";

let folder: string;
let store: BlobFolder;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-content-"));
  store = createContentStore(folder);
});
afterEach(() => rmSync(folder, { recursive: true }));

const hello = Buffer.from("hello");
const digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" as const;

describe("digests", () => {
  test("are computed", () => {
    expect(digestOf(hello)).toBe(digest);
    expect(digestOf(hello, `sha512:${"0".repeat(128)}`)).toStartWith("sha512:9b71d224bd62f3785d96d46ad3ea3d73");
  });

  test.each([
    "",
    "sha256:",
    "sha256:2cf24",
    `sha256:${"A".repeat(64)}`,
    `sha256:${"0".repeat(65)}`,
    `sha256:${"0".repeat(64)}\n`,
    `sha512:${"0".repeat(64)}`,
    `md5:${"0".repeat(32)}`,
    `sha256:../../../../${"0".repeat(52)}`,
    ["sha256"],
    undefined,
  ])("%p is none", (text) => {
    expect(isDigest(text)).toBe(false);
    expect(() => store.path(text as Digest)).toThrow("is not a digest");
  });
});

test("keeps, reads, lists and removes", async () => {
  expect(store.has(digest)).toBe(false);
  expect(store.size(digest)).toBeUndefined();
  expect(await store.put(hello)).toBe(digest);
  expect(await store.put(hello, digest)).toBe(digest);
  expect(store.has(digest)).toBe(true);
  expect(store.size(digest)).toBe(5);
  expect(Buffer.from(await store.read(digest)).toString()).toBe("hello");
  const long = digestOf(hello, `sha512:${"0".repeat(128)}`);
  await store.put(hello, long);
  expect((await store.list()).sort()).toEqual([digest, long]);
  const again = createContentStore(folder);
  expect(again.has(long)).toBe(true);
  await store.remove(digest);
  await store.remove(digest);
  expect(await again.list()).toEqual([long]);
});

test("refuses other content than expected, keeps nothing of it", async () => {
  await expect(store.put(Buffer.from("other"), digest)).rejects.toThrow(`not ${digest}`);
  expect(await store.list()).toEqual([]);
  expect(readdirSync(join(folder, "ingest"))).toEqual([]);
});

test("reads nothing absent, large or damaged", async () => {
  await expect(store.read(digest)).rejects.toThrow(`the blob ${digest} is not in the content store`);
  await store.put(hello);
  await expect(store.read(digest, 4)).rejects.toThrow("has 5 bytes, over 4");
  writeFileSync(store.path(digest), "hullo");
  await expect(store.read(digest)).rejects.toThrow("is damaged");
  // A damaged blob of another size is replaced.
  writeFileSync(store.path(digest), "");
  await store.put(hello);
  expect((await store.read(digest)).length).toBe(5);
});

test("sweeps what was not finished", () => {
  writeFileSync(store.temporary(), "half");
  createContentStore(folder);
  expect(readdirSync(join(folder, "ingest"))).toEqual([]);
});
