import { command } from "../command.ts";
import { createContainer, neededVersions } from "../container/create.ts";
import { containerFlags } from "../container/flags.ts";
import { containerRequest } from "../container/request.ts";
import { CliError } from "../errors.ts";
import { string } from "../flags/flag.ts";
import { print } from "../output.ts";

export default command({
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  aliases: "gantry container create, gantry create",
  flags: {
    ...containerFlags,
    pull: string('Pull image before creating ("always", "|missing", "never")', { default: "missing" }),
  },
  arguments: { min: 1 },
  interspersed: false,
  async run({ values, given, session, arguments: words }) {
    const [image = "", ...command] = words;
    let request: ReturnType<typeof containerRequest>;
    try {
      if (!["", "always", "missing", "never"].includes(values.pull)) {
        throw new Error(`invalid pull option: '${values.pull}': must be one of "always", "missing" or "never"`);
      }
      request = containerRequest({
        flags: values,
        given,
        image,
        command,
        config: session.config(),
        host: session.host(),
      });
    } catch (error) {
      if (error instanceof CliError) throw error;
      throw new CliError((error as Error).message, { status: 125, named: true, help: true });
    }
    const { id } = await createContainer({
      session,
      request,
      name: values.name,
      platform: values.platform,
      pull: values.pull,
      quiet: values.quiet,
      cidfile: values.cidfile,
      needs: neededVersions(given),
    });
    print(id);
    return 0;
  },
});
