/** The harness: both servers, the same images, every row. See main.ts for how it is called. */
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { homeName, homesRoot } from "../test/harness/home.ts";
import { busyboxImage } from "../test/harness/image.ts";
import { find, program } from "../test/harness/programs.ts";
import { realRegistry } from "../test/harness/registry.ts";
import { cleanEnvironment, run } from "../test/harness/run.ts";
import { sweep } from "../test/harness/sweep.ts";
import { timed } from "./clock.ts";
import { fiveLayers } from "./images.ts";
import { describeMachine, mountControllers } from "./machine.ts";
import { lacksDockerd, startDockerd, sweepRules } from "./peers/dockerd.ts";
import type { Engine } from "./peers/engine.ts";
import { lacksGantry, startGantry } from "./peers/gantry.ts";
import { lineOf, markdown, type Report, terminalTable } from "./report.ts";
import type { Engines } from "./row.ts";
import { allRows, chooseRows } from "./rows/rows.ts";
import { summary } from "./statistics.ts";
import { type Measured, measure } from "./turns.ts";

const page = resolve(import.meta.dir, "../docs/performance.md");
/** ms; what takes longer hangs. */
const limit = 30 * 60_000;

const say = (text: string): void => void console.error(`bench: ${text}`);

interface Options {
  names: string[];
  rounds: number;
  json: boolean;
}

function options(argv: string[]): Options {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { rounds: { type: "string", default: "30" }, json: { type: "boolean", default: false } },
  });
  if (!/^[1-9]\d{0,3}$/.test(values.rounds)) throw new Error(`--rounds ${values.rounds}: a number from 1 to 9999`);
  chooseRows(allRows({ five: "" }), positionals);
  return { names: positionals, rounds: Number(values.rounds), json: values.json };
}

/** Removes what a bench that was killed left behind. */
async function sweepDead(): Promise<void> {
  const owners = readdirSync(homesRoot).flatMap((name) => homeName.exec(name)?.[1] ?? []);
  for (const owner of new Set(owners)) {
    if (isAlive(Number(owner))) continue;
    say(`removing what an earlier run left behind (${(await sweep(Number(owner))).length} things)`);
  }
}

/** A zombie is not: who should wait for it may be slow. */
function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

async function start(name: string, lack: string | undefined, begin: () => Promise<Engine>): Promise<Engine | string> {
  if (lack !== undefined) return lack;
  try {
    return await begin();
  } catch (error) {
    return `${name} does not start: ${(error as Error).message}`;
  }
}

/** Gives an engine the images; on failure it takes no part. */
async function supply(engine: Engine | string, busybox: string, five: string): Promise<Engine | string> {
  if (typeof engine === "string") return engine;
  try {
    await engine.ask(["pull", busybox]);
    await engine.ask(["tag", busybox, "bb"]);
    await engine.ask(["pull", five]);
    return engine;
  } catch (error) {
    await engine.cleanup().catch((trouble: Error) => say(trouble.message));
    return (error as Error).message;
  }
}

export async function main(argv: string[]): Promise<number> {
  const { names, rounds, json } = options(argv);
  await sweepDead();
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => interrupt.abort(new Error(name)));
  const timer = setTimeout(() => interrupt.abort(new Error("it takes too long")), limit);
  const endings: (() => Promise<void>)[] = [() => Promise.resolve(clearTimeout(timer))];
  try {
    if (!find("docker-registry")) throw new Error("docker-registry is missing (scripts/setup test fetches it)");
    const registry = await realRegistry();
    endings.push(registry.cleanup);
    const busybox = await registry.push(await busyboxImage(), "bb");
    const five = await registry.push(fiveLayers(), "five");
    // Gantry first: what it repairs of hybrid cgroups must be as it stays when dockerd starts.
    const gantry = await supply(await start("gantry", lacksGantry(), startGantry), busybox, five);
    if (typeof gantry !== "string") endings.push(gantry.cleanup);
    const lack = lacksDockerd();
    if (lack === undefined) await sweepRules();
    if (lack === undefined) for (const name of mountControllers()) say(`mounted the cgroup controller ${name}`);
    const dockerd = await supply(await start("dockerd", lack, startDockerd), busybox, five);
    if (typeof dockerd !== "string") endings.push(dockerd.cleanup);
    for (const one of [gantry, dockerd]) if (typeof one === "string") say(one);

    const engines: Engines = { dockerd, gantry };
    const measured: Measured[] = [];
    const empty = [];
    for (let round = 0; round < 20; round++) empty.push(await timed([program("busybox"), "true"], cleanEnvironment()));
    for (const row of chooseRows(allRows({ five }), names)) {
      measured.push(...(await measure(row, engines, { rounds, signal: interrupt.signal, progress: say })));
    }
    const report: Report = {
      machine: describeMachine(),
      versions: await versions(engines),
      overhead: summary(empty),
      rounds,
      lines: measured.map(lineOf),
    };
    console.log(json ? JSON.stringify(report, null, 2) : terminalTable(report));
    // The page is of a whole run.
    if (names.length === 0 && typeof dockerd !== "string" && typeof gantry !== "string") {
      await Bun.write(page, markdown(report));
      say(`wrote ${page}`);
    }
    return 0;
  } finally {
    for (const end of endings.reverse()) await end().catch((error: Error) => say(error.message));
  }
}

async function versions({ dockerd, gantry }: Engines): Promise<Record<string, string>> {
  const found: Record<string, string> = { Bun: Bun.version };
  for (const name of ["crun", "conmon"]) {
    const path = find(name);
    if (path) found[name] = (await run([path, "--version"])).stdout.split("\n")[0]!.trim();
  }
  for (const one of [dockerd, gantry]) if (typeof one !== "string") Object.assign(found, one.versions);
  return found;
}
