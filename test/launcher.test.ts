/** `./gantry` and the set-up behind it, as a person meets them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describeNeeding, run } from "./harness/harness.ts";

const repository = resolve(import.meta.dir, "..");

describeNeeding("git")("the launcher", () => {
  let folder: string;
  let clone: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "gantry-launcher-"));
    chmodSync(folder, 0o755);
    clone = join(folder, "clone");
    const cloned = await run(["git", "-c", "safe.directory=*", "clone", "-q", "--no-hardlinks", repository, clone]);
    expect(cloned).toMatchObject({ code: 0 });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Stands for what was built: says its name and its arguments. */
  function build(): void {
    mkdirSync(join(clone, "dist"), { recursive: true });
    writeFileSync(join(clone, "dist/gantry"), '#!/bin/sh\necho "built: $*"\n', { mode: 0o755 });
  }

  test("with nothing to do it says nothing and executes what was built, from anywhere and through links", async () => {
    build();
    symlinkSync(join(clone, "gantry"), join(folder, "link"));
    symlinkSync("link", join(folder, "second"));
    for (const path of [join(clone, "gantry"), join(folder, "link"), join(folder, "second")]) {
      expect(await run([path, "a b", "c"], { cwd: "/" })).toEqual({ code: 0, stdout: "built: a b c\n", stderr: "" });
    }
  });

  test("sees a source that is newer than what was built, a test's excepted", async () => {
    build();
    const soon = new Date(Date.now() + 60_000);
    // Without npm it cannot build: that it tries is what is to be seen.
    const env = { PATH: "/usr/bin:/bin", HOME: folder };
    const asked = async () => (await run([join(clone, "gantry")], { env, cwd: "/" })).code;
    // Everything that the machine has, but for npm.
    const shell = join(folder, "programs");
    mkdirSync(shell);
    for (const name of readdirSync("/usr/bin")) {
      if (!/^(npm|npx|node|nodejs)$/.test(name)) symlinkSync(join("/usr/bin", name), join(shell, name));
    }
    expect(await asked()).toBe(0);
    utimesSync(join(clone, "src/daemon/configuration.test.ts"), soon, soon);
    expect(await asked()).toBe(0);
    utimesSync(join(clone, "src/main.ts"), soon, soon);
    const result = await run([join(clone, "gantry")], { env: { ...env, PATH: shell }, cwd: "/" });
    expect(result.code).toBe(1);
    expect(result.stdout).toBe("");
    expect(result.stderr).toContain("npm is missing: install Node.js");
  });

  test("what was executed keeps its exit code and its output apart", async () => {
    mkdirSync(join(clone, "dist"), { recursive: true });
    const built = join(clone, "dist/gantry");
    writeFileSync(built, "#!/bin/sh\necho out; echo err >&2; exit 7\n", { mode: 0o755 });
    const later = new Date(Date.now() + 120_000);
    utimesSync(built, later, later);
    expect(await run([join(clone, "gantry")], { cwd: "/" })).toEqual({ code: 7, stdout: "out\n", stderr: "err\n" });
  });
});

describeNeeding("root")("what was built", () => {
  const built = process.env.GANTRY_EXECUTABLE ?? join(repository, "dist/gantry");

  test("takes nothing from the folder where it is called", async () => {
    const folder = mkdtempSync(join(tmpdir(), "gantry-folder-"));
    try {
      writeFileSync(join(folder, "code.ts"), 'console.log("code of the folder was run");\n');
      writeFileSync(join(folder, "bunfig.toml"), 'preload = ["./code.ts"]\n');
      writeFileSync(join(folder, ".env"), "GANTRY_HOST=unix:///nonexistent/of-the-folder.sock\n");
      const env = { PATH: process.env.PATH, HOME: folder, DOCKER_HOST: "unix:///nonexistent/asked-for.sock" };
      const { stdout, stderr } = await run([built, "ps"], { cwd: folder, env });
      expect(stdout).toBe("");
      expect(stderr).toContain("/nonexistent/asked-for.sock");
      expect(stderr).not.toContain("of-the-folder");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("is one executable, and doctor says with it that containers can run", async () => {
    expect(statSync(built).mode & 0o111).not.toBe(0);
    const { code, stdout } = await run([built, "doctor", "--json"], { cwd: "/" });
    const checks = JSON.parse(stdout) as
      | { name: string; status: string }[]
      | { checks: { name: string; status: string }[] };
    const list = Array.isArray(checks) ? checks : checks.checks;
    expect(list.filter((check) => check.status === "failed")).toEqual([]);
    expect(list.map((check) => check.name)).toEqual(
      expect.arrayContaining(["cgroups", "crun", "conmon", "nft", "data root"]),
    );
    expect(code).toBe(0);
  });
});
