import { command } from "../command.ts";
import { bool, filter } from "../flags/flag.ts";
import { ask, printPruned } from "../prune.ts";

export default command({
  usage: "[OPTIONS]",
  flags: {
    filter: filter('Provide filter values (e.g. "until=<timestamp>")'),
    force: bool("Do not prompt for confirmation", { short: "f" }),
  },
  arguments: { min: 0, max: 0 },
  async run({ values, session }) {
    ask(values.force, "WARNING! This will remove all stopped containers.");
    const { ContainersDeleted, SpaceReclaimed } = await session.client().containers.prune(values.filter);
    printPruned("Deleted Containers", ContainersDeleted ?? [], SpaceReclaimed ?? 0);
    return 0;
  },
});
