import { command } from "../command.ts";
import { string } from "../flags/flag.ts";
import { inspectFormatHelp } from "../format/help.ts";
import { platformJson } from "../images/platform.ts";
import { inspectEach } from "../inspect/inspect.ts";
import { lookUp } from "../inspect/kinds.ts";

export default command({
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  flags: {
    format: string(inspectFormatHelp, { short: "f" }),
    platform: string(
      `Inspect a specific platform of the multi-platform image.
If the image or the server is not multi-platform capable, the command will error out if the platform does not match.
'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)`,
    ),
  },
  arguments: { min: 1 },
  run({ values, session, arguments: refs }) {
    const platform = platformJson(values.platform);
    return inspectEach(refs, values.format, (ref) => lookUp(session.client(), "image", ref, { platform }));
  },
});
