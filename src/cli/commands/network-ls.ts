import type { NetworkInspect } from "@docker/node-sdk";
import { command } from "../command.ts";
import { bool, filter, string } from "../flags/flag.ts";
import { formatHelp } from "../format/help.ts";
import { type ListShape, labelText, printList, shortId } from "../format/list.ts";
import { naturally } from "../format/natural.ts";
import { goTime } from "../format/time.ts";

export default command({
  usage: "[OPTIONS]",
  aliases: "gantry network ls, gantry network list",
  flags: {
    filter: filter('Provide filter values (e.g. "driver=bridge")', { short: "f" }),
    format: string(formatHelp),
    "no-trunc": bool("Do not truncate the output"),
    quiet: bool("Only display network IDs", { short: "q" }),
  },
  arguments: { min: 0, max: 0 },
  async run({ values, session }) {
    const networks = await session.client().networks.list(values.filter);
    const format = values.format || (values.quiet ? "" : (session.config().networksFormat ?? ""));
    const sorted = [...networks].sort((a, b) => naturally(a.Name ?? "", b.Name ?? ""));
    printList(sorted, shape(!values["no-trunc"]), { format, quiet: values.quiet });
    return 0;
  },
});

const shape = (truncate: boolean): ListShape<NetworkInspect> => ({
  type: "*network.networkContext",
  headings: {
    ID: "NETWORK ID",
    Name: "NAME",
    Driver: "DRIVER",
    Scope: "SCOPE",
    IPv4: "IPV4",
    IPv6: "IPV6",
    Internal: "INTERNAL",
    Labels: "LABELS",
    CreatedAt: "CREATED AT",
  },
  table: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
  quiet: "ID",
  fields: (network) => ({
    ID: truncate ? shortId(network.Id ?? "") : network.Id,
    Name: network.Name,
    Driver: network.Driver,
    Scope: network.Scope,
    IPv4: String(network.EnableIPv4 ?? false),
    IPv6: String(network.EnableIPv6 ?? false),
    Internal: String(network.Internal ?? false),
    Labels: labelText(network.Labels),
    Label: (name: unknown) => network.Labels?.[String(name)] ?? "",
    CreatedAt: created(String(network.Created ?? "")),
  }),
});

function created(text: string): string {
  const time = Date.parse(text);
  if (Number.isNaN(time)) return text;
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? "";
  return goTime(Math.floor(time / 1000), Number(fraction.padEnd(9, "0").slice(0, 9)));
}
