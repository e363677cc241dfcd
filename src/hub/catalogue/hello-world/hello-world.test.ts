import { describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { greeting, helloWorld } from "./hello-world.ts";
import { type Architecture, makeProgram } from "./program.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const emulator = Bun.which("qemu-aarch64-static") ?? Bun.which("qemu-aarch64");

/** Index, manifests, and config and layer of each. */
const pinned = [
  "sha256:8cfd00506037c7b02ede09d77937c81127a815cb9f5bee428f5e3bb06938ecbe",
  "sha256:f8e6196b763d6c0487542a1feff1c54b1f18e9a95c0a77c0c5f3282146665110",
  "sha256:3fec117ea3e1aba5dbb61d8ead32215819f171c1e77e708a4922f585e58c2fa3",
  "sha256:033e04ad97c51f11e77be469c70727d55caa0144ab01dcc15f5e0f9a1108a444",
  "sha256:0bb25cb1cc97fa405e72d655f49f84748654550f4712d650e196b72e557c09b7",
  "sha256:f704d5a89ae5f614cb39ed26224f5969d0f4074338ffb48808a37345d3515216",
  "sha256:da84d7c0d61dd3e52f73d465014419c0708e31c4d6ec5a225fcf4497d2c0b245",
];

/** Runs a program of ours; `stdout` is a descriptor, or the output is returned. */
async function run(program: Uint8Array, options: { prefix?: string[]; stdout?: number } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "gantry-hello-"));
  try {
    const path = join(folder, "hello");
    writeFileSync(path, program);
    chmodSync(path, 0o755);
    const command = [...(options.prefix ?? []), path];
    const child = Bun.spawn(command, { stdout: options.stdout ?? "pipe", stderr: "inherit", stdin: "ignore" });
    const output = options.stdout === undefined ? await new Response(child.stdout as ReadableStream).text() : "";
    return { output, code: await child.exited };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("the image", () => {
  // A change of these is a change of what users have pulled: make it on purpose.
  test("has the digests that it always had", () => {
    const { index, manifests, blobs } = helloWorld();
    expect([index, ...manifests, ...blobs].map((one): string => one.digest)).toEqual(pinned);
  });

  test("holds one file of root's, at a fixed time", () => {
    for (const layer of [helloWorld().blobs[1]!, helloWorld().blobs[3]!]) {
      const tar = gunzipSync(layer.bytes);
      const field = (at: number, length: number) => tar.toString("latin1", at, at + length).replace(/[\0 ]+$/, "");
      expect(field(0, 100)).toBe("hello");
      expect([field(100, 8), field(108, 8), field(116, 8)]).toEqual(["0000755", "0000000", "0000000"]);
      expect(field(257, 8)).toBe("ustar\x0000");
      expect(new Date(Number.parseInt(field(136, 12), 8) * 1000).toISOString()).toBe("2026-01-01T00:00:00.000Z");
      const sum = tar.subarray(0, 512).reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
      expect(Number.parseInt(field(148, 8), 8)).toBe(sum);
      expect(tar.length % 512).toBe(0);
      expect(tar.subarray(-1024).every((byte) => byte === 0)).toBe(true);
    }
  });

  test("says whose it is", () => {
    const config = JSON.parse(new TextDecoder().decode(helloWorld().blobs[0]!.bytes)) as Record<string, unknown>;
    expect(config).toMatchObject({
      architecture: "amd64",
      os: "linux",
      config: { Cmd: ["/hello"], Labels: { "io.gantry.origin": "embedded-hub" } },
    });
  });

  test("greets in lines that fit a terminal, with the five steps", () => {
    const lines = greeting("amd64").split("\n");
    expect(lines[1]).toStartWith("Hello from Gantry!");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.filter((line) => /^ {2}\d\. /.test(line)).map((line) => line.slice(2, 4))).toEqual([
      "1.",
      "2.",
      "3.",
      "4.",
      "5.",
    ]);
  });
});

describe("the program", () => {
  test.skipIf(process.arch !== "x64")("for amd64 writes its text and ends with 0", async () => {
    expect(await run(makeProgram("amd64", bytes(greeting("amd64"))))).toEqual({ output: greeting("amd64"), code: 0 });
    const long = "x".repeat(0xffff);
    expect(await run(makeProgram("amd64", bytes(long)))).toEqual({ output: long, code: 0 });
  });

  test.skipIf(process.arch !== "x64")("for amd64 ends with 1 when it cannot write", async () => {
    const full = openSync("/dev/full", "w");
    expect(await run(makeProgram("amd64", bytes("text")), { stdout: full })).toMatchObject({ code: 1 });
  });

  const native = process.arch === "arm64";
  test.skipIf(!native && !emulator)("for arm64 writes its text and ends with 0", async () => {
    const prefix = native ? [] : [emulator!];
    const program = makeProgram("arm64", bytes(greeting("arm64")));
    expect(await run(program, { prefix })).toEqual({ output: greeting("arm64"), code: 0 });
  });

  test("for arm64 consists of the right instructions", () => {
    const text = bytes(greeting("arm64"));
    const program = makeProgram("arm64", text);
    expect(disassemble(program.subarray(120, program.length - text.length))).toEqual([
      `movz x2, ${text.length}`,
      "adr x1, 60", // the text: byte 60 of the code
      "movz x0, 1",
      "movz x8, 64", // write
      "svc 0",
      "cmp x0, 0",
      "b.le 52",
      "add x1, x1, x0",
      "subs x2, x2, x0",
      "b.ne 8",
      "movz x0, 0",
      "movz x8, 93", // exit
      "svc 0",
      "movz x0, 1",
      "b 44",
    ]);
  });

  for (const [architecture, machine, align] of [
    ["amd64", 62, 0x1000],
    ["arm64", 183, 0x10000],
  ] as const) {
    test(`for ${architecture} has the header of a static executable`, () => {
      const program = makeProgram(architecture, bytes("text"));
      const view = new DataView(program.buffer);
      expect([...program.subarray(0, 7)]).toEqual([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
      expect([view.getUint16(16, true), view.getUint16(18, true)]).toEqual([2, machine]);
      expect(view.getBigUint64(24, true)).toBe(0x400078n);
      expect([view.getUint16(54, true), view.getUint16(56, true)]).toEqual([56, 1]);
      expect([view.getUint32(64, true), view.getUint32(68, true)]).toEqual([1, 5]);
      const [offset, address, , size, memory, page] = [72, 80, 88, 96, 104, 112].map((at) =>
        view.getBigUint64(at, true),
      );
      expect([offset, address, size, memory, page]).toEqual([
        0n,
        0x400000n,
        BigInt(program.length),
        BigInt(program.length),
        BigInt(align),
      ]);
      expect(new TextDecoder().decode(program.subarray(-4))).toBe("text");
    });
  }

  test("takes no text that its instructions cannot count", () => {
    for (const architecture of ["amd64", "arm64"] satisfies Architecture[]) {
      expect(() => makeProgram(architecture, new Uint8Array(0))).toThrow(RangeError);
      expect(() => makeProgram(architecture, new Uint8Array(0x10000))).toThrow(RangeError);
    }
  });
});

/** Reads back the instructions that the program may have (Arm Architecture Reference Manual, C6.2); others are refused. */
function disassemble(code: Uint8Array): string[] {
  const view = new DataView(code.buffer, code.byteOffset, code.length);
  return Array.from({ length: code.length / 4 }, (_, index) => {
    const word = view.getUint32(index * 4, true);
    const field = (low: number, width: number) => Math.floor(word / 2 ** low) % 2 ** width;
    const signed = (value: number, width: number) => (value >= 2 ** (width - 1) ? value - 2 ** width : value);
    const at = index * 4;
    const [d, n, m] = [field(0, 5), field(5, 5), field(16, 5)];
    if (field(21, 11) === 0b11010010100) return `movz x${d}, ${field(5, 16)}`;
    if (field(31, 1) === 0 && field(24, 5) === 0b10000)
      return `adr x${d}, ${at + signed(field(5, 19) * 4 + field(29, 2), 21)}`;
    if (word === 0xd4000001) return "svc 0";
    if (field(22, 10) === 0b1111000100 && d === 31) return `cmp x${n}, ${field(10, 12)}`;
    if (field(24, 8) === 0b01010100 && field(4, 1) === 0) {
      const condition = { 1: "ne", 13: "le" }[field(0, 4)] ?? "?";
      return `b.${condition} ${at + signed(field(5, 19), 19) * 4}`;
    }
    if (field(21, 11) === 0b10001011000 && field(10, 6) === 0) return `add x${d}, x${n}, x${m}`;
    if (field(21, 11) === 0b11101011000 && field(10, 6) === 0) return `subs x${d}, x${n}, x${m}`;
    if (field(26, 6) === 0b000101) return `b ${at + signed(field(0, 26), 26) * 4}`;
    return `? ${word.toString(16)}`;
  });
}
