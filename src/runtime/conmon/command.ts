/**
 * conmon's command line (conmon 2.1): it forks itself off, has crun make the process, holds its streams and its log, and
 * writes down how it ended.
 */
import type { Streams } from "../runtime.ts";

/** The files to write to on the way in: cgroup/placer.ts. */
export interface Entrance {
  placer: string;
  supervisor: string[];
  container: string[];
}

export interface Supervision {
  /** The container's ID: crun's name for it, and that of its exit file. */
  id: string;
  /** The folder that gets the sockets and FIFOs: the bundle, or the exec's own. */
  folder: string;
  conmon: string;
  crun: string;
  /** Arguments of crun before its verb. */
  crunArguments: string[];
  /** With it, conmon and crun enter their control groups by themselves, before their first instruction. */
  entrance?: Entrance;
  streams: Streams;
  logPath?: string;
  /** Where the exit file goes: containers only. An exec's exit code comes over the sync pipe. */
  exitDir?: string;
  /** An exec: the file with its OCI process. */
  processPath?: string;
}

export function pidFile(folder: string): string {
  return `${folder}/pid`;
}

export function conmonPidFile(folder: string): string {
  return `${folder}/conmon.pid`;
}

/** Throws when the log's path holds a colon: conmon would cut it there. */
export function conmonCommand(supervision: Supervision): string[] {
  const { id, folder, streams, logPath, exitDir, processPath } = supervision;
  if (logPath?.includes(":")) throw new Error(`the path of a log must hold no colon: ${JSON.stringify(logPath)}`);
  const { entrance } = supervision;
  const through = (files: string[]) => (entrance === undefined ? [] : [entrance.placer, ...files, ""]);
  const [runtime, ...runtimeArguments] = [
    ...through(entrance?.container ?? []),
    supervision.crun,
    ...supervision.crunArguments,
  ];
  return [
    ...through(entrance?.supervisor ?? []),
    supervision.conmon,
    ...["--api-version", "1"],
    ...["-c", id, "-u", id],
    ...["-r", runtime!],
    ...runtimeArguments.flatMap((argument) => ["--runtime-arg", argument]),
    ...["-b", folder, "-p", pidFile(folder), "-P", conmonPidFile(folder)],
    // The socket lies in the folder itself, whatever the length of its path.
    "--full-attach",
    ...["-l", logPath === undefined ? "none" : `k8s-file:${logPath}`],
    // Without fsync at the end, as Docker's json-file: nothing is lost but by a power cut, and an exit takes 2 ms less.
    "--no-sync-log",
    ...(exitDir === undefined ? [] : ["--exit-dir", exitDir]),
    ...(processPath === undefined ? [] : ["-e", "--exec-attach", "--exec-process-spec", processPath]),
    ...(streams.terminal ? ["-t"] : []),
    ...(streams.openStdin ? ["-i"] : []),
    // A terminal has no end of input to pass on: its lines stay open when the server restarts.
    ...(streams.openStdin && (streams.terminal || !streams.stdinOnce) ? ["--leave-stdin-open"] : []),
  ];
}
