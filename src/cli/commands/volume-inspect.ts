import { command } from "../command.ts";
import { string } from "../flags/flag.ts";
import { inspectFormatHelp } from "../format/help.ts";
import { inspectEach } from "../inspect/inspect.ts";
import { lookUp } from "../inspect/kinds.ts";

export default command({
  usage: "[OPTIONS] VOLUME [VOLUME...]",
  flags: { format: string(inspectFormatHelp, { short: "f" }) },
  arguments: { min: 1 },
  run: ({ values, session, arguments: refs }) =>
    inspectEach(refs, values.format, (ref) => lookUp(session.client(), "volume", ref)),
});
