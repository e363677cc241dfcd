/** conmon processes: finding, awaiting and ending them. */
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { commandLine, kill, startTime } from "../sys/process.ts";
import { conmonPidFile } from "./conmon/command.ts";

/** A process by its id and start time: no later one is taken for it. */
export interface Identity {
  pid: number;
  started: string;
}

export function isAlive(identity: Identity): boolean {
  return startTime(identity.pid) === identity.started;
}

/** The conmon whose pid file is in `folder`; undefined when it is gone or never was. */
export function conmonOf(folder: string): Identity | undefined {
  let pid: number;
  try {
    pid = Number.parseInt(readFileSync(conmonPidFile(folder), "utf8"), 10);
  } catch {
    return undefined;
  }
  const started = startTime(pid);
  // The id may belong to another process by now.
  return started !== undefined && commandLine(pid).includes(folder) ? { pid, started } : undefined;
}

/** conmons that serve `folder`, from the process table: for bundles that were left half made. */
export function findConmons(folder: string): Identity[] {
  const found: Identity[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const pid = Number(name);
    const started = commandLine(pid).includes(folder) ? startTime(pid) : undefined;
    if (started !== undefined) found.push({ pid, started });
  }
  return found;
}

/** Resolves true once it is gone, false after `milliseconds`. */
export async function awaitEnd(identity: Identity, milliseconds: number): Promise<boolean> {
  const until = performance.now() + milliseconds;
  for (let delay = 1; isAlive(identity); delay = Math.min(delay * 2, 50)) {
    if (performance.now() > until) return false;
    await sleep(delay);
  }
  return true;
}

export function end(identity: Identity): void {
  try {
    if (isAlive(identity)) kill(identity.pid, 9);
  } catch {
    // Gone meanwhile.
  }
}
