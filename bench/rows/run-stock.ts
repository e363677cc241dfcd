import { timed } from "../clock.ts";
import { hot, idle, type Row, side } from "../row.ts";

const command = ["run", "--rm", "bb", "true"];

/** A whole run on the default bridge, by the stock client on both servers. */
export const runStock: Row = {
  name: "run-stock",
  title: "`docker run --rm bb true`, stock client",
  unit: "ms",
  goal: { ratio: 0.2, aim: 0.12 },
  variants: [hot, idle],
  rounds: (asked) => asked,
  warmUp: 3,
  async start(engines) {
    const of = (name: "dockerd" | "gantry") =>
      side(engines[name], (engine) => ({
        label: `docker ${command.join(" ")}`,
        once: () => timed(engine.docker(command), engine.env),
      }));
    return { dockerd: of("dockerd"), gantry: of("gantry") };
  },
};
