import { timed } from "../clock.ts";
import { once, type Row, side } from "../row.ts";

/** From the registry on loopback to an image that can be run; it was removed before. */
export const pull = (reference: string): Row => ({
  name: "pull",
  title: "`docker pull` of 40 MB in five layers, stock client",
  unit: "ms",
  goal: { ratio: 0.6 },
  variants: [once],
  rounds: (asked) => Math.max(3, Math.ceil(asked / 4)),
  warmUp: 1,
  async start(engines) {
    const of = (name: "dockerd" | "gantry") =>
      side(engines[name], (engine) => ({
        label: `docker pull ${reference}`,
        async once() {
          if ((await engine.ask(["images", "-q", reference])) !== "") await engine.ask(["rmi", reference]);
          // What removing left to the disk is not the pull's.
          Bun.spawnSync(["sync"]);
          return await timed(engine.docker(["pull", reference]), engine.env);
        },
      }));
    return { dockerd: of("dockerd"), gantry: of("gantry") };
  },
});
