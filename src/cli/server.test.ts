import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/gantry-start-`);
});
afterEach(() => {
  for (const pid of started()) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It ended by itself.
    }
  }
  rmSync(folder, { recursive: true });
});

/** The process ids of the servers that were started. */
function started(): number[] {
  try {
    return readFileSync(`${folder}/started`, "utf8").trim().split("\n").map(Number);
  } catch {
    return [];
  }
}

/** Calls startServer in a process of its own, as commands do. */
async function start(server: string[]): Promise<{ code: number; text: string; error: string }> {
  const options = { command: server, logFile: `${folder}/log/daemon.log`, patience: 20 };
  const source = `
    import { startServer } from ${JSON.stringify(`${import.meta.dir}/server.ts`)};
    try {
      await startServer("unix://${folder}/run/s.sock", ${JSON.stringify(options)});
      console.log("up");
    } catch (error) {
      console.log(error.message);
      process.exitCode = error.status;
    }`;
  const child = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe", stderr: "pipe" });
  const [text, error, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, text, error };
}

test("ten commands at once start one server, and say so once", async () => {
  writeFileSync(
    `${folder}/server.ts`,
    `import { appendFileSync } from "node:fs";
     appendFileSync("${folder}/started", process.pid + "\\n");
     await Bun.sleep(100);
     Bun.serve({ unix: "${folder}/run/s.sock", fetch: () => new Response("OK") });`,
  );
  const results = await Promise.all(Array.from({ length: 10 }, () => start([process.execPath, `${folder}/server.ts`])));
  expect(results.map(({ text }) => text)).toEqual(Array(10).fill("up\n"));
  expect(started()).toHaveLength(1);
  expect(results.filter(({ error }) => error !== "").map(({ error }) => error)).toEqual([
    `Starting Gantry's server in the background; its log is ${folder}/log/daemon.log\n`,
  ]);
}, 60_000);

test("a server that ends is told with the end of its log", async () => {
  const { code, text } = await start(["sh", "-c", "echo first; echo the reason >&2; exit 3"]);
  expect(text).toBe(
    `Gantry's server ended with 3 before it answered. The end of its log, ${folder}/log/daemon.log:\nfirst\nthe reason\n`,
  );
  expect(code).toBe(125);
});
