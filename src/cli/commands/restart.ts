import { command } from "../command.ts";
import { each } from "../each.ts";
import { stopFlags, stopOptions } from "./stop.ts";

export default command({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  aliases: "gantry container restart, gantry restart",
  flags: stopFlags,
  arguments: { min: 1 },
  run: ({ values, session, arguments: refs }) =>
    each(refs, async (ref) => {
      await session.client().containers.restart(ref, stopOptions(values));
      return undefined;
    }),
});
