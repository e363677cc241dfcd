import type { ImageSummary } from "@docker/node-sdk";
import { command } from "../command.ts";
import { bool, filter, string } from "../flags/flag.ts";
import { formatHelp } from "../format/help.ts";
import { type ListShape, printList, shortId } from "../format/list.ts";
import { goTime } from "../format/time.ts";
import { ago, decimalSize } from "../format/units.ts";
import { type ImageRow, imageRows } from "../images/rows.ts";

export default command({
  usage: "[OPTIONS] [REPOSITORY[:TAG]]",
  aliases: "gantry image ls, gantry image list, gantry images",
  flags: {
    all: bool("Show all images (default hides intermediate images)", { short: "a" }),
    digests: bool("Show digests"),
    filter: filter("Filter output based on conditions provided", { short: "f" }),
    format: string(formatHelp),
    "no-trunc": bool("Don't truncate output"),
    quiet: bool("Only show image IDs", { short: "q" }),
  },
  arguments: { min: 0, max: 1 },
  async run({ values, session, arguments: [reference] }) {
    const { reference: given = [], ...others } = values.filter;
    const references = reference === undefined ? given : [...given, reference];
    const images = await session.client().images.list({
      all: values.all,
      digests: values.digests,
      filters: { ...others, ...(references.length === 0 ? {} : { reference: references }) },
    });
    const format = values.format || (values.quiet ? "" : (session.config().imagesFormat ?? ""));
    const origins = images.some((image) => originOf(image) !== "");
    printList(imageRows(images, values.digests), shape(!values["no-trunc"], values.digests, origins), {
      format,
      quiet: values.quiet,
    });
    return 0;
  },
});

/** Set by our server on images of the hub embedded in it: they must never be taken for the official ones. */
const originOf = (image: ImageSummary): string => image.Labels?.["io.gantry.origin"] ?? "";

type Size = ImageSummary & { VirtualSize?: number };

/** `origins`: one of them is not from a registry; only then there is a column for it. */
function shape(truncate: boolean, digests: boolean, origins: boolean): ListShape<ImageRow> {
  const optional = (count: number | undefined, text: (count: number) => string) =>
    count === undefined || count === -1 ? "N/A" : text(count);
  return {
    type: "*formatter.imageContext",
    headings: {
      ID: "IMAGE ID",
      Repository: "REPOSITORY",
      Tag: "TAG",
      Digest: "DIGEST",
      CreatedSince: "CREATED",
      CreatedAt: "CREATED AT",
      Size: "SIZE",
      Containers: "CONTAINERS",
      VirtualSize: "SIZE",
      SharedSize: "SHARED SIZE",
      UniqueSize: "UNIQUE SIZE",
      Origin: "ORIGIN",
    },
    table: `{{.Repository}}\t{{.Tag}}\t${digests ? "{{.Digest}}\t" : ""}{{.ID}}\t{{.CreatedSince}}\t{{.Size}}${origins ? "\t{{.Origin}}" : ""}`,
    quiet: "ID",
    fields: ({ repository, tag, digest, image }) => ({
      ID: truncate ? shortId(image.Id ?? "") : image.Id,
      Repository: repository,
      Tag: tag,
      Digest: digest,
      CreatedSince: image.Created === undefined || image.Created <= 0 ? "N/A" : ago(image.Created),
      CreatedAt: goTime(image.Created ?? 0),
      Size: decimalSize(image.Size ?? 0, 3),
      Containers: optional(image.Containers, String),
      VirtualSize: decimalSize((image as Size).VirtualSize ?? image.Size ?? 0),
      SharedSize: optional(image.SharedSize, (size) => decimalSize(size)),
      UniqueSize: optional(image.SharedSize, (shared) => decimalSize((image.Size ?? 0) - shared)),
      ...(origins ? { Origin: originOf(image) || "registry" } : {}),
    }),
  };
}
