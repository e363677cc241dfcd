import { timed } from "../clock.ts";
import type { Engine } from "../peers/engine.ts";
import { hot, idle, type Row, type Sides, side } from "../row.ts";

/** Starts the container on each engine and returns how to exec in it: `client` is Gantry's half. */
async function execIn(engines: Parameters<Row["start"]>[0], client: "docker" | "gantry"): Promise<Sides> {
  const there = [engines.dockerd, engines.gantry].filter((engine) => typeof engine !== "string");
  const name = `exec-${client}`;
  const end = async (): Promise<void> => {
    for (const engine of there) await engine.ask(["rm", "-f", name]);
  };
  const of = (engine: Engine, program: "docker" | "gantry") => ({
    label: `${program} exec c true`,
    once: () => timed(engine[program](["exec", name, "true"]), engine.env),
  });
  try {
    for (const engine of there) await engine.ask(["run", "-d", "--name", name, "bb", "sleep", "3600"]);
  } catch (error) {
    await end().catch(() => {});
    throw error;
  }
  return {
    dockerd: side(engines.dockerd, (engine) => of(engine, "docker")),
    gantry: side(engines.gantry, (engine) => of(engine, client)),
    end,
  };
}

const common = { unit: "ms", variants: [hot, idle], rounds: (asked: number) => asked, warmUp: 3 } as const;

/** A command in a running container, by the stock client on both servers. */
export const execStock: Row = {
  ...common,
  variants: [hot, idle],
  name: "exec-stock",
  title: "`docker exec c true`, stock client",
  goal: { ratio: 0.5 },
  start: (engines) => execIn(engines, "docker"),
};

/** The same as each product's user types it. */
export const execOurs: Row = {
  ...common,
  variants: [hot, idle],
  name: "exec-ours",
  title: "`gantry exec c true` against `docker exec c true`",
  goal: { ratio: 0.25 },
  start: (engines) => execIn(engines, "gantry"),
};
