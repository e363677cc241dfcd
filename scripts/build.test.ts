import { expect, test } from "bun:test";
import { embedWorkers } from "./build.ts";

const workers = new Set(["/r/src/storage/layers/unpack.worker.ts", "/r/src/storage/worker.ts"]);
const embed = (source: string) => embedWorkers(source, "/r/src/storage/layers/layers.ts", workers, "/r/src");

test("puts a worker's place in the executable where its address stands", () => {
  expect(embed('new Worker(new URL("./unpack.worker.ts", import.meta.url), { smol: true });')).toBe(
    'new Worker(new URL("file:///$bunfs/root/storage/layers/unpack.worker.js"), { smol: true });',
  );
  expect(embed('new Worker(\n  new URL("../worker.ts", import.meta.url),\n)')).toContain("root/storage/worker.js");
});

test("leaves other addresses alone and refuses a worker that is not there", () => {
  const other = 'new URL("./profile.json", import.meta.url); new URL("./homeworker.ts", import.meta.url)';
  expect(embed(other)).toBe(other);
  expect(() => embed('new URL("./missing.worker.ts", import.meta.url)')).toThrow(/missing\.worker\.ts/);
});
