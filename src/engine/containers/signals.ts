/** Signals by name or number, as `kill`, `stop` and images write them. */
import { constants } from "node:os";
import { invalid } from "../errors.ts";

const names: Record<string, number> = { ...constants.signals, SIGRTMIN: 34, SIGRTMAX: 64, SIGCLD: 17 };

/** `SIGTERM`, `term`, `15`, `RTMIN+3`. Throws 400 with Docker's text. */
export function readSignal(text: string): number {
  if (/^\d+$/.test(text)) {
    const number = Number(text);
    if (number >= 1 && number <= 64) return number;
    throw invalid(`Invalid signal: ${text}`);
  }
  const name = text.toUpperCase().replace(/^(SIG)?/, "SIG");
  const relative = /^(SIGRTMIN\+|SIGRTMAX-)(\d{1,2})$/.exec(name);
  if (relative) {
    const offset = Number(relative[2]);
    const number = relative[1] === "SIGRTMIN+" ? 34 + offset : 64 - offset;
    if (number >= 34 && number <= 64) return number;
  }
  const number = names[name];
  if (number === undefined) throw invalid(`Invalid signal: ${text}`);
  return number;
}
