/** The texts of --help, in the form of Docker's client. */
import type { Command } from "./command.ts";
import { common, type External, groups, plain } from "./commands.ts";
import { CliError } from "./errors.ts";
import { flagTable } from "./flags/help.ts";
import { findIn, globalFlags } from "./main.ts";

const columns = (): number => {
  const width = Number(process.env.COLUMNS);
  return (Number.isInteger(width) && width >= 40 ? width : 80) - 1;
};

export function commandHelp(name: string, summary: string, command: Command): string {
  const parts = [
    `Usage:  gantry ${name}${command.usage === "" ? "" : ` ${command.usage}`}`,
    command.summary ?? summary,
  ];
  if (command.aliases !== undefined) parts.push(`Aliases:\n  ${command.aliases}`);
  if (Object.values(command.flags).some(({ hidden }) => !hidden)) {
    parts.push(`Options:\n${flagTable(command.flags, columns()).trimEnd()}`);
  }
  return `${parts.join("\n\n")}\n`;
}

/** The help of the program, a group or a command. Throws CliError when `path` names none. */
export async function helpFor(path: string[], external: Record<string, External>): Promise<string> {
  const [name, sub] = path;
  if (name === undefined) return programHelp(external);
  if (Object.hasOwn(groups, name)) {
    if (sub === undefined) return groupHelp(name);
    const found = findIn(groups[name]!, sub);
    if (found === undefined) throw new CliError(`unknown help topic: ${path.join(" ")}`);
    return commandHelp(`${name} ${found.name}`, found.entry.summary, (await found.entry.load()).default);
  }
  const table: Record<string, (typeof common)[string]> = { ...common, ...plain };
  if (Object.hasOwn(external, name)) return `Usage:  gantry ${name} --help\n\n${external[name]!.summary}\n`;
  if (!Object.hasOwn(table, name)) throw new CliError(`unknown help topic: ${path.join(" ")}`);
  return commandHelp(name, table[name]!.summary, (await table[name]!.load()).default);
}

function groupHelp(name: string): string {
  const { summary, commands } = groups[name]!;
  return `Usage:  gantry ${name} COMMAND

${summary}

Commands:
${rows(commands)}

Run 'gantry ${name} COMMAND --help' for more information on a command.
`;
}

function programHelp(external: Record<string, External>): string {
  return `Usage:  gantry [OPTIONS] COMMAND

A container engine that speaks Docker's protocols

Common Commands:
${rows(common, false)}

Management Commands:
${rows({ ...groups, ...external })}

Commands:
${rows(plain)}

Global Options:
${flagTable(globalFlags, columns()).trimEnd()}

Run 'gantry COMMAND --help' for more information on a command.
`;
}

function rows(table: Record<string, { summary: string }>, sorted = true): string {
  const names = Object.keys(table);
  if (sorted) names.sort();
  const width = Math.max(...names.map((name) => name.length), 11);
  return names.map((name) => `  ${name.padEnd(width)} ${table[name]!.summary}`).join("\n");
}
