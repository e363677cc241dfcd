import { afterAll, expect, test } from "bun:test";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandScript } from "./command.ts";
import { collectLines } from "./lines.ts";
import { plan } from "./plan.ts";
import { qemuArguments } from "./qemu.ts";
import { stageTree } from "./tree.ts";

const folder = mkdtempSync(join(tmpdir(), "gantry-vm-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("lines that come in pieces, in the middle of a character too", () => {
  const seen: string[] = [];
  const lines = collectLines(2, (line) => seen.push(line));
  const bytes = new TextEncoder().encode("one\r\ntwö\nthree\nrest");
  for (const byte of bytes) lines.add(Uint8Array.of(byte));
  expect(seen).toEqual(["one", "twö", "three"]);
  expect(lines.last()).toEqual(["three", "rest"]);
  lines.add(new TextEncoder().encode("x".repeat(100_000)));
  expect(lines.last().join("").length).toBeLessThan(100_100);
  expect(seen.length).toBe(4);
});

test("commands reach the shell as they are", async () => {
  const script = commandScript(["printf", "%s|", "it's", "a b", "$HOME", ""], { WORD: "`x` 'y'" });
  const shell = Bun.spawn(["sh", "-c", script], { stdout: "pipe" });
  expect(await shell.stdout.text()).toBe("it's|a b|$HOME||");
  const environment = Bun.spawn(["sh", "-c", commandScript(["env"], { WORD: "`x` 'y'" })], { stdout: "pipe" });
  expect(await environment.stdout.text()).toContain("WORD=`x` 'y'\n");
  expect(() => commandScript(["true"], { "A;B": "" })).toThrow("A;B cannot be");
});

test("the emulator's arguments", () => {
  const argv = qemuArguments({
    accelerator: "tcg",
    cpus: 2,
    memory: 512,
    kernel: "/k",
    kernelArguments: ["debug"],
    disks: ["/a,b", "/c"],
    ports: { output: "/s" },
  });
  expect(argv.join(" ")).toContain("-accel tcg,thread=multi -cpu max -smp 2 -m 512 -kernel /k -append console=ttyS0");
  expect(argv.filter((word) => word.startsWith("if=none")).map((word) => word.replace(/.*file=/, ""))).toEqual([
    "/a,,b",
    "/c",
  ]);
  expect(argv).toContain("virtserialport,chardev=output,name=output");
});

test("lays a tree of files, folders and links, without what is left out", () => {
  const from = join(folder, "from");
  mkdirSync(join(from, "deep/skip"), { recursive: true });
  writeFileSync(join(from, "deep/a"), "12345");
  writeFileSync(join(from, "deep/skip/b"), "b");
  symlinkSync("a", join(from, "deep/link"));
  const to = join(folder, "to");
  mkdirSync(to);
  const staged = stageTree(to, { "x/y": from, single: join(from, "deep/a") }, (path) => path.endsWith("/skip"));
  expect(staged).toEqual({ files: 2, bytes: 10 });
  expect(readdirSync(join(to, "x/y/deep")).sort()).toEqual(["a", "link"]);
  expect(readlinkSync(join(to, "x/y/deep/link"))).toBe("a");
  expect(readFileSync(join(to, "single"), "utf8")).toBe("12345");
});

test("runs chosen tests alone, the usual ones after the machine check", () => {
  const all = { patterns: [], quick: false, name: undefined, built: true };
  expect(plan({ ...all, patterns: ["a b"], name: "c" })).toBe(
    "code=0\nbun scripts/test.ts 'a b' '-t' 'c' || code=1\nexit $code",
  );
  expect(plan(all)).toContain("doctor --json || code=1\nbun scripts/test.ts 'test/vm/platform'");
  expect(plan({ ...all, built: false })).not.toMatch(/dist\/gantry|hello-world/);
  expect(plan({ ...all, quick: true }).length).toBeLessThan(plan(all).length);
});
