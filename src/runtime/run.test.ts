/** Containers to their end: exit codes, output, input, terminals, errors. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { readLogs } from "./logs/read.ts";
import { LaunchError } from "./runtime.ts";
import { input, type Lab, openLab, terminal } from "./testing/lab.ts";

let lab: Lab;
beforeAll(() => {
  lab = openLab("run");
});
afterAll(() => lab.close());

test("the version is crun's", async () => {
  expect(await lab.runtime.version()).toMatch(/^\d+\.\d+/);
});

test("output goes to its stream, and the exit code comes back", async () => {
  const result = await lab.run(["sh", "-c", "echo out; echo err >&2; exit 7"]);
  expect(result).toMatchObject({ code: 7, stdout: "out\n", stderr: "err\n", oomKilled: false });
  expect(result.at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
  expect(Math.abs(Date.parse(result.at) - Date.now())).toBeLessThan(60_000);
});

test("a signal is 128 and its number", async () => {
  const { id, process } = await lab.create(["sleep", "1000"]);
  await lab.runtime.start(id);
  await lab.runtime.kill(id, 9);
  expect((await process.exit).code).toBe(137);
  await expect(lab.runtime.kill(id, 9)).rejects.toThrow();
  await lab.runtime.remove(id);
});

test("100 MB of output are whole when the exit is told, in the log too", async () => {
  const { id, process, output } = await lab.create(["sh", "-c", "head -c 100000000 /dev/zero; echo end >&2"]);
  await lab.runtime.start(id);
  expect((await process.exit).code).toBe(0);
  expect(output.bytes).toBe(100_000_004);
  let logged = 0;
  for await (const record of readLogs(lab.logPath(id))) logged += record.data.length;
  expect(logged).toBe(100_000_004);
  await lab.runtime.remove(id);
}, 60_000);

test("a slow listener gets everything", async () => {
  const { id, process } = await lab.create(["head", "-c", "20000000", "/dev/zero"]);
  let bytes = 0;
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const handle = process.attachment.listen({
    data(_stream, chunk) {
      bytes += chunk.length;
      setTimeout(() => handle.resume(), 0);
      return false;
    },
    end: resolve,
  });
  await lab.runtime.start(id);
  expect((await process.exit).code).toBe(0);
  await ended;
  expect(bytes).toBe(20_000_000);
  await lab.runtime.remove(id);
}, 60_000);

test("a grandchild that keeps the output open does not hold back the exit", async () => {
  const { id, process, output } = await lab.create(["sh", "-c", "sleep 1000 & echo done"], {
    namespaces: { network: "private", pid: "host" },
  });
  await lab.runtime.start(id);
  expect((await process.exit).code).toBe(0);
  await output.ended;
  expect(output.stdout).toBe("done\n");
  expect((await lab.runtime.processes(id)).length).toBe(1);
  await lab.runtime.remove(id);
});

test("the end of the input is passed on", async () => {
  // Often, since it is a matter of order: data, end, exit.
  for (let i = 0; i < 20; i++) {
    const { id, process, output } = await lab.create(["cat"], {}, { streams: input });
    await lab.runtime.start(id);
    await process.attachment.write(Buffer.from(`x${i}`));
    process.attachment.closeStdin();
    expect((await process.exit).code).toBe(0);
    expect(output.stdout).toBe(`x${i}`);
    await lab.runtime.remove(id);
  }
}, 30_000);

test("input of some megabytes arrives whole", async () => {
  const { id, process, output } = await lab.create(["sha256sum"], {}, { streams: input });
  await lab.runtime.start(id);
  const data = Buffer.alloc(8 << 20, "gantry");
  await process.attachment.write(data);
  process.attachment.closeStdin();
  await process.exit;
  expect(output.stdout).toBe(`${new Bun.CryptoHasher("sha256").update(data).digest("hex")}  -\n`);
  await lab.runtime.remove(id);
}, 30_000);

test("input for several clients stays open", async () => {
  const { id, process, output } = await lab.create(
    ["head", "-n", "2"],
    {},
    { streams: { ...input, stdinOnce: false } },
  );
  await lab.runtime.start(id);
  await process.attachment.write(Buffer.from("a\n"));
  process.attachment.closeStdin();
  await process.attachment.write(Buffer.from("b\n"));
  expect((await process.exit).code).toBe(0);
  expect(output.stdout).toBe("a\nb\n");
  await lab.runtime.remove(id);
});

test("without input a process reads the end at once", async () => {
  expect(await lab.run(["cat"])).toMatchObject({ code: 0, stdout: "" });
});

test("a terminal has its size before the first instruction, and takes another", async () => {
  const { id, process, output } = await lab.create(
    ["sh", "-c", "trap 'stty size; exit' WINCH; stty size; while :; do read x; done"],
    { terminal: true },
    { streams: terminal, size: { rows: 33, columns: 99 } },
  );
  await lab.runtime.start(id);
  while (!output.stdout.includes("33 99\r\n")) await Bun.sleep(5);
  await process.resize(44, 111);
  await process.exit;
  expect(output.stdout).toBe("33 99\r\n44 111\r\n");
  await expect(process.resize(1, 1)).rejects.toThrow();
  await lab.runtime.remove(id);
});

test("what a terminal is sent, it echoes and gives to the process", async () => {
  const { id, process, output } = await lab.create(["head", "-n", "1"], { terminal: true }, { streams: terminal });
  await lab.runtime.start(id);
  await process.attachment.write(Buffer.from("typed\n"));
  expect((await process.exit).code).toBe(0);
  expect(output.stdout).toBe("typed\r\ntyped\r\n");
  await lab.runtime.remove(id);
});

test.each([
  [["nope"], "not-found", 'exec: "nope": executable file not found in $PATH'],
  [["/bin/nope"], "not-found", 'exec: "/bin/nope": stat /bin/nope: no such file or directory'],
  [["/bin/notes"], "not-executable", 'exec: "/bin/notes": permission denied'],
  [["/bin"], "not-executable", 'exec: "/bin": is a directory'],
] as const)("%j cannot be started", async (args, kind, message) => {
  const id = lab.newId();
  const failure = await lab.create([...args], {}, { id }).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(LaunchError);
  expect(failure).toMatchObject({ kind, message });
  expect(await lab.runtime.list()).not.toContain(id);
});

test("a folder that cannot be entered is an error with its reason", async () => {
  await expect(lab.create(["true"], { cwd: "/bin/notes" })).rejects.toThrow(/chdir/);
});

test("what is no program says so on its own output, as with Docker", async () => {
  const result = await lab.run(["/bin/garbage"]);
  expect(result.code).not.toBe(0);
  expect(result.stderr).toMatch(/exec format error/i);
});

test("an id that is a path is refused", async () => {
  await expect(lab.create(["true"], {}, { id: "../x" })).rejects.toThrow('invalid id "../x"');
  await expect(lab.runtime.remove("../x")).rejects.toThrow("invalid id");
});

test("the same id twice is refused, and the first goes on", async () => {
  const { id, process } = await lab.create(["sleep", "1000"]);
  await lab.runtime.start(id);
  await expect(lab.create(["true"], {}, { id })).rejects.toThrow();
  expect(await lab.runtime.processes(id)).toEqual([process.pid]);
  await lab.runtime.remove(id);
});

test("a log's path with a colon is refused", async () => {
  await expect(lab.create(["true"], {}, { logPath: `${lab.folder}/a:b` })).rejects.toThrow("colon");
});

test("many at once", async () => {
  const results = await Promise.all(
    Array.from({ length: 20 }, (_, i) => lab.run(["sh", "-c", `echo ${i}; exit ${i}`])),
  );
  expect(results.map(({ code, stdout }) => [code, stdout])).toEqual(results.map((_, i) => [i, `${i}\n`]));
}, 30_000);

test("a removed container leaves nothing", async () => {
  const { id, process } = await lab.create(["sh", "-c", "sleep 1000 & sleep 1000"]);
  await lab.runtime.start(id);
  expect(lab.runtime.isStarted(id)).toBe(true);
  const [first] = await lab.runtime.processes(id);
  expect(first).toBe(process.pid);
  await lab.runtime.remove(id);
  expect(existsSync(`/proc/${first}`)).toBe(false);
  expect(await lab.runtime.list()).not.toContain(id);
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  // The runtime's own program, until the runtime is closed.
  expect(mounts.filter((line) => line.includes(lab.folder) && !line.includes("crun.pinned"))).toEqual([]);
  expect(lab.runtime.cgroups.children(lab.runtime.cgroupParent)).not.toContain(id);
  await lab.runtime.remove(id);
});

test("a supervisor that is killed is told as such, and its container does not run on", async () => {
  const { id, process } = await lab.create(["sleep", "1000"]);
  await lab.runtime.start(id);
  const conmon = Number(readFileSync(`${lab.folder}/run/bundles/${id}/conmon.pid`, "utf8"));
  globalThis.process.kill(conmon, "SIGKILL");
  expect(await process.exit).toMatchObject({ code: 137, error: expect.stringContaining("conmon") });
  expect(await lab.runtime.processes(id)).toEqual([]);
  await lab.runtime.remove(id);
});

test("one that is killed before its start cannot be started", async () => {
  const { id, process } = await lab.create(["true"]);
  await lab.runtime.kill(id, 9);
  expect((await process.exit).code).toBe(137);
  await expect(lab.runtime.start(id)).rejects.toThrow("ended before it was started");
  await lab.runtime.remove(id);
});

test("a second start does nothing to one that runs", async () => {
  const { id, process, output } = await lab.create(["sh", "-c", "echo once; read x"], {}, { streams: input });
  await lab.runtime.start(id);
  while (output.stdout === "") await Bun.sleep(5);
  await expect(lab.runtime.start(id)).rejects.toThrow();
  process.attachment.closeStdin();
  await process.exit;
  expect(output.stdout).toBe("once\n");
  await lab.runtime.remove(id);
});
