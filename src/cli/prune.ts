/** The question before something is removed for good, and the end of each prune. */
import { readSync } from "node:fs";
import { ExitError } from "./errors.ts";
import { decimalSize } from "./format/units.ts";
import { print, write } from "./output.ts";

/** Asks on standard output, reads a line of standard input. Anything but yes is no. */
export function confirm(question: string): boolean {
  write(`${question}\nAre you sure you want to continue? [y/N] `);
  let answer = "";
  const byte = new Uint8Array(1);
  while (answer.length < 100) {
    let count = 0;
    try {
      count = readSync(0, byte);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      Bun.sleepSync(20);
      continue;
    }
    const letter = String.fromCharCode(byte[0]!);
    if (count === 0 || letter === "\n") break;
    answer += letter;
  }
  return /^y(?:es)?$/i.test(answer.trim());
}

/** Throws ExitError when the user does not want to: that is no failure. */
export function ask(force: boolean, question: string): void {
  if (!force && !confirm(question)) throw new ExitError(0);
}

export function printPruned(title: string, names: readonly string[], reclaimed: number): void {
  if (names.length > 0) print(`${title}:\n${names.join("\n")}\n`);
  print(`Total reclaimed space: ${decimalSize(reclaimed)}`);
}
