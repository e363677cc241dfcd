import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Architecture } from "../../sys/elf.ts";
import { makePlacer } from "./placer.ts";

const native: Architecture = process.arch === "arm64" ? "arm64" : "amd64";
const emulators: Record<Architecture, string> = {
  amd64: "/usr/bin/qemu-x86_64-static",
  arm64: "/usr/bin/qemu-aarch64-static",
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-placer-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

for (const architecture of ["amd64", "arm64"] as const) {
  const emulator = architecture === native ? [] : [emulators[architecture]];
  const group = emulator.every(existsSync) ? describe : describe.skip;
  group(`the placer for ${architecture}`, () => {
    const run = (args: string[], env: Record<string, string> = {}) => {
      const path = join(folder, architecture);
      writeFileSync(path, makePlacer(architecture), { mode: 0o755 });
      const { exitCode, stdout, stderr } = Bun.spawnSync([...emulator, path, ...args], { env });
      return { exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
    };

    test("writes 0 to each file, then is the program, with its arguments and environment", () => {
      const files = ["a", "b", "c"].map((name) => join(folder, name));
      for (const file of files) writeFileSync(file, "");
      const result = run([...files, "", "/bin/sh", "-c", 'echo "$0 $1 $GREETING"', "one", "two words"], {
        GREETING: "hello",
      });
      expect(result).toEqual({ exitCode: 0, stdout: "one two words hello\n", stderr: "" });
      expect(files.map((file) => readFileSync(file, "utf8"))).toEqual(["0", "0", "0"]);
    });

    test("does without files", () => {
      expect(run(["", "/bin/sh", "-c", "exit 7"]).exitCode).toBe(7);
    });

    test.each([[[join("/nonexistent", "tasks"), "", "/bin/true"]], [["", "/nonexistent/program"]], [[""]], [[]]])(
      "complains and ends with 125: %j",
      (args) => {
        expect(run(args)).toEqual({ exitCode: 125, stdout: "", stderr: "cannot enter the control group\n" });
      },
    );
  });
}
