/**
 * The command line. It starts, asks and ends in a few milliseconds, so this file imports little: it finds the command in
 * the table and loads that one's file.
 */
import type { Command, Session } from "./command.ts";
import { common, type Entry, type External, type Group, groups, plain } from "./commands.ts";
import { CliError, ExitError, FlagError } from "./errors.ts";
import { bool, list, string } from "./flags/flag.ts";
import { parseFlags } from "./flags/parse.ts";
import { printError, write, writeError } from "./output.ts";
import { openSession } from "./session.ts";

export const globalFlags = {
  config: string("Location of client config files", { shown: "(default DOCKER_CONFIG, else ~/.docker)" }),
  context: string("Name of the context of Docker's store to use to connect to the daemon (overrides DOCKER_HOST)", {
    short: "c",
  }),
  debug: bool("Enable debug mode", { short: "D" }),
  host: list("Daemon socket to connect to", { short: "H" }),
  "log-level": string('Set the logging level ("debug", "info", "warn", "error", "fatal")', {
    short: "l",
    default: "info",
  }),
  tls: bool("Use TLS; implied by --tlsverify"),
  tlscacert: string("Trust certs signed only by this CA", {
    shown: '(default "ca.pem" in DOCKER_CERT_PATH or --config)',
  }),
  tlscert: string("Path to TLS certificate file", { shown: '(default "cert.pem" there)' }),
  tlskey: string("Path to TLS key file", { shown: '(default "key.pem" there)' }),
  tlsverify: bool("Use TLS and verify the remote"),
  version: bool("Print version information and quit", { short: "v" }),
};

export interface CliOptions {
  /** Commands of other parts of the product, by name. */
  external?: Record<string, External>;
  /** Starts the server when nobody named a host and none answers. Default: server.ts. */
  startServer?: (host: string) => Promise<void>;
}

/** Runs one command line, without the program's name. Resolves with the exit code; all output is written by then. */
export async function runCli(argv: readonly string[], options: CliOptions = {}): Promise<number> {
  try {
    return await dispatch(argv, options);
  } catch (error) {
    return await fail(error, undefined, undefined);
  }
}

async function dispatch(argv: readonly string[], options: CliOptions): Promise<number> {
  const { values, given, rest, help } = parseFlags(globalFlags, argv, false);
  if (help) return showHelp([], options);
  if (values.version) {
    const { commit, version } = await import("../version.ts");
    const { print } = await import("./output.ts");
    print(`gantry version ${version}, build ${commit}`);
    return 0;
  }
  if (!["debug", "info", "warn", "error", "fatal", "trace", "panic"].includes(values["log-level"])) {
    throw new CliError(`Unable to parse logging level: ${values["log-level"]}`);
  }
  const [name, ...after] = rest;
  if (name === undefined) return showHelp([], options);
  if (name === "help") return showHelp(after, options);
  const own = (table: Record<string, unknown>, key: string) => Object.hasOwn(table, key);
  if (own(options.external ?? {}, name)) return options.external![name]!.run(after);
  const session = openSession(
    {
      hosts: values.host,
      context: values.context,
      config: values.config,
      tls: values.tls,
      tlsverify: values.tlsverify,
      tlscacert: values.tlscacert,
      tlscert: values.tlscert,
      tlskey: values.tlskey,
      tlsverifyGiven: given.has("tlsverify"),
    },
    values.debug,
    options.startServer,
  );
  try {
    if (own(groups, name)) return await runGroup(name, groups[name]!, after, session, options);
    const entry = own(common, name) ? common[name] : own(plain, name) ? plain[name] : undefined;
    if (entry === undefined) throw await unknownCommand([], name, options);
    return await runCommand(entry, name, after, session);
  } finally {
    session.close();
  }
}

async function runGroup(name: string, group: Group, argv: string[], session: Session, options: CliOptions) {
  const { rest, help } = parseFlagsOf([name], argv);
  const [sub, ...after] = rest;
  // Docker's: who names no command did something wrong, though not so wrong that scripts are to notice.
  if (sub === undefined) return showHelp([name], options, help ? write : writeError);
  if (help || sub === "help") return showHelp([name, ...(sub === "help" ? after : [])], options);
  const found = findIn(group, sub);
  if (found === undefined) throw await unknownCommand([name], sub, options);
  return runCommand(found.entry, `${name} ${found.name}`, after, session);
}

function parseFlagsOf(path: string[], argv: string[]) {
  try {
    return parseFlags({}, argv, false);
  } catch (error) {
    if (!(error instanceof FlagError)) throw error;
    throw flagFailure(error, path.join(" "), "COMMAND");
  }
}

/** A group's command by its name or another name of it. */
export function findIn(group: Group, name: string): { name: string; entry: Entry } | undefined {
  if (Object.hasOwn(group.commands, name)) return { name, entry: group.commands[name]! };
  const found = Object.entries(group.commands).find(([, { names }]) => names?.includes(name));
  return found === undefined ? undefined : { name: found[0], entry: found[1] };
}

async function runCommand(entry: Entry, name: string, argv: string[], session: Session): Promise<number> {
  const { default: command } = await entry.load();
  try {
    const { values, given, rest, help } = parseFlags(command.flags, argv, command.interspersed ?? true);
    if (help) {
      const { commandHelp } = await import("./help.ts");
      write(commandHelp(name, entry.summary, command));
      return 0;
    }
    checkArguments(command, name, rest.length);
    return await command.run({ values, given, arguments: rest, name, session });
  } catch (error) {
    return await fail(error, command, name);
  }
}

function checkArguments({ arguments: { min, max }, usage }: Command, name: string, count: number): void {
  if (count >= min && (max === undefined || count <= max)) return;
  const plural = (n: number) => `${n} argument${n === 1 ? "" : "s"}`;
  let text: string;
  if (max === 0) text = "accepts no arguments";
  else if (min === max) text = `requires ${plural(min)}`;
  else if (count < min) text = `requires at least ${plural(min)}`;
  else text = `requires at most ${plural(max!)}`;
  const hint = max === undefined ? "See" : "Run";
  throw new CliError(
    `'gantry ${name}' ${text}\n\nUsage:  gantry ${name} ${usage}\n\n${hint} 'gantry ${name} --help' for more information`,
    { named: true },
  );
}

function flagFailure(error: FlagError, name: string, usage: string): CliError {
  const program = name === "" ? "gantry" : `gantry ${name}`;
  const help = `Run '${program} --help' for more information`;
  return new CliError(`${error.message}\n\nUsage:  ${program} ${usage}\n\n${help}`, { status: 125 });
}

async function unknownCommand(path: string[], name: string, options: CliOptions): Promise<CliError> {
  const { nearest } = await import("./flags/nearest.ts");
  const group = path[0] === undefined ? undefined : groups[path[0]]!;
  const known = group
    ? Object.entries(group.commands).flatMap(([key, { names = [] }]) => [key, ...names])
    : [common, plain, groups, options.external ?? {}].flatMap(Object.keys);
  const program = ["gantry", ...path].join(" ");
  const near = nearest(name, known);
  const lines = [
    `unknown command: ${program} ${name}`,
    ...(near === undefined ? [] : [`Did you mean '${program} ${near}'?`]),
    ...(group === undefined ? [] : [`Usage:  ${program} COMMAND`]),
    `Run '${program} --help' for more information`,
  ];
  return new CliError(lines.join("\n\n"), { named: true });
}

async function showHelp(path: string[], options: CliOptions, show = write): Promise<number> {
  const { helpFor } = await import("./help.ts");
  show(await helpFor(path, options.external ?? {}));
  return 0;
}

/** Prints what went wrong as Docker's client does, and gives the exit code. */
async function fail(error: unknown, command: Command | undefined, name: string | undefined): Promise<number> {
  if (error instanceof ExitError) return error.status;
  let failure = error;
  if (error instanceof FlagError)
    failure = flagFailure(error, name ?? "", command?.usage ?? "[OPTIONS] COMMAND [ARG...]");
  if (failure instanceof CliError) {
    const hint = failure.help && name !== undefined ? `\n\nRun 'gantry ${name} --help' for more information` : "";
    const text = `${failure.named ? "gantry: " : ""}${failure.message}${hint}`;
    if (failure.message !== "") printError(text);
    return failure.status;
  }
  const { describe } = await import("./describe.ts");
  printError(describe(failure));
  return 1;
}
