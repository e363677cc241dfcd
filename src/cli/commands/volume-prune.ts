import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { bool, filter } from "../flags/flag.ts";
import { ask, printPruned } from "../prune.ts";

export default command({
  usage: "[OPTIONS]",
  flags: {
    all: bool("Remove all unused volumes, not just anonymous ones", { short: "a" }),
    filter: filter('Provide filter values (e.g. "label=<label>")'),
    force: bool("Do not prompt for confirmation", { short: "f" }),
  },
  arguments: { min: 0, max: 0 },
  async run({ values, session }) {
    const filters = { ...values.filter };
    if (values.all) {
      if (Object.hasOwn(filters, "all"))
        throw new CliError("conflicting options: cannot specify both --all and --filter all=1");
      filters.all = ["true"];
    }
    const which = values.all ? "all local volumes" : "anonymous local volumes";
    ask(values.force, `WARNING! This will remove ${which} not used by at least one container.`);
    const { VolumesDeleted, SpaceReclaimed } = await session.client().volumes.prune(filters);
    printPruned("Deleted Volumes", VolumesDeleted ?? [], SpaceReclaimed ?? 0);
    return 0;
  },
});
