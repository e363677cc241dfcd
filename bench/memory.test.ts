import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { data } from "./images.ts";
import { describeProcesses, parentOf, parseParent, parsePss, pss } from "./memory.ts";

test("reads Pss", () => {
  expect(parsePss("5581 rollup\nRss:                8192 kB\nPss:                1024 kB\nPss_Dirty:  10 kB\n")).toBe(
    1_048_576,
  );
  expect(() => parsePss("Rss: 1 kB\n")).toThrow("no Pss");
  expect(pss(process.pid)).toBeGreaterThan(1_000_000);
  expect(pss(2 ** 22 + 1)).toBe(0);
});

test("says what memory consists of", () => {
  expect(describeProcesses([process.pid, process.pid, 2 ** 22 + 1])).toMatch(/^2 \S+ \d+\.\d MB$/);
});

test("finds the parent, whatever the program is called", () => {
  expect(parseParent("12 (a) R 7 (b) S 34 12 12 0 -1")).toBe(34);
  expect(parentOf(process.pid)).toBe(process.ppid);
});

test("data packs to three quarters, and is the same each time", () => {
  const made = data(100_000, 3);
  expect(made).toEqual(data(100_000, 3));
  expect(made).not.toEqual(data(100_000, 4));
  const share = gzipSync(made).length / made.length;
  expect(share).toBeGreaterThan(0.74);
  expect(share).toBeLessThan(0.78);
});
