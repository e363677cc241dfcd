/** Exit codes of `run` for what went wrong before the container's command did. */
import { ConnectError } from "../../client/client.ts";
import { describe } from "../describe.ts";
import { CliError, ExitError } from "../errors.ts";

const engine = 125;
const cannotInvoke = 126;
const notFound = 127;

/** 127 when the command is not there, 126 when it cannot be executed, else 125: by the server's words, as Docker does. */
export function runFailure(error: unknown): CliError | ExitError {
  if (error instanceof ExitError) return error;
  if (error instanceof CliError && (error.named || error.final)) return error;
  const message = describe(error);
  const status = error instanceof ConnectError ? engine : statusOf(message);
  return new CliError(message, { status, named: true, help: true });
}

function statusOf(message: string): number {
  if (/executable file not found|no such file or directory|system cannot find the file specified/.test(message)) {
    return notFound;
  }
  return /permission denied|is a directory/.test(message) ? cannotInvoke : engine;
}
