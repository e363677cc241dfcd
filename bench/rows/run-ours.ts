import { timed } from "../clock.ts";
import { hot, idle, type Row, side } from "../row.ts";

const command = ["run", "--rm", "bb", "true"];

/** A whole run on the default bridge as each product's user types it. */
export const runOurs: Row = {
  name: "run-ours",
  title: "`gantry run --rm bb true` against `docker run --rm bb true`",
  unit: "ms",
  goal: { ratio: 0.1, aim: 0.06 },
  predicted: 23,
  variants: [hot, idle],
  rounds: (asked) => asked,
  warmUp: 3,
  async start(engines) {
    return {
      dockerd: side(engines.dockerd, (engine) => ({
        label: `docker ${command.join(" ")}`,
        once: () => timed(engine.docker(command), engine.env),
      })),
      gantry: side(engines.gantry, (engine) => ({
        label: `gantry ${command.join(" ")}`,
        once: () => timed(engine.gantry(command), engine.env),
      })),
    };
  },
};
