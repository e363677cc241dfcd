import { parentOf, pss } from "../memory.ts";
import { type Row, side } from "../row.ts";

const name = "supervised";

/** What waits for one container's end: the parent of its first process. */
export const supervisor: Row = {
  name: "supervisor",
  title: "supervisor of one container (Pss)",
  unit: "MB",
  goal: { most: 3 },
  variants: [{ name: "", pause: 300 }],
  rounds: () => 5,
  warmUp: 1,
  async start(engines) {
    const there = [engines.dockerd, engines.gantry].filter((engine) => typeof engine !== "string");
    const end = async (): Promise<void> => {
      for (const engine of there) await engine.ask(["rm", "-f", name]);
    };
    const of = async (engine: (typeof there)[number]): Promise<number> => {
      const pid = Number(await engine.ask(["inspect", "--format", "{{.State.Pid}}", name]));
      return pss(parentOf(pid));
    };
    try {
      for (const engine of there) await engine.ask(["run", "-d", "--name", name, "bb", "sleep", "3600"]);
    } catch (error) {
      await end().catch(() => {});
      throw error;
    }
    return {
      dockerd: side(engines.dockerd, (engine) => ({ label: "containerd-shim", once: () => of(engine) })),
      gantry: side(engines.gantry, (engine) => ({ label: "conmon", once: () => of(engine) })),
      end,
    };
  },
};
