import { describe, expect, test } from "bun:test";
import { createDetachScanner, parseDetachKeys } from "./detach-keys.ts";
import { seededRandom } from "./testing/harness.ts";

describe("parseDetachKeys", () => {
  test.each([
    ["", [16, 17]],
    [undefined, [16, 17]],
    ["a", [97]],
    ["ctrl-a,b", [1, 98]],
    ["CTRL-Z", [26]],
    ["ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", [0, 27, 28, 29, 30, 31]],
    ["DEL", [127]],
  ])("%j", (keys, bytes) => {
    expect([...parseDetachKeys(keys)]).toEqual(bytes);
  });
  test.each(["ctrl-", "ctrl-ab", "ctrl-1", "ab", "a,,b", "ü"])("refuses %j", (keys) => {
    expect(() => parseDetachKeys(keys)).toThrow(`Invalid detach keys (${keys}) provided`);
  });
});

test("the scanner finds the keys however the input is cut, and loses nothing else (seeded)", () => {
  const random = seededRandom(99);
  const pick = (length: number) => Uint8Array.from({ length }, () => 97 + Math.floor(random() * 2));
  for (let round = 0; round < 2000; round++) {
    const keys = pick(1 + Math.floor(random() * 4));
    const input = pick(Math.floor(random() * 30));
    const text = Buffer.from(input).toString();
    const at = text.indexOf(Buffer.from(keys).toString());
    const scan = createDetachScanner(keys);
    let passed = "";
    let detached = false;
    for (let from = 0; from < input.length && !detached; ) {
      const to = from + 1 + Math.floor(random() * 5);
      const found = scan(input.subarray(from, to));
      passed += Buffer.from(found.pass).toString();
      detached = found.detached;
      from = to;
    }
    expect(detached).toBe(at >= 0);
    if (at >= 0) expect(passed).toBe(text.slice(0, at));
    else {
      // Held back is only what could still become the keys.
      expect(text.startsWith(passed)).toBe(true);
      expect(Buffer.from(keys).toString().startsWith(text.slice(passed.length))).toBe(true);
    }
  }
});
