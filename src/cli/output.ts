/**
 * Standard output and standard error, written straight to the descriptor: process.stdout takes 10 ms to load, and loses
 * what a full pipe did not take when the process exits.
 */
import { write as writeAsync, writeSync } from "node:fs";
import { CliError, ExitError } from "./errors.ts";

/** Writes text and a newline to standard output. */
export const print = (text: string): void => writeAll(1, `${text}\n`);

/** Writes text as it is. */
export const write = (text: string): void => writeAll(1, text);

/** Writes text and a newline to standard error. */
export const printError = (text: string): void => writeAll(2, `${text}\n`);

export const writeError = (text: string): void => writeAll(2, text);

/** As a process that SIGPIPE ended: its reader has gone, nobody wants the rest. */
const brokenPipe = 141;

/** Waits until the descriptor took all. A reader of standard output that has gone ends the command, as SIGPIPE would. */
function writeAll(fd: 1 | 2, text: string): void {
  let rest: Uint8Array = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Someone else made the pipe or terminal nonblocking: it is shared. Its reader is slow, so a short nap costs nothing.
      if (code === "EAGAIN") Bun.sleepSync(1);
      else if (code === "EPIPE" && fd === 1) throw new ExitError(brokenPipe);
      else if (fd === 1) throw error;
      else return;
    }
  }
}

/** Writes bytes without holding up the rest of the process. Throws CliError when the reader of standard output has gone. */
export async function writeBytes(fd: 1 | 2, bytes: Uint8Array): Promise<void> {
  for (let rest = bytes; rest.length > 0; ) {
    try {
      rest = rest.subarray(await writeSome(fd, rest));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EAGAIN") await Bun.sleep(1);
      else if (code === "EPIPE")
        throw new CliError(`write /dev/${fd === 1 ? "stdout" : "stderr"}: broken pipe`, { final: true });
      else throw error;
    }
  }
}

function writeSome(fd: number, bytes: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    writeAsync(fd, bytes, 0, bytes.length, null, (error, count) => (error ? reject(error) : resolve(count)));
  });
}
