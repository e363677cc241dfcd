import { describe, expect, test } from "bun:test";
import { archive, type Example, header, long, pax, seeded } from "./example.ts";
import { createTarReader } from "./reader.ts";
import { defaultLimits, type TarEntry, TarError, type TarLimits } from "./tar.ts";

interface Read extends Partial<TarEntry> {
  data: string;
}

/** The entries of an archive that comes in chunks of the sizes that `chunk` tells. */
function read(bytes: Uint8Array, chunk: () => number = () => bytes.length, limits: TarLimits = defaultLimits): Read[] {
  const entries: Read[] = [];
  let pieces: [number, string][] = [];
  let current: TarEntry | undefined;
  const reader = createTarReader(
    {
      entry(entry) {
        expect(current).toBeUndefined();
        current = { ...entry };
        pieces = [];
      },
      data(buffer, start, end, position) {
        pieces.push([position, Buffer.from(buffer.subarray(start, end)).toString("latin1")]);
      },
      end() {
        if (!current) throw new Error("an end without a beginning");
        let data = "";
        // A damaged map may tell of places that no string holds.
        for (const [position, text] of pieces) if (position < 1e6) data = data.padEnd(position, "\0") + text;
        entries.push({
          ...current,
          data: current.sparse && current.size < 1e6 ? data.padEnd(current.size, "\0") : data,
        });
        current = undefined;
      },
    },
    limits,
  );
  for (let at = 0; at < bytes.length; ) {
    const size = Math.max(1, chunk());
    reader.write(bytes.subarray(at, at + size));
    at += size;
  }
  reader.end();
  return entries;
}

const one = (...entries: (Example | Uint8Array)[]): Read => {
  const [first] = read(archive(entries));
  if (!first) throw new Error("no entry");
  return first;
};

describe("entries", () => {
  test("of every type", () => {
    const types = read(
      archive([
        { name: "d/", type: "5", mode: 0o1777 },
        { name: "f", data: "hello", uid: 1, gid: 2, mode: 0o4755 },
        { name: "old", type: "\0", data: "x" },
        { name: "contiguous", type: "7", data: "x" },
        { name: "v7dir/", type: "\0", magic: "v7" },
        { name: "h", type: "1", link: "f" },
        { name: "s", type: "2", link: "../x" },
        { name: "c", type: "3", major: 5, minor: 1 },
        { name: "b", type: "4", major: 8, minor: 300 },
        { name: "p", type: "6" },
      ]),
    );
    expect(types.map(({ name, type }) => [name, type])).toEqual([
      ["d/", "directory"],
      ["f", "file"],
      ["old", "file"],
      ["contiguous", "file"],
      ["v7dir/", "directory"],
      ["h", "hardlink"],
      ["s", "symlink"],
      ["c", "character"],
      ["b", "block"],
      ["p", "fifo"],
    ]);
    expect(types[1]).toMatchObject({ data: "hello", size: 5, uid: 1, gid: 2, mode: 0o4755, mtime: 1_700_000_000 });
    expect(types[7]).toMatchObject({ major: 5, minor: 1 });
    expect(types[8]).toMatchObject({ major: 8, minor: 300 });
  });

  test("with the prefix of ustar, which GNU's format has not", () => {
    expect(one({ name: "b", prefix: "a/c" }).name).toBe("a/c/b");
    expect(one({ name: "b", prefix: "a/c", magic: "gnu" }).name).toBe("b");
  });

  test("with numbers in base 256", () => {
    const size = 2 ** 33 + 5;
    const big = header({ name: "f", size, uid: 3_000_000, mtime: -5 });
    expect(() => read(Buffer.concat([big, Buffer.alloc(512)]))).toThrow(TarError);
    expect(one({ name: "f", data: "", uid: 3_000_000, gid: 2 ** 32 - 2, mtime: -5 })).toMatchObject({
      uid: 3_000_000,
      gid: 2 ** 32 - 2,
      mtime: -5,
    });
  });

  test("with GNU's long names", () => {
    const name = `${"n".repeat(200)}/${"m".repeat(200)}`;
    expect(one(long("L", name), long("K", "t".repeat(300)), { name: "short", type: "2", magic: "gnu" })).toMatchObject({
      name,
      link: "t".repeat(300),
    });
  });

  test("with pax records, for one entry only", () => {
    const [first, second] = read(
      archive([
        pax({
          path: "p\u00c3\u00a4x",
          uid: "70000",
          gid: "80000",
          mtime: "12.5",
          "SCHILY.xattr.user.a": "x=\ny",
          size: "3",
        }),
        { name: "a", data: "abc", size: 0 },
        { name: "b", data: "" },
      ]),
    );
    expect(first).toMatchObject({
      name: "p\u00c3\u00a4x",
      uid: 70000,
      gid: 80000,
      mtime: 12,
      mtimeNs: 5e8,
      data: "abc",
    });
    expect(first?.xattrs).toEqual(new Map([["user.a", "x=\ny"]]));
    expect(second).toMatchObject({ name: "b", uid: 0, xattrs: undefined });
  });

  test("with times before 1970 and long fractions", () => {
    expect(one(pax({ mtime: "-1.5" }), { name: "a" })).toMatchObject({ mtime: -2, mtimeNs: 5e8 });
    expect(one(pax({ mtime: "1.0000000019" }), { name: "a" })).toMatchObject({ mtime: 1, mtimeNs: 1 });
  });

  test("with global pax headers, until they are unset", () => {
    const entries = read(
      archive([
        pax({ uid: "7", comment: "commit" }, "g"),
        { name: "a" },
        pax({ uid: "8" }),
        { name: "b" },
        pax({ uid: "" }, "g"),
        { name: "c" },
      ]),
    );
    expect(entries.map(({ uid }) => uid)).toEqual([7, 8, 0]);
  });

  test("without the two blocks of zeros at the end, or with more", () => {
    expect(read(archive([{ name: "a" }], Buffer.alloc(0)))).toHaveLength(1);
    expect(read(archive([{ name: "a" }], Buffer.alloc(512)))).toHaveLength(1);
    expect(read(archive([{ name: "a" }], Buffer.alloc(10240)))).toHaveLength(1);
    expect(read(new Uint8Array())).toHaveLength(0);
  });
});

describe("sparse files", () => {
  const expected = `${"\0".repeat(10)}abc${"\0".repeat(7)}de${"\0".repeat(8)}`;

  test("old GNU format, also with an extension block", () => {
    const patch = (block: Buffer) => {
      [10, 3, 20, 2, 30, 0].forEach((value, i) => {
        block.write(value.toString(8).padStart(11, "0"), 386 + i * 12, 12, "latin1");
      });
      block.write((30).toString(8).padStart(11, "0"), 483, 12, "latin1");
    };
    expect(one({ name: "s", type: "S", data: "abcde", magic: "gnu", patch })).toMatchObject({
      size: 30,
      data: expected,
    });

    const extended = (block: Buffer) => {
      patch(block);
      block.fill(0, 386 + 24, 386 + 96);
      block[482] = 1;
    };
    const extension = Buffer.alloc(512);
    extension.write((20).toString(8).padStart(11, "0"), 0, 12, "latin1");
    extension.write((2).toString(8).padStart(11, "0"), 12, 12, "latin1");
    const head = header({ name: "s", type: "S", size: 5, magic: "gnu", patch: extended });
    const data = Buffer.alloc(512);
    data.write("abcde");
    const [entry] = read(archive([head, extension, data]));
    // Four places of the header were not full: the first empty one ends it.
    expect(entry).toMatchObject({ size: 30, data: expected });
  });

  test("pax 0.0, 0.1 and 1.0", () => {
    const zero: [string, string][] = [
      ["GNU.sparse.size", "30"],
      ["GNU.sparse.numblocks", "2"],
      ["GNU.sparse.offset", "10"],
      ["GNU.sparse.numbytes", "3"],
      ["GNU.sparse.offset", "20"],
      ["GNU.sparse.numbytes", "2"],
    ];
    expect(one(pax(zero), { name: "s", data: "abcde" })).toMatchObject({ name: "s", size: 30, data: expected });
    const first = { "GNU.sparse.size": "30", "GNU.sparse.map": "10,3,20,2", "GNU.sparse.name": "real" };
    expect(one(pax(first), { name: "s", data: "abcde" })).toMatchObject({ name: "real", size: 30, data: expected });
    const second = {
      "GNU.sparse.major": "1",
      "GNU.sparse.minor": "0",
      "GNU.sparse.name": "real",
      "GNU.sparse.realsize": "30",
    };
    const map = Buffer.alloc(512);
    map.write("2\n10\n3\n20\n2\n");
    expect(one(pax(second), { name: "s", data: Buffer.concat([map, Buffer.from("abcde")]) })).toMatchObject({
      name: "real",
      size: 30,
      data: expected,
    });
  });

  test.each([
    ["overlapping", "0,3,2,2"],
    ["beyond the end", "28,5"],
    ["shorter than the data", "0,3"],
    ["half a pair", "0,5,3"],
    ["not numbers", "a,b"],
    ["negative", "-1,5"],
  ])("refuses a map that is %s", (_, map) => {
    const records = { "GNU.sparse.size": "30", "GNU.sparse.map": map };
    expect(() => one(pax(records), { name: "s", data: "abcde" })).toThrow(TarError);
  });
});

describe("refused", () => {
  test.each<[string, (Example | Uint8Array)[], RegExp]>([
    ["a wrong checksum", [{ name: "a", checksum: 1 }], /checksum/],
    ["an unknown type", [{ name: "a", type: "M" }], /unknown type "M"/],
    ["no name", [{ name: "" }], /has the name ""/],
    ["a negative size", [{ name: "a", size: -1 }], /size -1/],
    ["a negative uid", [{ name: "a", uid: -1 }], /uid -1/],
    ["the uid that chown leaves", [{ name: "a", uid: 2 ** 32 - 1 }], /uid 4294967295/],
    ["a name with a NUL", [pax({ path: "a\0b" }), { name: "a" }], /has the name/],
    ["a number that is none", [{ name: "a", patch: (b) => b.write("12x4567", 108) }], /uid is no number/],
    [
      "a pax record of the wrong length",
      [archive([{ name: "x", type: "x", data: "99 a=b\n" }], Buffer.alloc(0))],
      /malformed/,
    ],
    [
      "a pax record without an end",
      [archive([{ name: "x", type: "x", data: "6 a=bc\n" }], Buffer.alloc(0)), { name: "a" }],
      /malformed/,
    ],
    ["a pax size that is none", [pax({ size: "-4" }), { name: "a" }], /size is no number/],
    ["a pax time that is none", [pax({ mtime: "soon" }), { name: "a" }], /no time/],
    ["a global path", [pax({ path: "x" }, "g"), { name: "a" }], /global/],
    ["a header too large", [{ name: "a", type: "x", size: 2 ** 30 }], /over 1048576/],
    ["data behind the end", [Buffer.alloc(1024), { name: "a" }], /follows the end/],
    ["a single block of zeros inside", [{ name: "a" }, Buffer.alloc(512), { name: "b" }], /follows the end/],
    ["an extended header without an entry", [{ name: "a" }, pax({ uid: "1" })], /middle of an entry/],
  ])("%s", (_, entries, message) => {
    expect(() => read(archive(entries))).toThrow(message);
  });

  test("an archive that ends early", () => {
    const whole = archive([{ name: "a", data: "x".repeat(1000) }], Buffer.alloc(0));
    for (const length of [1, 511, 513, 1024, 1535]) {
      expect(() => read(whole.subarray(0, length))).toThrow("ends in the middle");
    }
  });

  test("more than the limits allow", () => {
    const limits = { ...defaultLimits, bytes: 4096, entries: 3 };
    const many = archive([{ name: "a" }, { name: "b" }, { name: "c" }, { name: "d" }]);
    expect(() => read(many, undefined, { ...limits, bytes: 1e6 })).toThrow("more than 3 entries");
    expect(() => read(archive([{ name: "a", data: "x".repeat(5000) }]), undefined, limits)).toThrow(
      "more than 4096 bytes",
    );
  });
});

describe("random archives", () => {
  const valid = archive([
    pax({ path: "some/path", mtime: "1.25", "SCHILY.xattr.user.k": "v" }),
    { name: "a", data: "hello" },
    long("L", "x".repeat(150)),
    { name: "b", data: "y".repeat(700), magic: "gnu" },
    pax({ "GNU.sparse.size": "30", "GNU.sparse.map": "10,3,20,2" }),
    { name: "s", data: "abcde" },
    { name: "d/", type: "5" },
    { name: "l", type: "2", link: "a" },
    pax({ uid: "3" }, "g"),
    { name: "h", type: "1", link: "a" },
  ]);

  test("chunks of any size give the same entries", () => {
    const expected = read(valid);
    expect(expected).toHaveLength(6);
    const random = seeded(1);
    for (let i = 0; i < 200; i++) expect(read(valid, () => Math.floor(random() ** 3 * 1500))).toEqual(expected);
  });

  test("10,000 damaged ones give entries or a TarError, nothing else", () => {
    const random = seeded(42);
    const pick = (n: number) => Math.floor(random() * n);
    const limits = { ...defaultLimits, bytes: 1 << 20, headerBytes: 1 << 16, sparseParts: 1000 };
    let refused = 0;
    for (let i = 0; i < 10_000; i++) {
      let bytes = Buffer.from(valid);
      const fixed: number[] = [];
      for (let n = 1 + pick(4); n > 0; n--) {
        const at = pick(bytes.length);
        const block = at - (at % 512);
        switch (pick(6)) {
          case 0:
            bytes[at] = pick(256);
            break;
          case 1:
            bytes[at] = "0123456789, =\n\0xgLKS"[pick(20)]?.charCodeAt(0) ?? 0;
            break;
          case 2:
            bytes = bytes.subarray(0, at);
            break;
          case 3:
            bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(block)]);
            break;
          case 4:
            bytes.copy(bytes, pick(bytes.length), at, at + 512);
            break;
          case 5:
            // A type, size or magic of another kind, with a right checksum: gets further than a flipped bit.
            bytes[block + 156] = "01234567xgLKSV"[pick(14)]?.charCodeAt(0) ?? 0;
            if (pick(2) && block + 512 <= bytes.length)
              bytes.write(
                pick(2 ** 24)
                  .toString(8)
                  .padStart(11, "0"),
                block + 124,
                "latin1",
              );
            fixed.push(block);
            break;
        }
      }
      for (const block of fixed) {
        if (block + 512 > bytes.length) continue;
        bytes.fill(0x20, block + 148, block + 156);
        let sum = 0;
        for (let at = block; at < block + 512; at++) sum += bytes[at] as number;
        bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, block + 148, 8, "latin1");
      }
      try {
        read(bytes, () => 1 + pick(2000), limits);
      } catch (error) {
        if (!(error instanceof TarError)) throw new Error(`case ${i}`, { cause: error });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(5000);
  });

  test("random bytes are refused", () => {
    const random = seeded(7);
    for (let i = 0; i < 500; i++) {
      const bytes = Buffer.from(
        Array.from({ length: 1 + Math.floor(random() * 3000) }, () => Math.floor(random() * 256)),
      );
      expect(() => read(bytes)).toThrow(TarError);
    }
  });
});
