import { ApiError } from "../../client/client.ts";
import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { bool, string } from "../flags/flag.ts";
import { inspectFormatHelp } from "../format/help.ts";
import { inspectEach } from "../inspect/inspect.ts";
import { dockerKinds, type Kind, lookUp } from "../inspect/kinds.ts";

const kinds: Kind[] = ["container", "image", "network", "volume"];

export default command({
  usage: "[OPTIONS] NAME|ID [NAME|ID...]",
  flags: {
    format: string(inspectFormatHelp, { short: "f" }),
    size: bool("Display total file sizes if the type is container", { short: "s" }),
    type: string("Only inspect objects of the given type"),
  },
  arguments: { min: 1 },
  async run({ values, given, session, arguments: refs }) {
    const { type, size } = values;
    if (given.has("type")) {
      if (type === "") throw new CliError(`type is empty: must be one of ${quoted()}`);
      if (!dockerKinds.includes(type))
        throw new CliError(`unknown type: ${JSON.stringify(type)}: must be one of ${quoted()}`);
      if (!kinds.includes(type as Kind)) throw new CliError(`objects of type ${type} are not supported`);
    }
    const chosen = type === "" ? kinds : [type as Kind];
    return inspectEach(refs, values.format, async (ref) => {
      for (const kind of chosen) {
        try {
          return await lookUp(session.client(), kind, ref, { size });
        } catch (error) {
          const elsewhere = type === "" && error instanceof ApiError && error.status === 404;
          if (!elsewhere) throw error;
        }
      }
      throw new CliError(`Error: No such object: ${ref}`);
    });
  },
});

const quoted = (): string => dockerKinds.map((kind) => JSON.stringify(kind)).join(", ");
