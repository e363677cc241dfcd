/** Processes of others: signals, and whether one still is the one that we mean. */
import { readFileSync } from "node:fs";
import { check, nr, syscall } from "./libc.ts";

/** kill(2). Throws SysError: ESRCH when there is no such process. `pid` must be positive: no groups. */
export function kill(pid: number, signal: number): void {
  if (!Number.isInteger(pid) || pid <= 0) throw new Error(`no process has the id ${pid}`);
  check(syscall(nr("kill"), pid, signal), "kill", String(pid));
}

/** A descriptor that names this process and no later one of the same id: pidfd_open(2). The caller closes it. */
export function pidfdOpen(pid: number): number {
  return check(syscall(nr("pidfd_open"), pid, 0), "pidfd_open", String(pid));
}

/** pidfd_send_signal(2). Throws SysError: ESRCH when the process ended. */
export function pidfdSendSignal(pidfd: number, signal: number): void {
  check(syscall(nr("pidfd_send_signal"), pidfd, signal, 0, 0), "pidfd_send_signal");
}

/**
 * The start time of a process in clock ticks since boot (field 22 of proc(5)'s stat): together with its id it names one
 * process for as long as the machine runs. Undefined when it is gone or a zombie.
 */
export function startTime(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  // The name, in brackets, may hold anything: count from its last bracket.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
}

/** A process's arguments; empty when it is gone or a zombie. */
export function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  } catch {
    return [];
  }
}
