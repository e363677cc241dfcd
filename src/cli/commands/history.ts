import type { HistoryResponseItem } from "@docker/node-sdk";
import { command } from "../command.ts";
import { bool, string } from "../flags/flag.ts";
import { formatHelp } from "../format/help.ts";
import { ellipsis, type ListShape, printList, shortId } from "../format/list.ts";
import { rfc3339 } from "../format/time.ts";
import { ago, decimalSize } from "../format/units.ts";
import { platformJson } from "../images/platform.ts";

export default command({
  usage: "[OPTIONS] IMAGE",
  aliases: "gantry image history, gantry history",
  flags: {
    format: string(formatHelp),
    human: bool("Print sizes and dates in human readable format", { short: "H", default: true }),
    "no-trunc": bool("Don't truncate output"),
    platform: string('Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")'),
    quiet: bool("Only show image IDs", { short: "q" }),
  },
  arguments: { min: 1, max: 1 },
  async run({ values, session, arguments: [image = ""] }) {
    const platform = platformJson(values.platform);
    const items = await session.client().images.history(image, { platform });
    printList(items, shape(!values["no-trunc"], values.human), { format: values.format, quiet: values.quiet });
    return 0;
  },
});

function shape(truncate: boolean, human: boolean): ListShape<HistoryResponseItem> {
  return {
    type: "*image.historyContext",
    headings: {
      ID: "IMAGE",
      CreatedSince: "CREATED",
      CreatedAt: "CREATED AT",
      CreatedBy: "CREATED BY",
      Size: "SIZE",
      Comment: "COMMENT",
    },
    table: human
      ? "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
      : "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
    quiet: "ID",
    fields: ({ Id, Created, CreatedBy, Size, Comment }) => {
      const by = CreatedBy.replaceAll("\t", " ");
      return {
        ID: truncate ? shortId(Id) : Id,
        CreatedSince: Created <= -62_135_596_800 ? "N/A" : ago(Created),
        CreatedAt: Created <= -62_135_596_800 ? "" : rfc3339(Created),
        CreatedBy: truncate ? ellipsis(by, 45) : by,
        Size: human ? decimalSize(Size, 3) : String(Size),
        Comment,
      };
    },
  };
}
