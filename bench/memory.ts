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

/** Programs, how often each runs, and their memory together: `dockerd 50.1 MB, 2 conmon 2.4 MB`; the greatest first. */
export function describeProcesses(pids: number[]): string {
  const programs = new Map<string, { count: number; bytes: number }>();
  for (const pid of pids) {
    const bytes = pss(pid);
    if (bytes === 0) continue;
    const name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
    const { count, bytes: before } = programs.get(name) ?? { count: 0, bytes: 0 };
    programs.set(name, { count: count + 1, bytes: before + bytes });
  }
  return [...programs]
    .sort(([, a], [, b]) => b.bytes - a.bytes)
    .map(([name, { count, bytes }]) => `${count > 1 ? `${count} ` : ""}${name} ${(bytes / 1e6).toFixed(1)} MB`)
    .join(", ");
}

/** The parent's pid in proc_pid_stat(5); the command in parentheses may hold anything. */
export function parseParent(stat: string): number {
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

export function parentOf(pid: number): number {
  return parseParent(readFileSync(`/proc/${pid}/stat`, "utf8"));
}
