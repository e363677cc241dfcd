/**
 * Starts the server in the background when a command finds none: exactly one, even when many commands do so at once. Who
 * holds the lock file starts it and waits for its socket; the others wait for the lock and find it running.
 */
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, watch } from "node:fs";
import { dirname } from "node:path";
import { createClient } from "../client/client.ts";
import { CliError } from "./errors.ts";
import { printError } from "./output.ts";

export interface StartOptions {
  /** The program and its arguments. Default: this executable's `daemon`. */
  command?: string[];
  logFile?: string;
  /** Default: beside the socket. */
  lockFile?: string;
  /** Seconds until we give up on a server that neither answers nor ends. */
  patience?: number;
}

/** Resolves when a server answers at `host`, a `unix://` address. Throws CliError with the log's end when it does not come up. */
export async function startServer(host: string, options: StartOptions = {}): Promise<void> {
  if (process.getuid?.() !== 0 && options.command === undefined) {
    throw new CliError(
      `Cannot connect to the Gantry daemon at ${host}. Is the gantry daemon running?\n` +
        "Starting it needs root for now: run this command as root, or start `gantry daemon` as root " +
        "and be a member of its socket's group.",
      { named: true, status: 125 },
    );
  }
  const socket = host.slice("unix://".length);
  const logFile = options.logFile ?? (process.env.GANTRY_LOG_FILE || "/var/log/gantry/daemon.log");
  const lockFile = options.lockFile ?? `${dirname(socket)}/start.lock`;
  mkdirSync(dirname(socket), { recursive: true, mode: 0o755 });
  mkdirSync(dirname(logFile), { recursive: true, mode: 0o750 });
  const { lockFileExclusive } = await import("../sys/flock.ts");
  const lock = openSync(lockFile, "a", 0o600);
  try {
    lockFileExclusive(lock, lockFile);
    if (await answers(host)) return;
    await start(host, socket, logFile, options);
  } finally {
    closeSync(lock);
  }
}

async function start(host: string, socket: string, logFile: string, options: StartOptions): Promise<void> {
  printError(`Starting Gantry's server in the background; its log is ${logFile}`);
  const log = openSync(logFile, "a", 0o640);
  const logged = existsSync(logFile) ? readFileSync(logFile).length : 0;
  const command = options.command ?? daemonCommand();
  // The watch is set before the server starts: its socket cannot appear unseen.
  let wake = () => {};
  const watcher = watch(dirname(socket), () => wake());
  try {
    const child = Bun.spawn(command, { stdin: "ignore", stdout: log, stderr: log, detached: true, cwd: "/" });
    let ended: number | undefined;
    child.exited.then((code) => {
      ended = child.signalCode ? 128 : code;
      wake();
    });
    child.unref();
    const deadline = Date.now() + (options.patience ?? 60) * 1000;
    let refusals = 0;
    for (;;) {
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      if (await answers(host)) return;
      if (ended !== undefined) throw failed(`ended with ${ended} before it answered`, logFile, logged);
      if (Date.now() > deadline) throw failed("does not answer", logFile, logged);
      // Between bind and listen the socket is there and refuses; no event tells when that is over.
      const soon = existsSync(socket) && refusals++ < 100;
      const timer = setTimeout(() => wake(), soon ? 2 : Math.max(1, deadline - Date.now() + 1));
      await woken;
      clearTimeout(timer);
    }
  } finally {
    watcher.close();
    closeSync(log);
  }
}

function daemonCommand(): string[] {
  const compiled = Bun.main.startsWith("/$bunfs/");
  return compiled ? [process.execPath, "daemon"] : [process.execPath, Bun.main, "daemon"];
}

async function answers(host: string): Promise<boolean> {
  const client = createClient({ host });
  try {
    await (await client.transport.request("HEAD", "/_ping")).text();
    return true;
  } catch {
    return false;
  } finally {
    client.close();
  }
}

function failed(what: string, logFile: string, logged: number): CliError {
  let tail = "";
  try {
    tail = readFileSync(logFile).subarray(logged).toString().trimEnd().split("\n").slice(-20).join("\n");
  } catch {
    // Without a log there is only its name to tell.
  }
  const text = tail === "" ? `Its log is ${logFile}` : `The end of its log, ${logFile}:\n${tail}`;
  return new CliError(`Gantry's server ${what}. ${text}`, { named: true, status: 125 });
}
