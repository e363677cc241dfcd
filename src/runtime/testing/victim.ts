/**
 * For tests: a server that is to be killed. Starts what `reconnect.test.ts` looks for, says so, and waits for its end.
 * Arguments: the lab's folder, and its root file system.
 */
import { createRuntime } from "../create.ts";
import { buildSpec } from "../spec/build.ts";
import { input, noInput } from "./lab.ts";

const [folder = "", rootfs = ""] = process.argv.slice(2);
const runtime = createRuntime({ execRoot: `${folder}/run` });

async function create(id: string, script: string, streams = noInput, terminal = false) {
  const spec = buildSpec({
    rootfs,
    args: ["sh", "-c", script],
    env: ["PATH=/bin"],
    cwd: "/",
    user: { uid: 0, gid: 0 },
    terminal,
    namespaces: { network: "private" },
  });
  return runtime.create({ id, spec, streams: { ...streams, terminal }, logPath: `${folder}/${id}.log` });
}

await create("goes-on", "i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); usleep 5000; done; exit 9");
await runtime.start("goes-on");
await create("ends-meanwhile", "read x; echo got $x; exit 4", { ...input, stdinOnce: true });
await runtime.start("ends-meanwhile");
await create("keeps-input", "while read x; do echo got $x; done; exit 5", { ...input, stdinOnce: false });
await runtime.start("keeps-input");
await create("never-started", "echo never");
const exec = await runtime.exec("keeps-input", {
  execId: "e1",
  process: { args: ["sleep", "1000"], env: ["PATH=/bin"], cwd: "/", user: { uid: 0, gid: 0 } },
  streams: noInput,
  detached: true,
});
console.log(JSON.stringify({ exec: exec.pid }));
// In the middle of making one, again and again, until killed.
for (let i = 0; ; i++) {
  const { exit } = await create(`half-${i}`, "exit 3");
  await runtime.start(`half-${i}`);
  await exit;
}
