import type { SystemVersion } from "@docker/node-sdk";
import { version } from "../../version.ts";
import { buildOf } from "../build.ts";
import { command } from "../command.ts";
import { describe } from "../describe.ts";
import { CliError } from "../errors.ts";
import { string } from "../flags/flag.ts";
import { inspectFormatHelp } from "../format/help.ts";
import { print, printError, write } from "../output.ts";

export default command({
  usage: "[OPTIONS]",
  flags: { format: string(inspectFormatHelp, { short: "f" }) },
  arguments: { min: 0, max: 0 },
  async run({ values, session }) {
    let server: SystemVersion | undefined;
    let failure: unknown;
    const { transport } = session.client();
    try {
      server = await session.client().version();
    } catch (error) {
      failure = error;
    }
    const client = {
      Version: version,
      ApiVersion: transport.version(),
      ...buildOf(session),
    };
    if (values.format === "") write(`${clientText(client)}${server === undefined ? "" : `\n${serverText(server)}`}`);
    else print(await formatted(values.format, client, server));
    if (failure === undefined) return 0;
    printError(describe(failure));
    return failure instanceof CliError ? failure.status : 1;
  },
});

type ClientVersion = Record<
  "Version" | "ApiVersion" | "DefaultAPIVersion" | "GitCommit" | "GoVersion" | "Os" | "Arch" | "BuildTime" | "Context",
  string
>;

const row = (name: string, value: string | undefined, indent = " "): string =>
  `${indent}${`${name}:`.padEnd(19 - indent.length + 1)}${value ?? ""}\n`;

function clientText(client: ClientVersion): string {
  const downgraded =
    client.ApiVersion === client.DefaultAPIVersion ? "" : ` (downgraded from ${client.DefaultAPIVersion})`;
  return `Client:
${row("Version", client.Version)}${row("API version", `${client.ApiVersion}${downgraded}`)}${row("Bun version", Bun.version)}${row("Git commit", client.GitCommit)}${row("OS/Arch", `${client.Os}/${client.Arch}`)}${row("Context", client.Context)}`;
}

function serverText(server: SystemVersion): string {
  const platform = server.Platform?.Name ? ` ${server.Platform.Name}` : "";
  let text = `Server:${platform}\n`;
  for (const { Name, Version, Details = {} } of server.Components ?? []) {
    const details = Details as Record<string, string>;
    text += ` ${Name}:\n${row("Version", Version, "  ")}`;
    if (Name !== "Engine") {
      if (details.GitCommit !== undefined) text += row("GitCommit", details.GitCommit, "  ");
      continue;
    }
    text += row("API version", `${details.ApiVersion} (minimum version ${details.MinAPIVersion})`, "  ");
    for (const [key, value] of Object.entries({
      "Go version": details.GoVersion,
      "Bun version": details.BunVersion,
      "Git commit": details.GitCommit,
      Built: details.BuildTime,
      "OS/Arch": `${details.Os}/${details.Arch}`,
      Experimental: details.Experimental,
    })) {
      if (value !== undefined) text += row(key, value, "  ");
    }
  }
  return text;
}

async function formatted(format: string, client: ClientVersion, server: SystemVersion | undefined): Promise<string> {
  const { encodeJson, fromJson, Struct } = await import("../format/template/template.ts");
  const { executed, parsed } = await import("../format/list.ts");
  const data = { Client: client, Server: server ?? null };
  if (format === "json") return encodeJson(data);
  const failure = { parsing: "template parsing error: ", executing: "", status: 64, name: "version" };
  const template = parsed(format, failure);
  return executed(() =>
    template.execute(new Struct("system.versionInfo", { Client: client, Server: fromJson(data.Server) })),
  );
}
