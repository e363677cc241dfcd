import type { ContainerSummary } from "@docker/node-sdk";
import { command } from "../command.ts";
import { portsText } from "../container/ports-text.ts";
import { bool, filter, int, string } from "../flags/flag.ts";
import { formatHelp } from "../format/help.ts";
import { ellipsis, executed, goQuote, type ListShape, labelText, parsed, printList, shortId } from "../format/list.ts";
import { Nil, Struct } from "../format/template/template.ts";
import { goTime } from "../format/time.ts";
import { ago, decimalSize } from "../format/units.ts";
import { printError } from "../output.ts";

export default command({
  usage: "[OPTIONS]",
  aliases: "gantry container ls, gantry container list, gantry container ps, gantry ps",
  flags: {
    all: bool("Show all containers (default shows just running)", { short: "a" }),
    filter: filter("Filter output based on conditions provided", { short: "f" }),
    format: string(formatHelp),
    last: int("Show n last created containers (includes all states)", { short: "n", default: -1 }),
    latest: bool("Show the latest created container (includes all states)", { short: "l" }),
    "no-trunc": bool("Don't truncate output"),
    quiet: bool("Only display container IDs", { short: "q" }),
    size: bool("Display total file sizes", { short: "s" }),
  },
  arguments: { min: 0, max: 0 },
  async run({ values, given, session }) {
    if (values.quiet && values.format !== "") {
      printError("WARNING: Ignoring custom format, because both --format and --quiet are set.");
    }
    const format = values.quiet ? "" : values.format || (session.config().psFormat ?? "");
    // Sizes are measured, which takes the server long: only when they are shown.
    const asked = wantsSize(format);
    const size = given.has("size") ? values.size : asked;
    const last = values.latest && values.last === -1 ? 1 : values.last;
    const containers = await session.client().containers.list({
      all: values.all,
      ...(last > 0 ? { limit: last } : {}),
      size,
      filters: values.filter,
    });
    printList(containers, shape(!values["no-trunc"], values.size), { format, quiet: values.quiet });
    return 0;
  },
});

/**
 * Before the server is asked: a template that cannot be used is refused also where no container would show it. Gives
 * whether it looks at the sizes.
 */
function wantsSize(format: string): boolean {
  if (format === "" || format === "json" || format === "table") return false;
  const failure = { parsing: "failed to parse template: ", executing: "failed to execute template: ", status: 1 };
  const { type, fields } = shape(true, false);
  const template = parsed(format, failure);
  let wanted = false;
  const want = () => {
    wanted = true;
    return "";
  };
  const data = new Struct(type, { ...fields(noContainer), Size: want }, want);
  executed(() => template.execute(data), failure);
  return wanted;
}

const noContainer = {
  Names: [],
  Ports: [],
  Mounts: [],
  Labels: {},
  State: "",
  Status: "",
  Id: "",
} as unknown as ContainerSummary;

function shape(truncate: boolean, size: boolean): ListShape<ContainerSummary> {
  return {
    type: "*formatter.ContainerContext",
    headings: {
      ID: "CONTAINER ID",
      Names: "NAMES",
      Image: "IMAGE",
      Command: "COMMAND",
      CreatedAt: "CREATED AT",
      RunningFor: "CREATED",
      Ports: "PORTS",
      State: "STATE",
      Status: "STATUS",
      Size: "SIZE",
      Labels: "LABELS",
      Mounts: "MOUNTS",
      LocalVolumes: "LOCAL VOLUMES",
      Networks: "NETWORKS",
      Platform: "PLATFORM",
    },
    table: `{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}${size ? "\t{{.Size}}" : ""}`,
    quiet: "ID",
    fields: (container) => {
      const mounts = container.Mounts ?? [];
      const labels = container.Labels ?? {};
      return {
        ID: truncate ? shortId(container.Id ?? "") : container.Id,
        Names: names(container.Names ?? [], truncate),
        Image: image(container, truncate),
        Command: goQuote(truncate ? ellipsis(container.Command ?? "", 20) : (container.Command ?? "")),
        CreatedAt: goTime(container.Created ?? 0),
        RunningFor: ago(container.Created ?? 0),
        Ports: portsText(container.Ports),
        State: container.State,
        Status: container.Status,
        Size: sizeText(container),
        Labels: labelText(labels),
        Label: (name: unknown) => (Object.hasOwn(labels, String(name)) ? labels[String(name)] : ""),
        Mounts: mounts
          .map(({ Name, Source }) => Name || Source || "")
          .map((name) => (truncate ? ellipsis(name, 15) : name))
          .join(","),
        LocalVolumes: String(mounts.filter(({ Driver }) => Driver === "local").length),
        Networks: Object.keys(container.NetworkSettings?.Networks ?? {}).join(","),
        Platform: new Nil("pointer"),
      };
    },
  };
}

/** Without the leading slash; names that links give are left out of a short table. */
function names(all: readonly string[], truncate: boolean): string {
  const plain = all.map((name) => name.replace(/^\//, ""));
  return (truncate ? plain.filter((name) => !name.includes("/")) : plain).join(",");
}

function image({ Image = "", ImageID = "" }: ContainerSummary, truncate: boolean): string {
  if (Image === "") return "<no image>";
  if (!truncate) return Image;
  if (shortId(ImageID) === shortId(Image)) return shortId(ImageID);
  const at = Image.indexOf("@");
  return at < 0 ? Image : Image.slice(0, at);
}

function sizeText({ SizeRw, SizeRootFs }: ContainerSummary): string {
  const own = decimalSize(SizeRw ?? 0, 3);
  return SizeRootFs ? `${own} (virtual ${decimalSize(SizeRootFs, 3)})` : own;
}
