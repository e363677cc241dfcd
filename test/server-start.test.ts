/** The server that a command starts when none runs, and servers that must not start. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import {
  describeNeeding,
  gantry,
  program,
  run,
  type Sandbox,
  type Server,
  sandboxNeeds,
  startSandbox,
  startServer,
} from "./harness/harness.ts";
import { makeHome } from "./harness/home.ts";
import { removeHome } from "./harness/sweep.ts";

const engine = ["root", "crun", "conmon", "nft"];
const notice = "Starting Gantry's server in the background; its log is /var/log/gantry/daemon.log\n";

describeNeeding(...engine, ...sandboxNeeds)("without a server, and with no word about hosts", () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await startSandbox();
  });
  beforeEach(async () => {
    await sandbox.end("SIGTERM");
    sandbox.configure({});
  });
  afterAll(() => sandbox?.cleanup());

  test("a command starts one, and says so and where its log is", async () => {
    const first = await sandbox.cli(["run", "--rm", "hello-world"]);
    expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/hello/i) });
    expect(first.stderr).toStartWith(notice);
    expect(readFileSync(join(sandbox.home.path, "log/gantry/daemon.log"), "utf8")).toContain("API listens on");
    const second = await sandbox.cli(["run", "--rm", "hello-world"]);
    expect(second).toEqual({ code: 0, stdout: first.stdout, stderr: "" });
    expect(sandbox.servers()).toHaveLength(1);
  });

  test("ten commands at once start one", async () => {
    const results = await Promise.all(
      Array.from({ length: 10 }, () => sandbox.cli(["version", "--format", "{{.Server.Os}}"])),
    );
    for (const { code, stdout } of results) expect({ code, stdout }).toEqual({ code: 0, stdout: "linux\n" });
    expect(results.map(({ stderr }) => stderr).filter((text) => text !== "")).toEqual([notice]);
    expect(sandbox.servers()).toHaveLength(1);
  });

  test("a socket that a killed server left is no server", async () => {
    expect(await sandbox.cli(["version"])).toMatchObject({ code: 0, stderr: notice });
    await sandbox.end("SIGKILL");
    expect((await sandbox.run(["test", "-S", "/run/gantry/gantry.sock"])).code).toBe(0);
    expect(await sandbox.cli(["ps", "-q"])).toEqual({ code: 0, stdout: "", stderr: notice });
  });

  test("one that cannot start is told with the end of its log", async () => {
    sandbox.configure({ frobnicate: 1 });
    const result = await sandbox.cli(["run", "hello-world"]);
    expect(result).toMatchObject({ code: 125, stdout: "" });
    expect(result.stderr).toContain("/var/log/gantry/daemon.log");
    expect(result.stderr).toContain("don't match any configuration option: frobnicate");
    // Only what this start said.
    expect(result.stderr).not.toContain("API listens on");
    expect(sandbox.servers()).toEqual([]);
    sandbox.configure({});
    expect(await sandbox.cli(["ps"])).toMatchObject({ code: 0 });
  });

  test("who is not root is told that it needs root for now", async () => {
    const person = [program("setpriv"), "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"];
    const executable = gantry.length > 1 ? gantry : [join(sandbox.home.path, "gantry")];
    if (gantry.length === 1) await run(["cp", gantry[0]!, executable[0]!]);
    const result = await sandbox.run([...person, ...executable, "ps"]);
    expect(result).toMatchObject({ code: 125, stdout: "" });
    expect(result.stderr).toContain("needs root for now");
    expect(result.stderr).toContain("/run/gantry/gantry.sock");
    expect(sandbox.servers()).toEqual([]);
  });

  test("none is started for a host that was named", async () => {
    const result = await sandbox.cli(["-H", "unix:///run/other.sock", "ps"]);
    expect(result).toMatchObject({ code: 1, stdout: "" });
    expect(result.stderr).toContain("unix:///run/other.sock");
    expect(sandbox.servers()).toEqual([]);
  });
});

describeNeeding(...engine)("what a server must not touch", () => {
  let server: Server;
  let file: string;
  let whole: Buffer;
  beforeAll(async () => {
    server = await startServer({ args: ["--embedded-hub", "only"] });
    expect(await server.cli(["run", "--name", "kept", "hello-world"])).toMatchObject({ code: 0 });
    await server.stop();
    file = join(server.dataRoot, "state.db");
    whole = readFileSync(file);
  }, 60_000);
  afterAll(() => server?.cleanup(), 60_000);

  /** Starts it on what `change` made of the database, and resolves with what it says; afterwards all is as before. */
  async function startOn(change: () => void): Promise<string> {
    change();
    const changed = readFileSync(file);
    const blobs = readdirSync(join(server.dataRoot, "content/blobs/sha256"));
    try {
      await server.restart();
    } catch (error) {
      expect(readFileSync(file).equals(changed)).toBe(true);
      expect(readdirSync(join(server.dataRoot, "content/blobs/sha256"))).toEqual(blobs);
      await Bun.write(file, whole);
      return (error as Error).message;
    }
    throw new Error("it started");
  }

  const patch = (position: number, text: string): void => {
    const descriptor = openSync(file, "r+");
    writeSync(descriptor, text, position);
    closeSync(descriptor);
  };

  const damages: [what: string, change: () => void][] = [
    ["that is something else", () => void Bun.write(file, "not a database at all, ".repeat(100))],
    ["with a page of rubbish", () => patch(4096, "rubbish".repeat(500))],
    ["that was cut", () => void Bun.write(file, whole.subarray(0, whole.length - 6000))],
  ];
  for (const [what, change] of damages) {
    test(`a database ${what}`, async () => {
      const said = await startOn(change);
      expect(said).toContain("the server ended with 1");
      for (const word of [`${file} is damaged`, "copy it", ".recover", "not touched"]) expect(said).toContain(word);
      expect(said).not.toMatch(/^ +at .*src\/daemon/m);
    });
  }

  test("a database of a newer Gantry", async () => {
    const said = await startOn(() => {
      const database = new Database(file);
      database.run("PRAGMA user_version = 999");
      database.close();
    });
    expect(said).toContain("written by a newer Gantry (state version 999");
    expect(said).toContain(`copy ${server.dataRoot} away`);
  });

  test("and starts again on the one that was saved", async () => {
    await server.restart();
    expect((await server.cli(["ps", "-a", "--format", "{{.Names}}"])).stdout).toBe("kept\n");
    expect(await server.cli(["run", "--rm", "hello-world"])).toMatchObject({ code: 0, stderr: "" });
  });
});

describeNeeding("root")("a data root on overlayfs", () => {
  test("is refused by name, by the server and by doctor", async () => {
    const home = makeHome();
    try {
      for (const name of ["lower", "upper", "work", "merged"]) mkdirSync(join(home.path, name));
      const options = ["lower", "upper", "work"].map((name) => `${name}dir=${home.path}/${name}`).join(",");
      const merged = join(home.path, "merged");
      expect(await run(["mount", "-t", "overlay", "overlay", "-o", options, merged])).toMatchObject({ code: 0 });
      const root = join(merged, "data");
      const own = ["-H", `unix://${home.path}/s`, "--exec-root", `${home.path}/run`, "--pidfile", `${home.path}/pid`];
      const argv = [...own, "--bridge", home.bridge, "--cgroup-parent", home.cgroupParent, "--data-root", root];
      const result = await run([...gantry, "daemon", ...argv]);
      expect(result.code).toBe(1);
      for (const word of [root, "overlayfs", "--data-root"]) expect(result.stderr).toContain(word);
      expect(existsSync(join(root, "state.db"))).toBe(false);
      const doctor = await run([...gantry, "doctor", "--data-root", root]);
      expect(doctor.code).not.toBe(0);
      expect(doctor.stdout + doctor.stderr).toContain("overlayfs");
    } finally {
      await removeHome(home);
    }
  });
});
