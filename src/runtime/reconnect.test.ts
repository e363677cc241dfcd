/** The server is killed with -9, and another one takes over. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { createRuntime } from "./create.ts";
import { readLogs } from "./logs/read.ts";
import { collect, input, type Lab, noInput, openLab } from "./testing/lab.ts";

let lab: Lab;
beforeEach(() => {
  lab = openLab("reconnect");
});
afterEach(() => lab.close());

/** Starts the victim in the lab, and kills it when it says that all is up. */
async function killServer(milliseconds: number): Promise<void> {
  const victim = Bun.spawn([process.execPath, `${import.meta.dir}/testing/victim.ts`, lab.folder, lab.rootfs], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const reader = victim.stdout.getReader();
    const { value } = await reader.read();
    expect(Buffer.from(value!).toString()).toContain("exec");
    await Bun.sleep(milliseconds);
  } finally {
    victim.kill(9);
    await victim.exited;
  }
}

async function logOf(id: string): Promise<string> {
  let text = "";
  for await (const record of readLogs(lab.logPath(id))) text += Buffer.from(record.data).toString();
  return text;
}

test("containers run on; exits, logs and input are found again", async () => {
  await killServer(20);
  const runtime = lab.runtime;

  const ended = await runtime.reconnect("ends-meanwhile", input);
  // Its one client's connection went with the server: it read the end of its input.
  expect((await ended!.exit).code).toBe(4);
  expect(ended!.attachment.ended).toBe(true);
  expect(await logOf("ends-meanwhile")).toBe("got\n");

  const kept = (await runtime.reconnect("keeps-input", { ...input, stdinOnce: false }))!;
  const output = collect(kept);
  await kept.attachment.write(Buffer.from("again\n"));
  while (output.stdout !== "got again\n") await Bun.sleep(5);
  expect(runtime.isStarted("keeps-input")).toBe(true);
  expect((await runtime.processes("keeps-input")).length).toBeGreaterThan(1);
  await runtime.kill("keeps-input", 9);
  expect((await kept.exit).code).toBe(137);

  const going = (await runtime.reconnect("goes-on", noInput))!;
  expect((await going.exit).code).toBe(9);
  expect(await logOf("goes-on")).toBe(Array.from({ length: 400 }, (_, i) => `line ${i}\n`).join(""));

  const waiting = (await runtime.reconnect("never-started", noInput))!;
  expect(runtime.isStarted("never-started")).toBe(false);
  const late = collect(waiting);
  await runtime.start("never-started");
  expect((await waiting.exit).code).toBe(0);
  expect(late.stdout).toBe("never\n");

  expect(await runtime.reconnect("never-was", noInput)).toBeUndefined();
}, 30_000);

test("what ended while no server ran is found", async () => {
  const { id } = await lab.create(["sh", "-c", "usleep 100000; echo bye; exit 6"]);
  await lab.runtime.start(id);
  lab.runtime.close();
  const conmon = readFileSync(`${lab.folder}/run/bundles/${id}/conmon.pid`, "utf8");
  while (existsSync(`/proc/${conmon}`)) await Bun.sleep(5);
  const next = createRuntime({ execRoot: `${lab.folder}/run` });
  const process = (await next.reconnect(id, noInput))!;
  expect(process.attachment.ended).toBe(true);
  expect((await process.exit).code).toBe(6);
  expect(await logOf(id)).toBe("bye\n");
  await next.remove(id);
  next.close();
});

test("whatever the moment, the sweep leaves nothing", async () => {
  for (const milliseconds of [0, 7, 13, 29, 41]) {
    await killServer(milliseconds);
    const ids = await lab.runtime.list();
    expect(ids).toEqual(expect.arrayContaining(["goes-on", "never-started"]));
    for (const id of ids) await lab.runtime.remove(id);
    expect(await lab.runtime.list()).toEqual([]);
    // The processes of the lab: nothing but this one speaks of its folder.
    expect(processesOf(lab.folder)).toEqual([]);
  }
}, 60_000);

test("several runtimes side by side do not see each other", async () => {
  const other = createRuntime({ execRoot: `${lab.folder}/other` });
  const { id } = await lab.create(["sleep", "1000"]);
  await lab.runtime.start(id);
  expect(await other.list()).toEqual([]);
  expect(await lab.runtime.list()).toEqual([id]);
  expect(await other.reconnect(id, noInput)).toBeUndefined();
  await other.remove(id);
  expect((await lab.runtime.processes(id)).length).toBe(1);
  other.close();
});

function processesOf(folder: string): string[] {
  const found = Bun.spawnSync(["ps", "-eo", "pid,args"]).stdout.toString().split("\n");
  return found.filter((line) => line.includes(folder) && !line.includes("ps -eo"));
}
