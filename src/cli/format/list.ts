/** Lists of things, as `ps` and `images` print them: a table, JSON, or a template of the user's. */
import { CliError } from "../errors.ts";
import { print } from "../output.ts";
import { alignColumns } from "./table.ts";
import { type Compiled, compile, encodeJson, escapeHtml, Struct, TemplateError } from "./template/template.ts";

export interface ListShape<T> {
  /** Go's name of the type, for errors: `*formatter.ContainerContext`. */
  type: string;
  /** Fields that templates know; functions are methods and stay out of JSON. */
  fields: (item: T) => Record<string, unknown>;
  headings: Record<string, string>;
  /** The table's columns when no format was given. */
  table: string;
  /** What --quiet prints. */
  quiet: string;
}

export interface ListOptions {
  format: string;
  quiet: boolean;
}

/** Throws CliError when the template is malformed or asks for a field that is not there. */
export function printList<T>(items: readonly T[], shape: ListShape<T>, options: ListOptions): void {
  for (const line of renderList(items, shape, options)) print(line);
}

export function renderList<T>(items: readonly T[], shape: ListShape<T>, { format, quiet }: ListOptions): string[] {
  const chosen = format === "" ? "table" : format.trim();
  const isTable = chosen.startsWith("table");
  if (quiet && chosen === "table") return items.map((item) => String(shape.fields(item)[shape.quiet]));
  if (chosen === "json") return items.map((item) => encodeItem(shape.fields(item)));
  let source = isTable ? chosen.slice("table".length).trim() : chosen;
  if (isTable && source === "") source = shape.table;
  source = source.replaceAll("\\t", "\t").replaceAll("\\n", "\n");
  const template = parsed(source);
  const lines = items.map((item) => {
    const fields = shape.fields(item);
    const data = new Struct(shape.type, fields, () => JSON.parse(encodeItem(fields)), true);
    return executed(() => template.execute(data));
  });
  if (!isTable) return lines;
  return alignColumns([heading(template, shape.headings), ...lines].join("\n").split("\n"));
}

const encodeItem = (fields: Record<string, unknown>): string =>
  escapeHtml(
    encodeJson(
      Object.fromEntries(
        Object.entries(fields)
          .filter(([, value]) => typeof value !== "function")
          .sort(([a], [b]) => (a < b ? -1 : 1)),
      ),
    ),
  );

function heading(template: Compiled, headings: Record<string, string>): string {
  const label = (name: unknown) => String(name).split(".").pop()!.replace(/[-_]/g, " ");
  const data = new Struct("formatter.SubHeaderContext", { ...headings, Label: label });
  return executed(() => template.execute(data, { heading: true }));
}

/** What stands before a template's error, and the exit code: they differ by command. */
export interface TemplateFailure {
  parsing: string;
  executing: string;
  /** Of a template that cannot be parsed. */
  status: number;
  /** The template's name in messages. */
  name?: string;
}

const listFailure: TemplateFailure = {
  parsing: "template parsing error: ",
  executing: "template parsing error: ",
  status: 1,
};

export function parsed(source: string, failure = listFailure): Compiled {
  try {
    return compile(source, failure.name);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    throw new CliError(failure.parsing + error.message, { status: failure.status });
  }
}

export function executed(run: () => string, failure = listFailure): string {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    throw new CliError(failure.executing + error.message);
  }
}

/** The first twelve digits of an identifier, without its algorithm. */
export const shortId = (id: string): string => id.replace(/^[^:]*:/, "").slice(0, 12);

/** At most `size` letters, the last an ellipsis where some are missing. */
export function ellipsis(text: string, size: number): string {
  const letters = [...text];
  if (letters.length <= size) return text;
  return size <= 1 ? letters.slice(0, size).join("") : `${letters.slice(0, size - 1).join("")}…`;
}

/** `a=b,c=d`, by key. */
export const labelText = (labels: Record<string, string> | null | undefined): string =>
  Object.entries(labels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(",");

/** A text in quotes as Go writes it. */
export const goQuote = (text: string): string =>
  JSON.stringify(text).replace(/[\x7f-\x9f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
