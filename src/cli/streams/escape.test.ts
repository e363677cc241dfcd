import { expect, test } from "bun:test";
import { parseDetachKeys, watchKeys } from "./escape.ts";

const type = (keys: string, ...pieces: string[]) => {
  const watch = watchKeys(parseDetachKeys(keys));
  let sent = "";
  for (const piece of pieces) {
    const { send, detach } = watch(Buffer.from(piece, "latin1"));
    sent += Buffer.from(send).toString("latin1");
    if (detach) return [sent, "detached"];
  }
  return [sent, "attached"];
};

test("key sequences", () => {
  expect(parseDetachKeys("ctrl-p,ctrl-q")).toEqual([16, 17]);
  expect(parseDetachKeys("a,ctrl-[,ctrl-@,ctrl-_")).toEqual([97, 27, 0, 31]);
  for (const bad of ["foo", "ctrl-", "ctrl-1", "a,,b", ""])
    expect(() => parseDetachKeys(bad)).toThrow("Unknown character");
});

test("a sequence detaches, also in pieces; what only begins like it is sent", () => {
  expect(type("ctrl-p,ctrl-q", "ab\x10\x11cd")).toEqual(["ab", "detached"]);
  expect(type("ctrl-p,ctrl-q", "a\x10", "\x11")).toEqual(["a", "detached"]);
  expect(type("ctrl-p,ctrl-q", "a\x10", "b")).toEqual(["a\x10b", "attached"]);
  expect(type("ctrl-p,ctrl-q", "\x10\x10\x11")).toEqual(["\x10", "detached"]);
  expect(type("a,b,c", "abab", "abc")).toEqual(["abab", "detached"]);
});
