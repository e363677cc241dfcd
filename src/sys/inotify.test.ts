import { expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { watchFolder } from "./inotify.ts";

test("every change is told, also those right after another", async () => {
  const folder = mkdtempSync(`${tmpdir()}/gantry-inotify-`);
  try {
    let wake: (name: string | undefined) => void = () => {};
    const stop = watchFolder(folder, (name) => wake(name));
    const other: (string | undefined)[] = [];
    const stopOther = watchFolder(folder, (name) => other.push(name));
    for (let i = 0; i < 200; i++) {
      const told = new Promise<string | undefined>((resolve) => {
        wake = resolve;
      });
      appendFileSync(`${folder}/file`, "x");
      expect(await told).toBe("file");
    }
    stopOther();
    const seen = other.length;
    expect(seen).toBeGreaterThanOrEqual(200);
    const told = new Promise<string | undefined>((resolve) => {
      wake = (name) => name === "b" && resolve(name);
    });
    writeFileSync(`${folder}/a`, "");
    renameSync(`${folder}/a`, `${folder}/b`);
    expect(await told).toBe("b");
    expect(other.length).toBe(seen);
    stop();
    stop();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a folder that goes away is told as anything", async () => {
  const folder = mkdtempSync(`${tmpdir()}/gantry-inotify-`);
  const told = new Promise<string | undefined>((resolve) => watchFolder(folder, resolve));
  rmSync(folder, { recursive: true });
  expect(await told).toBeUndefined();
});

test("a missing folder is an error", () => {
  expect(() => watchFolder("/nowhere/at/all", () => {})).toThrow("No such file or directory");
});
