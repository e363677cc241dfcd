/** Signals that reach us while we stand for a container's process. */
import { printError } from "../output.ts";

/**
 * All that people send to processes. Not SIGWINCH: only a terminal's changes send it to us, and some servers stop when
 * they get it.
 */
const proxied: NodeJS.Signals[] = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGTERM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGCONT",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
];

/** Docker's: who asks so often means us. */
const insistent = 3;

/** Passes signals on. Returns what stops that. */
export function proxySignals(send: (signal: string) => Promise<void>): () => void {
  let terminations = 0;
  const handlers = proxied.map((signal) => {
    const handler = () => {
      if (signal === "SIGINT" || signal === "SIGTERM") terminations++;
      if (terminations >= insistent) {
        printError("\ngot 3 SIGTERM/SIGINTs, forcefully exiting");
        process.exit(1);
      }
      // It may have ended already.
      send(signal.slice("SIG".length)).catch(() => {});
    };
    process.on(signal, handler);
    return () => process.off(signal, handler);
  });
  return () => {
    for (const off of handlers) off();
  };
}
