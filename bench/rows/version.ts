import { timed } from "../clock.ts";
import { hot, type Row, side } from "../row.ts";

/** One question to the server: little more than the client's start. */
export const version: Row = {
  name: "version",
  title: "`gantry version` against `docker version`",
  unit: "ms",
  goal: { ratio: 0.4 },
  variants: [hot],
  rounds: (asked) => asked,
  warmUp: 3,
  async start(engines) {
    return {
      dockerd: side(engines.dockerd, (engine) => ({
        label: "docker version",
        once: () => timed(engine.docker(["version"]), engine.env),
      })),
      gantry: side(engines.gantry, (engine) => ({
        label: "gantry version",
        once: () => timed(engine.gantry(["version"]), engine.env),
      })),
    };
  },
};
