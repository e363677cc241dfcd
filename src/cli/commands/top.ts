import { command } from "../command.ts";
import { alignColumns } from "../format/table.ts";
import { print } from "../output.ts";

export default command({
  usage: "CONTAINER [ps OPTIONS]",
  aliases: "gantry container top, gantry top",
  flags: {},
  arguments: { min: 1 },
  interspersed: false,
  async run({ session, arguments: [container = "", ...options] }) {
    const { Titles, Processes } = await session.client().containers.top(container, options);
    const rows = [Titles ?? [], ...(Processes ?? [])].map((cells) => cells.join("\t"));
    for (const line of alignColumns(rows, { least: 20 })) print(line);
    return 0;
  },
});
