/** `gantry doctor`: prints the machine check. Exit code 0 when containers can run, 1 when not, 125 for a wrong flag. */
import { type Check, canRun, checkMachine, type MachineOptions } from "./doctor.ts";

const usage = `Usage:  gantry doctor [OPTIONS]

Check whether this machine can run containers, and repair what is safe

Options:
      --bip string         Address of the server's bridge, if it is set
      --bridge string      Name of the server's bridge (default "gantry0")
      --data-root string   The server's data root (default "/var/lib/gantry")
      --json               Print the checks as JSON
      --repair             Repair what is safe (default true)`;

class UsageError extends Error {}

interface Parsed {
  options: Partial<MachineOptions>;
  json: boolean;
  help: boolean;
}

const keys = { "--data-root": "dataRoot", "--bridge": "bridge", "--bip": "bip" } as const;

function parse(argv: string[]): Parsed {
  const parsed: Parsed = { options: {}, json: false, help: false };
  const words = [...argv];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const [, flag = word, value] = /^(--[a-z-]+)=([\s\S]*)$/.exec(word) ?? [];
    const key = keys[flag as keyof typeof keys];
    if (key !== undefined) {
      const text = value ?? words.shift();
      if (text === undefined) throw new UsageError(`flag needs an argument: ${flag}`);
      if (key === "dataRoot" && !text.startsWith("/")) {
        throw new UsageError(`invalid argument ${JSON.stringify(text)} for "--data-root" flag: not an absolute path`);
      }
      parsed.options[key] = text;
    } else if (flag === "--json") parsed.json = truth(flag, value);
    else if (flag === "--repair") parsed.options.repair = truth(flag, value);
    else if (flag === "--help" || flag === "-h") parsed.help = true;
    else if (word.startsWith("-")) throw new UsageError(`unknown flag: ${flag}`);
    else throw new UsageError(`"gantry doctor" accepts no arguments: ${JSON.stringify(word)}`);
  }
  return parsed;
}

function truth(flag: string, value = "true"): boolean {
  if (/^(true|1|t)$/i.test(value)) return true;
  if (/^(false|0|f)$/i.test(value)) return false;
  throw new UsageError(`invalid argument ${JSON.stringify(value)} for "${flag}" flag: neither true nor false`);
}

/** A line a check, and below it what to do. */
export function table(checks: Check[]): string {
  const width = Math.max(...checks.map((check) => check.name.length));
  const lines = checks.flatMap(({ status, name, found, advice }) => [
    `${status.padEnd(8)}  ${name.padEnd(width)}  ${found}`,
    ...(advice === undefined ? [] : [`${" ".repeat(8)}  ${" ".repeat(width)}  → ${advice}`]),
  ]);
  const verdict = canRun(checks) ? "Containers can run." : "Containers cannot run until what failed is put right.";
  return [...lines, "", verdict].join("\n");
}

/** `argv` is what follows `gantry doctor`. Resolves with the exit code. */
export async function doctorCommand(argv: string[]): Promise<number> {
  let parsed: Parsed;
  try {
    parsed = parse(argv);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${usage}`);
    return 125;
  }
  if (parsed.help) {
    console.log(usage);
    return 0;
  }
  const checks = await checkMachine(parsed.options);
  const ready = canRun(checks);
  console.log(parsed.json ? JSON.stringify({ canRun: ready, checks }, null, 2) : table(checks));
  return ready ? 0 : 1;
}
