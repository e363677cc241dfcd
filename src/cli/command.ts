/** What a command is, and what it is given. One file a command, loaded when it is asked for. */
import type { Client } from "../client/client.ts";
import type { Flags } from "./flags/flag.ts";
import type { Parsed } from "./flags/parse.ts";
import type { ConfigFile } from "./settings/config.ts";

export interface Command<F extends Flags = Flags> {
  /** After the command's name: `[OPTIONS] IMAGE [COMMAND] [ARG...]`. */
  usage: string;
  /** Instead of the summary of the table, where the two differ. */
  summary?: string;
  /** The other ways to write it, as the help lists them: `gantry container run, gantry run`. */
  aliases?: string;
  flags: F;
  /** How many arguments it takes; `max` undefined: any number. */
  arguments: { min: number; max?: number };
  /** False: flags end at the first argument, the rest belongs to the container's command. */
  interspersed?: boolean;
  /** Resolves with the exit code. Throws CliError, FlagError, ApiError, ConnectError: the caller prints them. */
  run(invocation: Invocation<F>): Promise<number>;
}

export interface Invocation<F extends Flags = Flags> extends Pick<Parsed<F>, "values" | "given"> {
  arguments: string[];
  /** The command as it is called, `container run`, for messages. */
  name: string;
  session: Session;
}

/** What all commands share: the server they speak to, and the user's settings. Each is made when it is first used. */
export interface Session {
  client(): Client;
  /** The server's address as it was chosen. */
  host(): string;
  context(): string;
  config(): ConfigFile;
  configDirectory: string;
  debug: boolean;
}

/** Makes the flags' types known to `run`. */
export function command<const F extends Flags>(definition: Command<F>): Command<F> {
  return definition;
}
