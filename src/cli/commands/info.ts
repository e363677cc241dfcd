import type { SystemInfo } from "@docker/node-sdk";
import { version } from "../../version.ts";
import { buildOf } from "../build.ts";
import { command } from "../command.ts";
import { describe } from "../describe.ts";
import { CliError } from "../errors.ts";
import { string } from "../flags/flag.ts";
import { inspectFormatHelp } from "../format/help.ts";
import { infoText, infoWarnings } from "../info.ts";
import { print, printError, write } from "../output.ts";

export default command({
  usage: "[OPTIONS]",
  aliases: "gantry system info, gantry info",
  flags: { format: string(inspectFormatHelp, { short: "f" }) },
  arguments: { min: 0, max: 0 },
  async run({ values, session }) {
    let server: SystemInfo | undefined;
    let failure: unknown;
    try {
      server = await session.client().info();
    } catch (error) {
      failure = error;
    }
    const client = {
      Debug: session.debug,
      Version: version,
      ...buildOf(session),
      Plugins: [],
      Warnings: null,
    };
    if (values.format !== "") {
      print(await formatted(values.format, { ...server, ClientInfo: client }));
    } else {
      write(
        `Client:\n Version:    ${version}\n Context:    ${session.context()}\n Debug Mode: ${session.debug}\n\nServer:\n`,
      );
      if (server !== undefined) {
        write(infoText(server));
        for (const warning of infoWarnings(server)) printError(warning);
      }
    }
    if (failure === undefined) return 0;
    printError(`${values.format === "" ? "ERROR: " : ""}${describe(failure)}`);
    if (failure instanceof CliError) return failure.status;
    if (values.format === "") printError("errors pretty printing info");
    return 1;
  },
});

async function formatted(format: string, info: Record<string, unknown>): Promise<string> {
  const { encodeJson, fromJson, Struct } = await import("../format/template/template.ts");
  const { executed, parsed } = await import("../format/list.ts");
  if (format === "json") return encodeJson(info);
  const failure = { parsing: "template parsing error: ", executing: "", status: 64 };
  const template = parsed(format, failure);
  const fields = fromJson(info) as Record<string, unknown>;
  return executed(() => template.execute(new Struct("system.dockerInfo", fields)));
}
