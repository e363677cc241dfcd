import { timed } from "../clock.ts";
import { hot, type Row, side } from "../row.ts";

/** The floor of every command: the client starts, says its version, and ends; no server takes part. */
export const client: Row = {
  name: "client",
  title: "client's start: `gantry --version` against `docker --version`",
  unit: "ms",
  variants: [hot],
  rounds: (asked) => asked,
  warmUp: 3,
  async start(engines) {
    return {
      dockerd: side(engines.dockerd, (engine) => ({
        label: "docker --version",
        once: () => timed([engine.docker([])[0]!, "--version"], engine.env),
      })),
      gantry: side(engines.gantry, (engine) => ({
        label: "gantry --version",
        once: () => timed([engine.gantry([])[0]!, "--version"], engine.env),
      })),
    };
  },
};
