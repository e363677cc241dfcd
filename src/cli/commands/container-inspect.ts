import { command } from "../command.ts";
import { bool, string } from "../flags/flag.ts";
import { inspectFormatHelp } from "../format/help.ts";
import { inspectEach } from "../inspect/inspect.ts";
import { lookUp } from "../inspect/kinds.ts";

export default command({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  flags: {
    format: string(inspectFormatHelp, { short: "f" }),
    size: bool("Display total file sizes", { short: "s" }),
  },
  arguments: { min: 1 },
  run: ({ values, session, arguments: refs }) =>
    inspectEach(refs, values.format, (ref) => lookUp(session.client(), "container", ref, { size: values.size })),
});
