import { command } from "../command.ts";
import { each } from "../each.ts";
import { bool } from "../flags/flag.ts";

export default command({
  summary: "Remove one or more volumes. You cannot remove a volume that is in use by a container.",
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  aliases: "gantry volume rm, gantry volume remove",
  flags: { force: bool("Force the removal of one or more volumes", { short: "f" }) },
  arguments: { min: 1 },
  run: ({ values, session, arguments: names }) =>
    each(
      names,
      async (name) => {
        await session.client().volumes.remove(name, { force: values.force });
        return undefined;
      },
      { oneByOne: true },
    ),
});
