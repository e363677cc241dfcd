/** One server a data root: an advisory lock for as long as it lives, and the pid file. */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { check, nr, SysError, syscall } from "../sys/libc.ts";

const LOCK_EX = 2;
const LOCK_NB = 4;

/** The server cannot run; the message is for the person who started it. */
export class StartError extends Error {}

/** Locks the folder until `release`. The kernel frees it whatever way the process ends. Throws StartError when it is taken. */
export function lockFolder(folder: string): { release(): void } {
  mkdirSync(folder, { recursive: true, mode: 0o711 });
  const path = join(folder, "lock");
  const descriptor = openSync(path, "a", 0o600);
  try {
    check(syscall(nr("flock"), descriptor, LOCK_EX | LOCK_NB), "flock", path);
  } catch (error) {
    closeSync(descriptor);
    if (error instanceof SysError && error.code === "EAGAIN") {
      throw new StartError(
        `another server uses ${folder}: stop it, or give this one a --data-root and --exec-root of its own`,
      );
    }
    throw error;
  }
  return { release: () => closeSync(descriptor) };
}

export function writePidfile(path: string): { remove(): void } {
  mkdirSync(dirname(path), { recursive: true });
  const other = readPid(path);
  if (other !== undefined && other !== process.pid && isServer(other)) {
    throw new StartError(
      `the pid file ${path} names a server that runs (process ${other}): stop it, or choose another --pidfile`,
    );
  }
  writeFileSync(path, `${process.pid}`, { mode: 0o644 });
  return {
    remove: () => {
      if (readPid(path) === process.pid) rmSync(path, { force: true });
    },
  };
}

function readPid(path: string): number | undefined {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** A pid file that outlived its server may name anybody by now. */
function isServer(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes("daemon");
  } catch {
    return false;
  }
}
