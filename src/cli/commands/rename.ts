import { command } from "../command.ts";
import { describe } from "../describe.ts";
import { CliError } from "../errors.ts";

export default command({
  usage: "CONTAINER NEW_NAME",
  aliases: "gantry container rename, gantry rename",
  flags: {},
  arguments: { min: 2, max: 2 },
  async run({ session, arguments: [container = "", name = ""] }) {
    const [from, to] = [container.trim(), name.trim()];
    if (from === "" || to === "") throw new CliError("Error: Neither old nor new names may be empty");
    try {
      await session.client().containers.rename(from, to);
    } catch (error) {
      throw new CliError(`${describe(error)}\nError: failed to rename container named ${from}`);
    }
    return 0;
  },
});
