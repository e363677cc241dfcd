/** Prints what the server knows of things: its own JSON, or a template's text for each. */
import { parseJson } from "../../client/lines.ts";
import { describe } from "../describe.ts";
import { CliError } from "../errors.ts";
import { type Compiled, compile, encodeJson, fromJson, TemplateError } from "../format/template/template.ts";
import { print, printError } from "../output.ts";
import { indentJson } from "./indent.ts";

/** Gives the server's JSON for one thing. */
export type Look = (ref: string) => Promise<string>;

/** Looks each up and prints those that are there. Resolves with 1 when some are not. */
export async function inspectEach(refs: readonly string[], format: string, look: Look): Promise<number> {
  const render = format === "" || format === "json" ? undefined : templateFor(format);
  const found: string[] = [];
  const failures: string[] = [];
  for (const ref of refs) {
    let text: string;
    try {
      text = await look(ref);
    } catch (error) {
      failures.push(describe(error));
      continue;
    }
    if (render === undefined) {
      found.push(text.trim());
      continue;
    }
    try {
      found.push(render.execute(fromJson(parseJson(text)), { missing: "error" }));
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      failures.push(`template parsing error: ${error.message}`);
      break;
    }
  }
  if (format === "") print(found.length === 0 ? "[]" : indentJson(`[${found.join(",")}]`, "    "));
  else if (format === "json") print(`[${found.map((text) => encodeJson(parseJson(text))).join(",")}]`);
  else if (found.length > 0) print(found.join("\n"));
  else print("");
  for (const failure of failures) printError(failure);
  return failures.length > 0 ? 1 : 0;
}

function templateFor(format: string): Compiled {
  try {
    return compile(format);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    throw new CliError(`template parsing error: ${error.message}`, { status: 64 });
  }
}
