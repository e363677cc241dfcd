/**
 * The server is killed with -9 at random points of run, pull and rm, and started again: everything acknowledged is
 * there, nothing half-made is left. The points are drawn from a seed, which a failure names.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  buildImage,
  busyboxImage,
  describeNeeding,
  realRegistry,
  type Server,
  startServer,
  type TestRegistry,
} from "./harness/harness.ts";

const seed = Number(process.env.GANTRY_SEED ?? Date.now() % 1_000_000);

/** Numerical Recipes' linear congruence: good enough to choose moments, the same on every machine. */
function random(): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

interface Summary {
  Id: string;
  State: string;
  Names: string[];
}

describeNeeding(
  "root",
  "crun",
  "conmon",
  "nft",
  "docker-registry",
)(`killed at twenty moments (GANTRY_SEED=${seed})`, () => {
  let server: Server;
  let registry: TestRegistry;
  let base: string;
  let large: string;
  let survivor: Summary & { pid: number };

  beforeAll(async () => {
    registry = await realRegistry();
    base = await registry.push(await busyboxImage(), "bb");
    const file = (name: string) => ({ name, data: Buffer.alloc(400_000, name) });
    const layers = [0, 1, 2].map((layer) => Array.from({ length: 8 }, (_, at) => file(`layer${layer}/file${at}`)));
    large = await registry.push(buildImage(layers, { config: { Cmd: ["/none"] } }), "large");
    server = await startServer({ args: ["--embedded-hub", "off"] });
    expect(await server.cli(["pull", base])).toMatchObject({ code: 0 });
    const script = "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.05; done";
    expect(await server.cli(["run", "-d", "--name", "survivor", base, "sh", "-c", script])).toMatchObject({ code: 0 });
    survivor = { ...(await find("survivor"))!, pid: await pidOf("survivor") };
  }, 120_000);

  afterAll(async () => {
    await server?.cleanup();
    await registry?.cleanup();
  }, 60_000);

  const list = async (): Promise<Summary[]> =>
    (await server.request("/containers/json?all=1")).json() as Promise<Summary[]>;
  const find = async (name: string) => (await list()).find((one) => one.Names[0] === `/${name}`);
  async function pidOf(name: string): Promise<number> {
    const inspected = (await (await server.request(`/containers/${name}/json`)).json()) as { State: { Pid: number } };
    return inspected.State.Pid;
  }
  const isFifo = (path: string): boolean => existsSync(path) && lstatSync(path).isFIFO();
  const names = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

  /** What is on disk and in the kernel against what the server says that there is. */
  async function checkNothingHalfMade(): Promise<void> {
    const containers = await list();
    // Supervisors that wait for containers to come are at work, not left over: crun waits at a FIFO.
    const bundles = join(server.execRoot, "runtime/bundles");
    const waiting = names(bundles).filter((id) => isFifo(join(bundles, id, "config.json")));
    expect(waiting.length).toBeLessThanOrEqual(2);
    const ids = [...containers.map((one) => one.Id), ...waiting].sort();
    const running = [...containers.filter((one) => one.State === "running").map((one) => one.Id), ...waiting];
    expect(names(join(server.dataRoot, "containers")).filter((id) => !ids.includes(id))).toEqual([]);
    expect(names(join(server.execRoot, "runtime/bundles")).filter((id) => !running.includes(id))).toEqual([]);
    // crun keeps a `.cache` there from 1.9 on.
    const known = names(join(server.execRoot, "runtime/crun")).filter((name) => !name.startsWith("."));
    expect(known.filter((id) => !running.includes(id))).toEqual([]);
    const mounted = readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => line.includes(` ${server.dataRoot}/`));
    expect(mounted.filter((line) => !running.some((id) => line.includes(id)))).toEqual([]);
    const group = `/sys/fs/cgroup${existsSync("/sys/fs/cgroup/cgroup.controllers") ? "" : "/pids"}${server.home.cgroupParent}`;
    const groups = names(group).filter((name) => /^[0-9a-f]{64}$/.test(name));
    expect(groups.filter((id) => !running.includes(id))).toEqual([]);
    const namespaces = names(join(server.execRoot, "runtime/netns")).filter((name) => /^[0-9a-f]{64}$/.test(name));
    expect(namespaces.filter((id) => !running.includes(id))).toEqual([]);
  }

  async function checkSurvivor(): Promise<void> {
    expect(await find("survivor")).toMatchObject({ Id: survivor.Id, State: "running" });
    expect(await pidOf("survivor")).toBe(survivor.pid);
    expect(existsSync(`/proc/${survivor.pid}`)).toBe(true);
  }

  test("keeps what it acknowledged and nothing else", async () => {
    const pick = random();
    const kept = new Set<string>();
    const removed = new Set<string>();
    for (let round = 0; round < 20; round++) {
      const name = `round${round}`;
      const victim = [...kept][pick(Math.max(1, kept.size))];
      const commands = [
        ["run", "-d", "--name", name, base, "sleep", "1000"],
        ["run", "--name", name, base, "sh", "-c", "echo done; exit 7"],
        ["pull", large],
        victim ? ["rm", "-f", victim] : ["run", "-d", "--name", name, base, "sleep", "1000"],
      ];
      const command = commands[round % commands.length]!;
      const acting = server.cli(command);
      await Bun.sleep(pick(round % commands.length === 2 ? 250 : 90));
      await server.kill9();
      const result = await acting;
      await server.restart();
      const context = `round ${round}: ${command.join(" ")} ended with ${result.code}`;
      const acknowledged = result.code === 0 || result.code === 7;
      if (command[0] === "rm") {
        kept.delete(victim!);
        if (acknowledged) removed.add(victim!);
      }
      if (command[0] === "pull") {
        const { status } = await server.request(`/images/${encodeURIComponent(large)}/json`);
        if (acknowledged) expect(`${context}: ${status}`).toBe(`${context}: 200`);
        await server.cli(["rmi", large]);
      } else if (acknowledged) {
        const found = command[0] === "run" ? await find(name) : undefined;
        if (command[0] === "run") {
          expect(`${context}: ${found?.State}`).toBe(`${context}: ${command[1] === "-d" ? "running" : "exited"}`);
          kept.add(name);
          if (command[1] !== "-d") {
            expect(await server.cli(["logs", name])).toMatchObject({ stdout: "done\n" });
            expect(await server.cli(["wait", name])).toMatchObject({ stdout: "7\n" });
          }
        }
      } else if (command[0] === "run" && (await find(name))) {
        kept.add(name);
      }
      for (const gone of removed) expect(await find(gone)).toBeUndefined();
      for (const still of kept) expect(await find(still)).toBeDefined();
      await checkNothingHalfMade();
      await checkSurvivor();
    }
    expect(await server.cli(["run", "--rm", base, "echo", "works"])).toMatchObject({ code: 0, stdout: "works\n" });
    expect(await server.cli(["pull", large])).toMatchObject({ code: 0 });
  }, 300_000);

  test("the survivor's log has every line, in order", async () => {
    const { stdout } = await server.cli(["logs", "survivor"]);
    const numbers = stdout
      .trimEnd()
      .split("\n")
      .map((line) => Number(line.replace("line ", "")));
    expect(numbers.length).toBeGreaterThan(20);
    expect(numbers).toEqual(numbers.map((_, at) => at + 1));
  });
});
