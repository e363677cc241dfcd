import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { newId } from "../engine/identifier.ts";
import { createRuntime } from "./create.ts";
import { type Lab, noInput, openLab } from "./testing/lab.ts";

let lab: Lab;
beforeAll(() => {
  lab = openLab("waiting");
  lab.runtime.keepReady({
    count: 2,
    newId,
    openLog: (id) => {
      mkdirSync(`${lab.folder}/ready`, { recursive: true });
      return `${lab.folder}/ready/${id}`;
    },
    dropLog: (id) => rmSync(`${lab.folder}/ready/${id}`, { force: true }),
    log: (message) => console.error(message),
  });
});
afterAll(async () => {
  await lab.runtime.stopWaiting();
  await lab.close();
});

/** The ID of a pair that waits. Asked for too often, none is made: they are for the pauses between containers. */
async function reserve(): Promise<string> {
  for (let round = 0; round < 100; round++) {
    const id = lab.runtime.reserve();
    if (id !== undefined) return id;
    await Bun.sleep(100);
  }
  throw new Error("no supervisor waits");
}

const log = (id: string) => ({ id, logPath: `${lab.folder}/ready/${id}` });

test("a container takes the supervisor that waits: output, log, exit code, groups and limits", async () => {
  const id = await reserve();
  const resources = { pids: { limit: 17 } };
  const command = "echo out; echo err >&2; cat /proc/self/cgroup; cat /proc/1/status; exit 7";
  const { code, stdout, stderr } = await lab.run(["sh", "-c", command], { resources }, log(id));
  expect(code).toBe(7);
  expect(stderr).toBe("err\n");
  expect(stdout).toStartWith("out\n");
  expect(stdout).toContain(`/${id}\n`);
  expect(stdout).toMatch(/^Seccomp:\t2$/m);
  expect(readFileSync(log(id).logPath, "utf8")).toMatch(/ stdout F out\n/);
});

test("one that cannot be started is told as ever", async () => {
  const id = await reserve();
  await expect(lab.create(["nope"], {}, log(id))).rejects.toThrow("executable file not found");
  expect(existsSync(`${lab.folder}/run/bundles/${id}`)).toBe(false);
});

test("a container of another kind under a reserved ID gets a supervisor of its own", async () => {
  const id = await reserve();
  const streams = { terminal: false, openStdin: true, stdinOnce: true };
  const { process, output } = await lab.create(["cat"], {}, { ...log(id), streams });
  await lab.runtime.start(id);
  await process.attachment.write(Buffer.from("hello"));
  process.attachment.closeStdin();
  expect((await process.exit).code).toBe(0);
  expect(output.stdout).toBe("hello");
  await lab.runtime.remove(id);
});

test("a reserved ID that nobody uses is given up, and can be used all the same", async () => {
  const id = await reserve();
  while (existsSync(`${lab.folder}/run/bundles/${id}`)) await Bun.sleep(50);
  expect((await lab.run(["sh", "-c", "exit 5"], {}, log(id))).code).toBe(5);
});

test("what waits is no container, and a later server sweeps what a killed one left waiting", async () => {
  const id = await reserve();
  const next = createRuntime({ execRoot: `${lab.folder}/run`, cgroupParent: lab.runtime.cgroupParent });
  expect(await next.list()).toContain(id);
  expect(await next.reconnect(id, noInput)).toBeUndefined();
  await next.remove(id);
  expect(await next.list()).not.toContain(id);
  next.close();
});
