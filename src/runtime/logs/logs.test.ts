import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, rmSync, writeFileSync } from "node:fs";
import { temporaryFolder } from "../testing/busybox.ts";
import { type ReadLogsOptions, readLogs } from "./read.ts";
import type { LogRecord } from "./record.ts";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder("logs");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const text = (records: LogRecord[]) => records.map(({ data }) => Buffer.from(data).toString()).join("");

async function collect(path: string, options?: ReadLogsOptions): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  for await (const record of readLogs(path, options)) records.push(record);
  return records;
}

const stamp = (second: number, nanoseconds = 5) =>
  `2026-01-02T03:04:${String(second).padStart(2, "0")}.${String(nanoseconds).padStart(9, "0")}+00:00`;

test("pieces of a line have no newline, its end has one", async () => {
  writeFileSync(
    `${folder}/log`,
    `${stamp(1)} stdout P abc\n${stamp(2)} stderr F err\n${stamp(3)} stdout F \n${stamp(4)} stdout P end\n`,
  );
  expect(
    (await collect(`${folder}/log`)).map(({ stream, data, partial }) => [stream, String(Buffer.from(data)), partial]),
  ).toEqual([
    ["stdout", "abc", true],
    ["stderr", "err\n", false],
    ["stdout", "\n", false],
    ["stdout", "end", true],
  ]);
});

test("times are UTC with all their digits", async () => {
  writeFileSync(`${folder}/log`, "2026-01-02T01:00:00.123456789+02:00 stdout F a\n");
  expect((await collect(`${folder}/log`))[0]!.time).toBe("2026-01-01T23:00:00.123456789Z");
});

test("bytes come as they went", async () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i).filter((i) => i !== 10));
  writeFileSync(`${folder}/log`, Buffer.concat([Buffer.from(`${stamp(1)} stdout P `), bytes, Buffer.from("\n")]));
  expect(Buffer.from((await collect(`${folder}/log`))[0]!.data)).toEqual(bytes);
});

test("what is no record is passed over", async () => {
  writeFileSync(
    `${folder}/log`,
    `rest of a cut one\n\n${stamp(1)} stdin F a\n${stamp(1)} stdout F b\n${stamp(2)} stdout F c`,
  );
  expect(text(await collect(`${folder}/log`))).toBe("b\n");
});

test("since and until are included", async () => {
  writeFileSync(`${folder}/log`, [1, 2, 3, 4].map((s) => `${stamp(s, 0)} stdout F ${s}\n`).join(""));
  const at = Date.parse("2026-01-02T03:04:00Z") / 1000;
  expect(text(await collect(`${folder}/log`, { since: at + 2, until: at + 3 }))).toBe("2\n3\n");
});

test("a missing file is an empty log", async () => {
  expect(await collect(`${folder}/none`)).toEqual([]);
  expect(await collect(`${folder}/none/none`, { follow: Promise.resolve() })).toEqual([]);
});

test("the tail is the end of the whole, whatever the lines", async () => {
  let seed = 20260102;
  const random = (n: number) => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return seed % n;
  };
  for (let round = 0; round < 40; round++) {
    let log = "";
    const lines: string[] = [];
    let current = "";
    for (let i = random(300); i > 0; i--) {
      const content = "x".repeat(random(20) === 0 ? random(100_000) : random(60)) + i;
      const partial = random(3) === 0;
      log += `${stamp(1)} stdout ${partial ? "P" : "F"} ${content}\n`;
      current += content;
      if (!partial) {
        lines.push(`${current}\n`);
        current = "";
      }
    }
    if (current !== "") lines.push(current);
    writeFileSync(`${folder}/log`, log);
    for (const tail of [0, 1, 2, random(50), 1000]) {
      expect(text(await collect(`${folder}/log`, { tail }))).toBe(
        lines.slice(lines.length - Math.min(tail, lines.length)).join(""),
      );
    }
  }
});

test("following misses nothing, up to the very end", async () => {
  for (let round = 0; round < 20; round++) {
    const path = `${folder}/log${round}`;
    const { promise, resolve } = Promise.withResolvers<void>();
    const reading = collect(path, { follow: promise });
    let expected = "";
    for (let i = 0; i < 30; i++) {
      appendFileSync(path, `${stamp(1)} stdout F ${i}`);
      appendFileSync(path, "\n");
      expected += `${i}\n`;
      if (i % 7 === 0) await Bun.sleep(0);
    }
    resolve();
    expect(text(await reading)).toBe(expected);
  }
});

test("a follower is told of each line as it comes, and stops when asked", async () => {
  const path = `${folder}/log`;
  writeFileSync(path, "");
  const control = new AbortController();
  const records = readLogs(path, { follow: new Promise(() => {}), signal: control.signal });
  for (let i = 0; i < 5; i++) {
    const next = records.next();
    await Bun.sleep(1);
    appendFileSync(path, `${stamp(1)} stdout F ${i}\n`);
    expect(text([(await next).value as LogRecord])).toBe(`${i}\n`);
  }
  const next = records.next();
  control.abort();
  expect((await next).done).toBe(true);
});
