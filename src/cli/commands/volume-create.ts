import { command } from "../command.ts";
import { checkLabel, toRecord } from "../container/environment.ts";
import { CliError } from "../errors.ts";
import { list, map, string } from "../flags/flag.ts";
import { print } from "../output.ts";

export default command({
  usage: "[OPTIONS] [VOLUME]",
  flags: {
    driver: string("Specify volume driver name", { short: "d", default: "local" }),
    label: list("Set metadata for a volume", {}, checkLabel),
    name: string("Specify volume name", { hidden: true }),
    opt: map("Set driver specific options", { short: "o" }),
  },
  arguments: { min: 0, max: 1 },
  async run({ values, session, arguments: [argument = ""] }) {
    if (argument !== "" && values.name !== "") {
      throw new CliError(
        "conflicting options: cannot specify a volume-name through both --name and as a positional arg",
      );
    }
    const { Name } = await session.client().volumes.create({
      Name: argument || values.name,
      Driver: values.driver,
      DriverOpts: Object.fromEntries(values.opt),
      Labels: toRecord(values.label),
    });
    print(Name);
    return 0;
  },
});
