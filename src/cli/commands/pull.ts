import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { bool, string } from "../flags/flag.ts";
import { checkPlatform } from "../images/platform.ts";
import { pullImage } from "../images/pull.ts";
import { canonicalString, parseReference, withDefaultTag } from "../images/reference.ts";
import { print } from "../output.ts";

export default command({
  usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
  aliases: "gantry image pull, gantry pull",
  flags: {
    "all-tags": bool("Download all tagged images in the repository", { short: "a" }),
    "disable-content-trust": bool("Skip image verification", { default: true }),
    platform: string("Set platform if server is multi-platform capable"),
    quiet: bool("Suppress verbose output", { short: "q" }),
  },
  arguments: { min: 1, max: 1 },
  async run({ values, session, arguments: [name = ""] }) {
    if (!values["disable-content-trust"])
      throw new CliError("content trust is not supported: --disable-content-trust=false");
    const given = parseReference(name);
    const named = given.tag !== undefined || given.digest !== undefined;
    const all = values["all-tags"];
    if (all && named) throw new CliError("tag can't be used with --all-tags/-a");
    const reference = all ? given : withDefaultTag(given);
    if (!all && !named && !values.quiet) print("Using default tag: latest");
    await pullImage({
      session,
      reference,
      all,
      platform: checkPlatform(values.platform),
      output: 1,
      quiet: values.quiet,
    });
    print(canonicalString(reference));
    return 0;
  },
});
