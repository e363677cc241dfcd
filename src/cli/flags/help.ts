/** The table of flags in a command's help, laid out and wrapped as pflag does it. */
import type { Flags } from "./flag.ts";

/** Lines for each visible flag by name, none longer than `columns` where words allow it. Ends with a newline. */
export function flagTable(flags: Flags, columns: number): string {
  const rows = Object.entries(flags)
    .filter(([, flag]) => !flag.hidden)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { short, type, help, shown }]) => ({
      left: `${short === undefined ? "     " : `  -${short},`} --${name}${type === "" ? "" : ` ${type}`}`,
      right: shown === undefined ? help : `${help} ${shown}`,
    }));
  const indent = Math.max(0, ...rows.map(({ left }) => left.length)) + 3;
  return rows.map(({ left, right }) => `${left.padEnd(indent)}${wrap(right, indent, columns)}\n`).join("");
}

const orphan = 5;
const narrow = 24;

/** `text` in lines of `columns`, all but the first indented. A last line of a few letters joins the one before it. */
export function wrap(text: string, indent: number, columns: number): string {
  let start = "";
  let margin = indent;
  if (columns - margin < narrow) {
    margin = 16;
    start = `\n${" ".repeat(margin)}`;
  }
  const width = columns - margin;
  if (width < narrow) return text.replaceAll("\n", start);
  const lines: string[] = [];
  for (let rest = text; rest !== ""; ) {
    const [line, next] = takeLine(rest, width - orphan);
    lines.push(line);
    rest = next;
  }
  return start + lines.join("\n").replaceAll("\n", `\n${" ".repeat(margin)}`);
}

function takeLine(text: string, width: number): [line: string, rest: string] {
  if (width + orphan > text.length) return [text, ""];
  const head = text.slice(0, width);
  const blank = Math.max(head.lastIndexOf(" "), head.lastIndexOf("\t"), head.lastIndexOf("\n"));
  if (blank <= 0) return [text, ""];
  const newline = head.lastIndexOf("\n");
  const at = newline > 0 && newline < blank ? newline : blank;
  return [text.slice(0, at), text.slice(at + 1)];
}
