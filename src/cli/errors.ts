/** How a command ends that did not do its work: what is printed, and the exit code. */

/**
 * `message` is printed as it is, after `gantry: ` when `named`, with the hint to --help when `help`. `final`: no caller
 * adds to it.
 */
export class CliError extends Error {
  readonly status: number;
  readonly named: boolean;
  readonly help: boolean;
  readonly final: boolean;
  constructor(message: string, { status = 1, named = false, help = false, final = false } = {}) {
    super(message);
    this.name = "CliError";
    this.status = status;
    this.named = named;
    this.help = help;
    this.final = final;
  }
}

/** A flag that is unknown, lacks its value or has a bad one: printed with the usage line, exit code 125. */
export class FlagError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "FlagError";
  }
}

/** Ends the command with an exit code and no message: a container's own, or everything was said. */
export class ExitError extends Error {
  constructor(readonly status: number) {
    super(`exit ${status}`);
    this.name = "ExitError";
  }
}
