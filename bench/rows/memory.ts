import { describeProcesses, pss } from "../memory.ts";
import { type Row, side } from "../row.ts";

/** All processes of a server to which nobody speaks: for dockerd that is containerd, too. */
export const memory: Row = {
  name: "memory",
  title: "idle server, all its processes (Pss)",
  unit: "MB",
  goal: { ratio: 0.5 },
  // Time to come to rest, and for a garbage collector that waits for it.
  variants: [{ name: "", pause: 3000 }],
  rounds: () => 5,
  warmUp: 1,
  async start(engines) {
    const of = (name: "dockerd" | "gantry") =>
      side(engines[name], (engine) => ({
        label: `${name} at rest`,
        once: async () => engine.processes().reduce((sum, pid) => sum + pss(pid), 0),
        detail: () => describeProcesses(engine.processes()),
      }));
    return { dockerd: of("dockerd"), gantry: of("gantry") };
  },
};
