import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { close, openDirectory } from "./directory.ts";
import { makeNodeAt, S_IFCHR, S_IFIFO } from "./nodes.ts";
import { openRoot, type Root } from "./rooted.ts";

let outside: string;
let tree: string;
let root: Root;
beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), "gantry-rooted-"));
  tree = join(outside, "tree");
  mkdirSync(join(tree, "etc"), { recursive: true });
  writeFileSync(join(outside, "secret"), "host");
  root = openRoot(tree);
});
afterEach(() => {
  root.close();
  rmSync(outside, { recursive: true });
});

const node = (name: string, mode: number, major = 0, minor = 0) => {
  const fd = openDirectory(join(tree, "etc"));
  makeNodeAt(fd, name, mode, major, minor);
  close(fd);
};

describe("readFile", () => {
  test("reads a regular file, whole, and undefined where there is none", () => {
    writeFileSync(join(tree, "etc/passwd"), "root:x:0:0::/root:/bin/sh\n");
    expect(root.readFile("/etc/passwd", 1000)?.toString()).toBe("root:x:0:0::/root:/bin/sh\n");
    expect(root.readFile("etc/passwd", 26)?.length).toBe(26);
    expect(root.readFile("/etc/group", 1000)).toBeUndefined();
    expect(root.readFile("/etc/passwd/x", 1000)).toBeUndefined();
    writeFileSync(join(tree, "empty"), "");
    expect(root.readFile("empty", 0)?.length).toBe(0);
  });

  test("refuses what is longer than the limit", () => {
    writeFileSync(join(tree, "etc/passwd"), "x".repeat(101));
    expect(() => root.readFile("/etc/passwd", 100)).toThrow("/etc/passwd has 101 bytes, over 100");
  });

  test.each([
    "/etc/passwd",
    "../../../../../../../etc/passwd",
    "/proc/self/root/etc/passwd",
    "/../secret",
    "../secret",
  ])("a symbolic link to %s stays inside", (target) => {
    symlinkSync(target, join(tree, "etc/link"));
    expect(root.readFile("/etc/link", 1 << 20)).toBeUndefined();
  });

  test("an absolute link leads to the tree's own file", () => {
    writeFileSync(join(tree, "etc/real"), "inside");
    symlinkSync("/etc/real", join(tree, "etc/passwd"));
    symlinkSync("/../../etc", join(tree, "way"));
    expect(root.readFile("/etc/passwd", 100)?.toString()).toBe("inside");
    expect(root.readFile("/way/passwd", 100)?.toString()).toBe("inside");
  });

  test("a link to itself is an error, not a hang", () => {
    symlinkSync("passwd", join(tree, "etc/passwd"));
    expect(() => root.readFile("/etc/passwd", 100)).toThrow(/symbolic links/);
  });

  test("a FIFO neither blocks nor is read", () => {
    node("passwd", S_IFIFO | 0o666);
    expect(() => root.readFile("/etc/passwd", 100)).toThrow("/etc/passwd is not a regular file");
  });

  test("a device is not opened", () => {
    node("passwd", S_IFCHR | 0o666, 1, 5);
    expect(() => root.readFile("/etc/passwd", 100)).toThrow("/etc/passwd is not a regular file");
    expect(() => root.readFile("/etc", 100)).toThrow("/etc is not a regular file");
  });

  test("never leaves the tree while directories are moved in and out of it", () => {
    mkdirSync(join(tree, "a/b"), { recursive: true });
    writeFileSync(join(outside, "passwd"), "host");
    const worker = new Worker(
      URL.createObjectURL(
        new Blob([
          `const fs = require("node:fs");
           self.onmessage = ({ data: { tree, outside, flag } }) => {
             const stop = new Int32Array(flag);
             postMessage("on");
             while (Atomics.load(stop, 0) === 0) {
               try { fs.renameSync(tree + "/a/b", outside + "/b"); fs.renameSync(outside + "/b", tree + "/a/b"); } catch {}
             }
             postMessage("off");
           };`,
        ]),
      ),
    );
    const flag = new SharedArrayBuffer(4);
    const { promise: on, resolve: isOn } = Promise.withResolvers<void>();
    const { promise: off, resolve: isOff } = Promise.withResolvers<void>();
    worker.onmessage = ({ data }) => (data === "on" ? isOn() : isOff());
    worker.postMessage({ tree, outside, flag });
    return on
      .then(() => {
        for (let i = 0; i < 5000; i++) {
          try {
            expect(root.readFile("/a/b/../../../passwd", 100)).toBeUndefined();
            expect(root.readFile("/a/b/../../../secret", 100)).toBeUndefined();
          } catch (error) {
            // The kernel may give up on a path that keeps changing: that is safe.
            expect((error as { code?: string }).code).toBe("EAGAIN");
          }
        }
      })
      .finally(() => {
        Atomics.store(new Int32Array(flag), 0, 1);
        return off.then(() => worker.terminate());
      });
  });
});

describe("mkdirAll", () => {
  test("makes what is missing, with mode and owner, and leaves the rest", () => {
    root.mkdirAll("/etc/a/b", 0o751, 12, 34);
    for (const path of ["etc/a", "etc/a/b"]) {
      const { mode, uid, gid } = statSync(join(tree, path));
      expect([mode & 0o7777, uid, gid]).toEqual([0o751, 12, 34]);
    }
    const before = statSync(join(tree, "etc"));
    root.mkdirAll("etc/a/./b/../b/", 0o700, 0, 0);
    expect(statSync(join(tree, "etc")).mode).toBe(before.mode);
    expect(statSync(join(tree, "etc/a/b")).uid).toBe(12);
  });

  test("stays inside below symbolic links", () => {
    symlinkSync(outside, join(tree, "absolute"));
    symlinkSync("../../..", join(tree, "etc/up"));
    root.mkdirAll("/absolute/new", 0o755, 0, 0);
    root.mkdirAll("/etc/up/climbed", 0o755, 0, 0);
    root.mkdirAll("../../beside", 0o755, 0, 0);
    expect(existsSync(join(outside, "new"))).toBe(false);
    expect(existsSync(join(tree, outside, "new"))).toBe(true);
    expect(existsSync(join(tree, "climbed"))).toBe(true);
    expect(existsSync(join(tree, "beside"))).toBe(true);
    expect(existsSync(join(outside, "beside"))).toBe(false);
  });

  test("refuses a file on the way and links in a circle", () => {
    writeFileSync(join(tree, "file"), "");
    symlinkSync("circle", join(tree, "circle"));
    expect(() => root.mkdirAll("/file/x", 0o755, 0, 0)).toThrow(/Not a directory/);
    expect(() => root.mkdirAll("/circle/x", 0o755, 0, 0)).toThrow(/symbolic links/);
  });
});

test("stat, list and openDirectory look inside", () => {
  writeFileSync(join(tree, "etc/b"), "12345");
  writeFileSync(join(tree, "etc/a"), "");
  symlinkSync("/etc", join(tree, "link"));
  expect(root.list("/link")).toEqual(["a", "b"]);
  expect(root.list("/absent")).toBeUndefined();
  expect(root.stat("/link/b")).toMatchObject({ isFile: true, isDirectory: false, size: 5 });
  expect(root.stat("/")).toMatchObject({ isDirectory: true });
  expect(root.stat("/link/c")).toBeUndefined();
  renameSync(join(tree, "etc/a"), join(tree, "etc/c"));
  expect(root.stat("/link/c")?.size).toBe(0);
  close(root.openDirectory("/link"));
  expect(() => root.openDirectory("/etc/b")).toThrow(/Not a directory/);
});
