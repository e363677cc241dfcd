import { command } from "../command.ts";
import { bool, string } from "../flags/flag.ts";
import { inspectFormatHelp } from "../format/help.ts";
import { inspectEach } from "../inspect/inspect.ts";
import { lookUp } from "../inspect/kinds.ts";

export default command({
  usage: "[OPTIONS] NETWORK [NETWORK...]",
  flags: {
    format: string(inspectFormatHelp, { short: "f" }),
    verbose: bool("Verbose output for diagnostics", { short: "v" }),
  },
  arguments: { min: 1 },
  run: ({ values, session, arguments: refs }) =>
    inspectEach(refs, values.format, (ref) => lookUp(session.client(), "network", ref, { verbose: values.verbose })),
});
