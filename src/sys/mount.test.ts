import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  bindMount,
  flags,
  isMounted,
  listMounts,
  mount,
  mountConfigured,
  parseMounts,
  setPropagation,
  unmount,
} from "./mount.ts";
import { openUserNamespace } from "./userns.ts";

let folder: string;
beforeEach(() => {
  // A name with everything that mountinfo escapes.
  folder = realpathSync(mkdtempSync(join(tmpdir(), "gantry mount\t\\-")));
});
afterEach(() => {
  for (const { target } of listMounts().toReversed()) if (target.startsWith(folder)) unmount(target, { lazy: true });
  rmSync(folder, { recursive: true });
});
const path = (name: string) => {
  const all = join(folder, name);
  mkdirSync(all, { recursive: true });
  return all;
};

test("mounts, finds and unmounts a file system", () => {
  const target = path("a b");
  expect(isMounted(target)).toBe(false);
  mount("tmpfs", target, "tmpfs", flags.NOSUID, "size=1m");
  expect(isMounted(target)).toBe(true);
  expect(listMounts().find((one) => one.target === target)).toMatchObject({ type: "tmpfs", source: "tmpfs" });
  expect(unmount(target)).toBe(true);
  expect(unmount(target)).toBe(false);
  expect(isMounted(target)).toBe(false);
  expect(isMounted(join(folder, "absent"))).toBe(false);
  expect(unmount(join(folder, "absent"))).toBe(false);
  expect(() => mount("x", target, "nosuchfs")).toThrow(/mount .*No such device/);
});

test("binds, also read-only", () => {
  const [source, target] = [path("source"), path("target")];
  writeFileSync(join(source, "file"), "x");
  bindMount(source, target, { readonly: true });
  setPropagation(target, flags.PRIVATE);
  expect(existsSync(join(target, "file"))).toBe(true);
  expect(() => writeFileSync(join(target, "file"), "y")).toThrow("read-only");
  writeFileSync(join(source, "file"), "y");
});

test("configures by the newer calls, and tells what the kernel says", () => {
  const target = path("target");
  mountConfigured("tmpfs", target, [
    ["size", "1m"],
    ["mode", "0711"],
  ]);
  expect(statSync(target).mode & 0o7777).toBe(0o711);
  expect(() => mountConfigured("tmpfs", target, [["nosuch", "1"]])).toThrow(/nosuch/);
  expect(() => mountConfigured("overlay", target, [["lowerdir", join(folder, "absent")]])).toThrow(
    /No such file|absent/,
  );
});

test("mountinfo is parsed", () => {
  const text =
    "36 35 98:0 /mnt1 /mnt\\0402\\134x rw,noatime shared:1 master:2 - ext3 /dev/my\\011root rw,errors=continue\n" +
    "22 1 0:20 / /proc rw - proc proc rw\nbroken line\n";
  expect(parseMounts(text)).toEqual([
    {
      id: 36,
      parent: 35,
      device: "98:0",
      root: "/mnt1",
      target: "/mnt 2\\x",
      options: "rw,noatime",
      propagation: ["shared:1", "master:2"],
      type: "ext3",
      source: "/dev/my\troot",
      superOptions: "rw,errors=continue",
    },
    {
      id: 22,
      parent: 1,
      device: "0:20",
      root: "/",
      target: "/proc",
      options: "rw",
      propagation: [],
      type: "proc",
      source: "proc",
      superOptions: "rw",
    },
  ]);
});

test("a user namespace leaves no process behind", () => {
  const children = () => Bun.file(`/proc/${process.pid}/task/${process.pid}/children`).text();
  return children().then(async (before) => {
    const fd = openUserNamespace([{ container: 0, host: 100_000, size: 65_536 }], [{ container: 0, host: 5, size: 1 }]);
    expect(fd).toBeGreaterThan(2);
    require("node:fs").closeSync(fd);
    expect(await children()).toBe(before);
    expect(() => openUserNamespace([{ container: 0, host: 0, size: 0 }], [])).toThrow();
    expect(await children()).toBe(before);
  });
});
