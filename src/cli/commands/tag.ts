import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { fullName, parseReference } from "../images/reference.ts";

export default command({
  usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
  aliases: "gantry image tag, gantry tag",
  flags: {},
  arguments: { min: 2, max: 2 },
  async run({ session, arguments: [source = "", target = ""] }) {
    const reference = targetReference(target);
    await session.client().images.tag(source, fullName(reference), reference.tag ?? "latest");
    return 0;
  },
});

function targetReference(target: string) {
  let reference: ReturnType<typeof parseReference>;
  try {
    reference = parseReference(target);
  } catch (error) {
    throw new CliError(
      `Error parsing reference: ${JSON.stringify(target)} is not a valid repository/tag: ${(error as Error).message}`,
    );
  }
  if (reference.digest !== undefined) throw new CliError("refusing to create a tag with a digest reference");
  return reference;
}
