/** What crun's words mean, in Docker's words: the stock client takes its exit codes 126 and 127 from them. */
import { LaunchError } from "../runtime.ts";

/**
 * crun's error output, or conmon's message that holds it, as a LaunchError. `command` is the process's first argument:
 * crun names it only sometimes.
 */
export function launchError(text: string, command: string): LaunchError {
  const message = text
    .split("\n")
    .map((line) => line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z: /, "").trim())
    .filter((line) => line !== "" && !/^\[conmon:[a-z]\]/.test(line))
    .join("\n");
  const name = JSON.stringify(command);
  // crun 1.8 says `in $PATH` in every case, 1.21 only where it looked there.
  if (/^executable file `.*` not found/s.test(message)) {
    return new LaunchError(
      command.includes("/")
        ? `exec: ${name}: stat ${command}: no such file or directory`
        : `exec: ${name}: executable file not found in $PATH`,
      "not-found",
    );
  }
  if (/^open executable/.test(message)) {
    const reason = (message.split(": ")[1] ?? "permission denied").toLowerCase();
    // crun's own check refuses what is no regular file with EPERM; the kernel's says EACCES.
    if (reason === "operation not permitted") {
      return new LaunchError(`exec: ${name}: is a directory`, "not-executable");
    }
    return new LaunchError(`exec: ${name}: ${reason}`, "not-executable");
  }
  const refused = /^the path `.*` (exists but it is not executable|is not a regular file)/s.exec(message);
  if (refused) {
    const reason = refused[1]!.startsWith("exists") ? "permission denied" : "is a directory";
    return new LaunchError(`exec: ${name}: ${reason}`, "not-executable");
  }
  const kind = /: permission denied$|: is a directory$|: not a directory$|exec format error/i.test(message)
    ? "not-executable"
    : "other";
  return new LaunchError(message === "" ? "the runtime gave no reason" : message, kind);
}
