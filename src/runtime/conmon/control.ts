/** conmon's control FIFO: lines of three numbers, the first being the command. */
import { closeSync, constants, openSync, writeSync } from "node:fs";

/** conmon ignores a size above this. */
const largest = 1000;

/** Sets the terminal's size. Throws when conmon is gone (ENXIO, ENOENT). */
export function resizeTerminal(folder: string, rows: number, columns: number): void {
  send(folder, `1 ${Math.min(rows, largest)} ${Math.min(columns, largest)}\n`);
}

/** Has conmon open its log anew: after it was renamed away. */
export function reopenLog(folder: string): void {
  send(folder, "2 0 0\n");
}

function send(folder: string, line: string): void {
  const fifo = openSync(`${folder}/ctl`, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    writeSync(fifo, line);
  } finally {
    closeSync(fifo);
  }
}
