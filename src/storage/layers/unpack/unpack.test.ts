import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { close, openDirectory } from "../../../sys/directory.ts";
import { toBytes } from "../../../sys/names.ts";
import { getXattr } from "../../../sys/xattr.ts";
import { describeTree, makeRandomTree } from "../../copy/example.ts";
import { archive, type Example, pax, seeded } from "../tar/example.ts";
import { createTarReader } from "../tar/reader.ts";
import { TarError } from "../tar/tar.ts";
import { createUnpacker, type Unpacked } from "./unpack.ts";

let folder: string;
let root: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-unpack-"));
  root = join(folder, "root");
  mkdirSync(root);
  mkdirSync(join(folder, "outside"));
  writeFileSync(join(folder, "outside/file"), "untouched");
});
afterEach(() => {
  // Nothing that was unpacked got out.
  expect(readdirSync(join(folder, "outside"))).toEqual(["file"]);
  expect(readFileSync(join(folder, "outside/file"), "utf8")).toBe("untouched");
  rmSync(folder, { recursive: true });
});

function unpack(bytes: Uint8Array, chunk = 70_001): Unpacked {
  const fd = openDirectory(toBytes(root));
  const unpacker = createUnpacker(fd, "trusted");
  try {
    const reader = createTarReader(unpacker);
    for (let at = 0; at < bytes.length; at += chunk) reader.write(bytes.subarray(at, at + chunk));
    reader.end();
    return unpacker.finish();
  } finally {
    unpacker.close();
    close(fd);
    // No descriptor is left open.
    expect(descriptors().filter((target) => target.startsWith(root))).toEqual([]);
  }
}

const descriptors = (): string[] =>
  readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });

const files = (...entries: (Example | Uint8Array)[]) => unpack(archive(entries));
const at = (path: string) => join(root, path);
const isWhiteout = (path: string) => lstatSync(at(path)).isCharacterDevice() && lstatSync(at(path)).rdev === 0;
const isOpaque = (path: string) => getXattr(at(path), "trusted.overlay.opaque")?.toString() === "y";

describe("as GNU tar extracts it", () => {
  const formats = [
    "--format=gnu",
    "--format=posix",
    "--sparse-version=0.0",
    "--sparse-version=0.1",
    "--sparse-version=1.0",
  ];
  test.each(Array.from({ length: 25 }, (_, i) => i))("random tree %i", async (seed) => {
    const random = seeded(seed);
    const source = join(folder, "source");
    const theirs = join(folder, "theirs");
    for (const one of [source, theirs]) mkdirSync(one);
    makeRandomTree(source, random, 80);
    const format = formats[seed % formats.length] as string;
    const posix = format.startsWith("--sparse") ? ["--format=posix", format] : [format];
    const xattrs = format === "--format=gnu" ? [] : ["--xattrs", "--xattrs-include=*"];
    const file = join(folder, "tar");
    run(["tar", "-S", ...posix, ...xattrs, "--numeric-owner", "-C", source, "-cf", file, "."]);
    run(["tar", "-C", theirs, "-p", ...xattrs, "--numeric-owner", "-xf", file]);
    const { implied } = unpack(readFileSync(file));
    const ours = await describeTree(root);
    expect(ours).toEqual(await describeTree(theirs));
    if (format !== "--format=gnu") expect(ours).toEqual(await describeTree(source));
    expect(implied).toEqual([]);
  });
});

function run(command: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(command, { stdout: "ignore", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString()}`);
}

describe("what leads out of the layer", () => {
  test.each<[string, (Example | Uint8Array)[]]>([
    ["a name with ..", [{ name: "../outside/new", data: "x" }]],
    ["a name with .. inside", [{ name: "a/../../outside/new", data: "x" }]],
    ["a name of only ..", [{ name: "..", type: "5" }]],
    ["a pax name with ..", [pax({ path: "x/../../outside/new" }), { name: "a", data: "x" }]],
    [
      "a directory behind a link",
      [
        { name: "l", type: "2", link: "../outside" },
        { name: "l/new", data: "x" },
      ],
    ],
    [
      "a directory behind an absolute link",
      [
        { name: "l", type: "2", link: "OUTSIDE" },
        { name: "l/new", data: "x" },
      ],
    ],
    [
      "a directory behind two links",
      [
        { name: "a", type: "2", link: ".." },
        { name: "b", type: "2", link: "a/outside" },
        { name: "b/new", data: "x" },
      ],
    ],
    [
      "a hard link to the outside",
      [
        { name: "h", type: "1", link: "../outside/file" },
        { name: "h", data: "x" },
      ],
    ],
    [
      "a hard link through a link",
      [
        { name: "l", type: "2", link: "../outside" },
        { name: "h", type: "1", link: "l/file" },
        { name: "h", data: "x" },
      ],
    ],
    ["a whiteout behind a link", [{ name: "l", type: "2", link: "../outside" }, { name: "l/.wh.file" }]],
    ["a whiteout of ..", [{ name: "a/.wh..." }]],
    ["a whiteout of .", [{ name: "a/.wh.." }]],
    ["a whiteout of nothing", [{ name: ".wh." }]],
    [
      "a link in place of a known directory",
      [
        { name: "d/", type: "5" },
        { name: "d/a", data: "x" },
        { name: "d", type: "2", link: "../outside" },
        { name: "d/file", data: "x" },
      ],
    ],
    ["a root that is a file", [{ name: ".", data: "x" }]],
    ["a root that is a link", [{ name: "./", type: "2", link: "../outside" }]],
    [
      "a file as a parent",
      [
        { name: "f", data: "x" },
        { name: "f/g", data: "x" },
      ],
    ],
    [
      "a circle of links",
      [
        { name: "l", type: "2", link: "l" },
        { name: "l/x", data: "x" },
      ],
    ],
    [
      "a hard link to a directory",
      [
        { name: "d/", type: "5" },
        { name: "h", type: "1", link: "d" },
      ],
    ],
    ["a hard link to what is missing", [{ name: "h", type: "1", link: "nothing" }]],
    [
      "a component that is too long",
      [{ name: "x", patch: () => {} }, pax({ path: "y".repeat(256) }), { name: "a", data: "x" }],
    ],
    ["a path that is too long", [pax({ path: "y/".repeat(3000) }), { name: "a", data: "x" }]],
  ])("%s is refused", (_, entries) => {
    const outside = join(folder, "outside");
    const real = entries.map((entry) =>
      !(entry instanceof Uint8Array) && entry.link === "OUTSIDE" ? { ...entry, link: outside } : entry,
    );
    expect(() => files(...real)).toThrow(TarError);
  });

  test("a file in place of a link to the outside replaces the link", () => {
    files({ name: "l", type: "2", link: "../outside/file" }, { name: "l", data: "new" });
    expect(readFileSync(at("l"), "utf8")).toBe("new");
  });

  test("attributes of a link go to the link", () => {
    files(
      { name: "l", type: "2", link: "../outside/file", uid: 5, mtime: 7, mode: 0o777 },
      { name: "l2", type: "2", link: "../outside", uid: 5 },
      { name: "l2", type: "5", uid: 6, mode: 0o700 },
    );
    expect(lstatSync(at("l")).uid).toBe(5);
    expect(statSync(join(folder, "outside/file"))).toMatchObject({ uid: 0 });
    expect(lstatSync(at("l2")).isDirectory()).toBe(true);
    expect(statSync(join(folder, "outside")).uid).toBe(0);
  });

  test("an absolute name is one below the root", () => {
    files({ name: "/etc/passwd", data: "x" }, { name: "//a//./b/", type: "5" });
    expect(readFileSync(at("etc/passwd"), "utf8")).toBe("x");
    expect(lstatSync(at("a/b")).isDirectory()).toBe(true);
  });

  test("a link of the archive to its own directory is a way, resolved with our root as root", () => {
    const { implied } = files(
      { name: "usr/", type: "5" },
      { name: "usr/lib/", type: "5" },
      { name: "lib", type: "2", link: "usr/lib" },
      { name: "absolute", type: "2", link: "/usr/lib" },
      { name: "up", type: "2", link: "../../../usr" },
      { name: "lib/a", data: "1" },
      { name: "absolute/b/c", data: "2" },
      { name: "up/d", data: "3" },
      { name: "lib/.wh.gone" },
    );
    expect(readdirSync(at("usr/lib")).sort()).toEqual(["a", "b", "gone"]);
    expect(readFileSync(at("usr/d"), "utf8")).toBe("3");
    expect(readlinkSync(at("lib"))).toBe("usr/lib");
    expect(implied).toEqual(["", "usr/lib/b"]);
  });
});

describe("whiteouts", () => {
  test("become device nodes and opaque directories", () => {
    const { implied, opaque } = files({ name: "a/.wh.gone" }, { name: "b/.wh..wh..opq" }, { name: "b/new", data: "x" });
    expect(isWhiteout("a/gone")).toBe(true);
    expect(isOpaque("b")).toBe(true);
    expect(isOpaque("a")).toBe(false);
    expect(readdirSync(at("b"))).toEqual(["new"]);
    expect(implied).toEqual(["", "a", "b"]);
    expect(opaque).toBe(false);
  });

  test("hide lower layers, not what the same layer has, in either order", () => {
    files(
      { name: "f1", data: "new" },
      { name: ".wh.f1" },
      { name: ".wh.f2" },
      { name: "f2", data: "new" },
      { name: "d1/", type: "5" },
      { name: ".wh.d1" },
      { name: ".wh.d2" },
      { name: "d2/", type: "5" },
      { name: ".wh.d3" },
      { name: "d3/implied", data: "x" },
    );
    expect(readFileSync(at("f1"), "utf8")).toBe("new");
    expect(readFileSync(at("f2"), "utf8")).toBe("new");
    for (const name of ["d1", "d2", "d3"]) expect(isOpaque(name)).toBe(true);
  });

  test("of the root hide all that is below", () => {
    expect(files({ name: ".wh..wh..opq" }, { name: "a", data: "x" }).opaque).toBe(true);
  });

  test("notes of aufs are left out", () => {
    files({ name: ".wh..wh.plnk/", type: "5" }, { name: ".wh..wh.aufs" }, { name: "a", data: "" });
    expect(readdirSync(root)).toEqual(["a"]);
  });

  test("cannot be faked by attributes", () => {
    files(
      pax({
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
        "SCHILY.xattr.trusted.overlay.opaque": "y",
        "SCHILY.xattr.trusted.mine": "1",
      }),
      { name: "d/", type: "5" },
    );
    expect(isOpaque("d")).toBe(false);
    expect(getXattr(at("d"), "trusted.overlay.redirect")).toBeUndefined();
    expect(getXattr(at("d"), "trusted.mine")?.toString()).toBe("1");
  });
});

describe("entries of one name", () => {
  test("the last one counts, a directory keeps its content", () => {
    files(
      { name: "a", data: "first" },
      { name: "a", data: "2" },
      { name: "b", data: "x" },
      { name: "b/", type: "5", mode: 0o711 },
      { name: "b/c", data: "kept" },
      { name: "b/", type: "5", mode: 0o750 },
      { name: "d/e/f", data: "x" },
      { name: "d", data: "file" },
      { name: "g/h", data: "x" },
      { name: "g", type: "2", link: "b" },
    );
    expect(readFileSync(at("a"), "utf8")).toBe("2");
    expect(readFileSync(at("b/c"), "utf8")).toBe("kept");
    expect(statSync(at("b")).mode & 0o7777).toBe(0o750);
    expect(readFileSync(at("d"), "utf8")).toBe("file");
    expect(readlinkSync(at("g"))).toBe("b");
  });

  test("a directory that was replaced and comes again is another one", () => {
    const { implied } = files(
      { name: "d/", type: "5", mode: 0o711, uid: 9 },
      { name: "d/x/y", data: "1" },
      { name: "d", data: "file" },
      { name: "d", type: "2", link: "nowhere" },
      { name: "d/", type: "5", mode: 0o700 },
      { name: "d/z", data: "2" },
    );
    expect(readdirSync(at("d"))).toEqual(["z"]);
    expect(statSync(at("d"))).toMatchObject({ uid: 0 });
    expect(implied).toEqual([""]);
  });

  test("a hard link to itself changes nothing; one to a replaced file has the old content", () => {
    files(
      { name: "a", data: "old" },
      { name: "a", type: "1", link: "./a" },
      { name: "b", type: "1", link: "/a" },
      { name: "a", data: "new" },
    );
    expect(readFileSync(at("a"), "utf8")).toBe("new");
    expect(readFileSync(at("b"), "utf8")).toBe("old");
  });

  test("more directories than descriptors are kept", () => {
    const entries: Example[] = [];
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 200; i++) entries.push({ name: `d${i}/f${round}`, data: String(i) });
      for (let i = 0; i < 200; i += 7) entries.push({ name: `h${round}-${i}`, type: "1", link: `d${i}/f${round}` });
    }
    const { implied, entries: count } = files(...entries);
    expect(count).toBe(entries.length);
    expect(implied).toHaveLength(201);
    for (let i = 0; i < 200; i++) expect(readFileSync(at(`d${i}/f2`), "utf8")).toBe(String(i));
  });
});

test("setuid bits and file capabilities outlive the change of owner", () => {
  const value = Buffer.from("0100000200040000000000000000000000000000", "hex").toString("latin1");
  files(pax({ "SCHILY.xattr.security.capability": value }), { name: "f", data: "x", uid: 5, gid: 6, mode: 0o6755 });
  expect(statSync(at("f")).mode & 0o7777).toBe(0o6755);
  expect(getXattr(at("f"), "security.capability")?.toString("latin1")).toBe(value);
});

test("sizes are the files' own", () => {
  const sparse = pax({ "GNU.sparse.size": "1000000", "GNU.sparse.map": "10,3" });
  expect(files({ name: "a", data: "12345" }, sparse, { name: "s", data: "abc" }).size).toBe(1_000_005);
  expect(statSync(at("s")).size).toBe(1_000_000);
  expect(statSync(at("s")).blocks).toBeLessThan(100);
  expect(existsSync(at("a"))).toBe(true);
});
