import { command } from "../command.ts";
import { bool, filter } from "../flags/flag.ts";
import { ask, printPruned } from "../prune.ts";

export default command({
  usage: "[OPTIONS]",
  flags: {
    all: bool("Remove all unused images, not just dangling ones", { short: "a" }),
    filter: filter('Provide filter values (e.g. "until=<timestamp>")'),
    force: bool("Do not prompt for confirmation", { short: "f" }),
  },
  arguments: { min: 0, max: 0 },
  async run({ values, session }) {
    const what = values.all ? "all images without at least one container associated to them." : "all dangling images.";
    ask(values.force, `WARNING! This will remove ${what}`);
    const filters = { ...values.filter, dangling: [String(!values.all)] };
    const { ImagesDeleted, SpaceReclaimed } = await session.client().images.prune(filters);
    const lines = (ImagesDeleted ?? []).map(({ Deleted, Untagged }) =>
      Untagged ? `untagged: ${Untagged}` : `deleted: ${Deleted}`,
    );
    printPruned("Deleted Images", lines, SpaceReclaimed ?? 0);
    return 0;
  },
});
