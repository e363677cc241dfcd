/**
 * crun's exec.fifo: the created process waits to read a byte from it before it executes its command, and `crun start` is
 * little else than that byte. How crun keeps it is its own affair: who calls has `crun start` to fall back on.
 */
import { closeSync, constants, existsSync, openSync, rmSync, statSync, writeSync } from "node:fs";

/** `unread`: there is a FIFO that nobody reads. `absent`: there is none; then the runtime has another way. */
export function startByFifo(path: string): "started" | "unread" | "absent" {
  const fifo = openWriter(path);
  if (typeof fifo === "string") return fifo;
  try {
    writeSync(fifo, "\0");
  } catch (error) {
    // Its reader went between the two calls: it was started, or ended.
    if ((error as NodeJS.ErrnoException).code === "EPIPE") return "unread";
    throw error;
  } finally {
    closeSync(fifo);
  }
  // crun takes its absence for "running".
  rmSync(path, { force: true });
  return "started";
}

/**
 * Whether the process still is crun, waiting for its byte. The FIFO itself must not be asked: to open and close it would
 * end the wait.
 */
export function waitsAtFifo(path: string, pid: number, crun: string): boolean {
  if (!existsSync(path)) return false;
  try {
    const [program, own] = [statSync(`/proc/${pid}/exe`), statSync(crun)];
    return program.ino === own.ino && program.dev === own.dev;
  } catch {
    // It ended, or crun was replaced.
    return false;
  }
}

/** Without waiting for a reader: there is one, from before the process was reported as created, or there never will be. */
function openWriter(path: string): number | "unread" | "absent" {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENXIO") return "unread";
    if (code === "ENOENT") return "absent";
    throw error;
  }
}
