import { command } from "../command.ts";
import { each } from "../each.ts";

export default command({
  usage: "CONTAINER [CONTAINER...]",
  aliases: "gantry container pause, gantry pause",
  flags: {},
  arguments: { min: 1 },
  run: ({ session, arguments: refs }) =>
    each(refs, async (ref) => {
      await session.client().containers.pause(ref);
      return undefined;
    }),
});
