/** What processes keep in memory. */
import { readFileSync } from "node:fs";

/** Proportional set size in bytes: pages that several processes map are divided among them. 0 for one that is gone. */
export function pss(pid: number): number {
  try {
    return parsePss(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
  } catch {
    return 0;
  }
}

/** Of proc_pid_smaps(5)'s rollup. */
export function parsePss(rollup: string): number {
  const found = /^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1];
  if (found === undefined) throw new Error("smaps_rollup has no Pss");
  return Number(found) * 1024;
}

/** The parent's pid in proc_pid_stat(5); the command in parentheses may hold anything. */
export function parseParent(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

export function parentOf(pid: number): number {
  return parseParent(readFileSync(`/proc/${pid}/stat`, "utf8"));
}
