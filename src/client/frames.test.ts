import { expect, test } from "bun:test";
import { type FrameStream, frameDecoder } from "./frames.ts";
import { parseAddress } from "./host.ts";
import { jsonValues, parseJson } from "./lines.ts";

/** A small generator of numbers below `limit` that gives the same ones for the same seed (mulberry32). */
function random(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

function frame(stream: number, data: Uint8Array): Uint8Array {
  const head = new Uint8Array(8);
  head[0] = stream;
  new DataView(head.buffer).setUint32(4, data.length);
  return Buffer.concat([head, data]);
}

test("frames come out whole however the bytes are cut", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const next = random(seed);
    const expected: Record<string, number[]> = { stdout: [], stderr: [] };
    const frames = Array.from({ length: 20 }, () => {
      const stream = 1 + next(2);
      const data = Uint8Array.from({ length: next(300) }, () => next(256));
      expected[stream === 1 ? "stdout" : "stderr"]!.push(...data);
      return frame(stream, data);
    });
    const bytes = Buffer.concat(frames);
    const decode = frameDecoder();
    const got: Partial<Record<FrameStream, number[]>> = { stdout: [], stderr: [] };
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + next(40);
      for (const { stream, data } of decode(bytes.subarray(at, at + size))) got[stream]!.push(...data);
      at += size;
    }
    expect(got).toEqual(expected);
  }
});

test("bytes that are no frame are refused", () => {
  expect(() => frameDecoder()(frame(9, new Uint8Array(1)))).toThrow("Unrecognized input header: 9");
});

test("a frame that says it is long takes no memory before its bytes come", () => {
  const head = frame(1, new Uint8Array(0));
  new DataView(head.buffer, head.byteOffset).setUint32(4, 0xffffffff);
  expect(frameDecoder()(Buffer.concat([head, Buffer.from("abc")]))).toHaveLength(1);
});

test("JSON values are found however the bytes are cut, with line breaks and without the last", async () => {
  const text = '{"a":1}\r\n{"b":"ä€"}\n\n{"c":[1,2]}';
  const bytes = Buffer.from(text);
  for (let size = 1; size < bytes.length; size++) {
    let at = 0;
    const read = async () => {
      if (at >= bytes.length) return undefined;
      const piece = bytes.subarray(at, at + size);
      at += size;
      return piece;
    };
    expect(await Array.fromAsync(jsonValues(read))).toEqual([{ a: 1 }, { b: "ä€" }, { c: [1, 2] }]);
  }
});

test("malformed JSON is told with its beginning", async () => {
  const pieces = [Buffer.from("{nope\n")];
  const read = async () => pieces.shift();
  await expect(Array.fromAsync(jsonValues(read))).rejects.toThrow("malformed JSON in the answer: {nope");
});

test("integers beyond 2^53 keep their digits", () => {
  expect(parseJson('{"t":1795568161047237130,"f":0.5,"s":"1795568161047237130"}')).toEqual({
    t: 1795568161047237130n,
    f: 0.5,
    s: "1795568161047237130",
  });
});

test("hosts are parsed, and others refused by name", () => {
  expect(parseAddress("unix:///run/x.sock", false)).toEqual({ kind: "unix", path: "/run/x.sock" });
  expect(parseAddress("tcp://h", false)).toMatchObject({ hostname: "h", port: 2375, secure: false });
  expect(parseAddress("tcp://h", true)).toMatchObject({ port: 2376, secure: true });
  expect(parseAddress("tcp://[::1]:99/base/", false)).toMatchObject({ hostname: "::1", port: 99, base: "/base" });
  expect(parseAddress("https://h:1", false)).toMatchObject({ port: 1, secure: true });
  expect(() => parseAddress("ssh://h", false)).toThrow("protocol not available: ssh");
  for (const bad of ["", "nothing", "unix://", "tcp://h:99999", "tcp://h:0", "tcp://h:x", "tcp://a b"]) {
    expect(() => parseAddress(bad, false)).toThrow("unable to parse docker host");
  }
});
