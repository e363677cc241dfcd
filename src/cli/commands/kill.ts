import { command } from "../command.ts";
import { each } from "../each.ts";
import { string } from "../flags/flag.ts";

export default command({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  aliases: "gantry container kill, gantry kill",
  flags: { signal: string("Signal to send to the container", { short: "s" }) },
  arguments: { min: 1 },
  run: ({ values, session, arguments: refs }) =>
    each(refs, async (ref) => {
      await session.client().containers.kill(ref, values.signal);
      return undefined;
    }),
});
