import { command } from "../command.ts";
import { each } from "../each.ts";
import { CliError } from "../errors.ts";

export default command({
  usage: "CONTAINER [CONTAINER...]",
  aliases: "gantry container wait, gantry wait",
  flags: {},
  arguments: { min: 1 },
  run: ({ session, arguments: refs }) =>
    each(refs, async (ref) => {
      const { result } = await session.client().containers.wait(ref);
      const { StatusCode, Error: failure } = await result;
      if (failure?.Message) throw new CliError(failure.Message);
      return String(StatusCode);
    }),
});
