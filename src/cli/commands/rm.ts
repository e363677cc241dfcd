import { ApiError } from "../../client/client.ts";
import { command } from "../command.ts";
import { describe } from "../describe.ts";
import { each } from "../each.ts";
import { CliError } from "../errors.ts";
import { bool } from "../flags/flag.ts";
import { printError } from "../output.ts";

export default command({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  aliases: "gantry container rm, gantry container remove, gantry rm",
  flags: {
    force: bool("Force the removal of a running container (uses SIGKILL)", { short: "f" }),
    link: bool("Remove the specified link", { short: "l" }),
    volumes: bool("Remove anonymous volumes associated with the container", { short: "v" }),
  },
  arguments: { min: 1 },
  run: ({ values, session, arguments: refs }) =>
    each(refs, async (given) => {
      const ref = given.replace(/^\/+|\/+$/g, "");
      if (ref === "") throw new CliError("Container name cannot be empty");
      try {
        await session.client().containers.remove(ref, values);
      } catch (error) {
        // Gone is what was asked for.
        if (!values.force || !(error instanceof ApiError) || error.status !== 404) throw error;
        printError(describe(error));
        return "";
      }
      return given;
    }),
});
