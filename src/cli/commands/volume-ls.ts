import type { Volume } from "@docker/node-sdk";
import { command } from "../command.ts";
import { bool, filter, string } from "../flags/flag.ts";
import { formatHelp } from "../format/help.ts";
import { type ListShape, labelText, printList } from "../format/list.ts";
import { naturally } from "../format/natural.ts";
import { decimalSize } from "../format/units.ts";

export default command({
  usage: "[OPTIONS]",
  aliases: "gantry volume ls, gantry volume list",
  flags: {
    filter: filter('Provide filter values (e.g. "dangling=true")', { short: "f" }),
    format: string(formatHelp),
    quiet: bool("Only display volume names", { short: "q" }),
  },
  arguments: { min: 0, max: 0 },
  async run({ values, session }) {
    const { Volumes } = await session.client().volumes.list(values.filter);
    const format = values.format || (values.quiet ? "" : (session.config().volumesFormat ?? ""));
    printList([...(Volumes ?? [])].sort(byName), shape, { format, quiet: values.quiet });
    return 0;
  },
});

const byName = (a: Volume, b: Volume): number => naturally(a.Name, b.Name);

const shape: ListShape<Volume> = {
  type: "*formatter.volumeContext",
  headings: {
    Name: "VOLUME NAME",
    Driver: "DRIVER",
    Scope: "SCOPE",
    Availability: "AVAILABILITY",
    Mountpoint: "MOUNTPOINT",
    Labels: "LABELS",
    Links: "LINKS",
    Size: "SIZE",
    Group: "GROUP",
    Status: "STATUS",
  },
  table: "{{.Driver}}\t{{.Name}}",
  quiet: "Name",
  fields: ({ Name, Driver, Scope, Mountpoint, Labels, UsageData }) => ({
    Name,
    Driver,
    Scope,
    Mountpoint,
    Labels: labelText(Labels),
    Label: (name: unknown) => Labels?.[String(name)] ?? "",
    Links: UsageData ? String(UsageData.RefCount) : "N/A",
    Size: UsageData ? decimalSize(UsageData.Size) : "N/A",
    Availability: "N/A",
    Group: "N/A",
    Status: "N/A",
  }),
};
