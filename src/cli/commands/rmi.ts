import { ApiError } from "../../client/client.ts";
import { command } from "../command.ts";
import { describe } from "../describe.ts";
import { CliError } from "../errors.ts";
import { bool, strings } from "../flags/flag.ts";
import { platformJson } from "../images/platform.ts";
import { print, printError } from "../output.ts";

export default command({
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  aliases: "gantry image rm, gantry image remove, gantry rmi",
  flags: {
    force: bool("Force removal of the image", { short: "f" }),
    "no-prune": bool("Do not delete untagged parents"),
    platform: strings(
      'Remove only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    ),
  },
  arguments: { min: 1 },
  async run({ values, session, arguments: refs }) {
    const failures: string[] = [];
    let fatal = false;
    for (const ref of refs) {
      try {
        const deleted = await session.client().images.remove(ref, {
          force: values.force,
          noPrune: values["no-prune"],
          platforms: values.platform.map(platformJson),
        });
        for (const { Deleted, Untagged } of deleted ?? []) {
          print(Deleted ? `Deleted: ${Deleted}` : `Untagged: ${Untagged}`);
        }
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) fatal = true;
        failures.push(describe(error));
      }
    }
    if (failures.length === 0) return 0;
    if (fatal || !values.force) throw new CliError(failures.join("\n"));
    printError(failures.join("\n"));
    return 0;
  },
});
