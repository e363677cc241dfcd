/** `gantry daemon`: reads its configuration, checks the machine, opens the rooms in order, serves until it is told to end. */
import { mkdirSync } from "node:fs";
import { readConfiguration } from "./configuration.ts";
import { lockFolder, StartError, writePidfile } from "./instance.ts";
import { createLog } from "./log.ts";
import { OptionError } from "./options.ts";

/** Resolves with the exit code. */
export async function runDaemon(argv: string[]): Promise<number> {
  if (argv[0] === "install") return (await import("./install.ts")).installUnits(argv.slice(1));
  let configuration: ReturnType<typeof readConfiguration>;
  try {
    configuration = readConfiguration(argv);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    console.error(`${error.message}\nSee 'gantry daemon --help'.`);
    return 125;
  }
  if ("help" in configuration) {
    console.log(configuration.help);
    return 0;
  }
  const { options } = configuration;
  const log = createLog(options.logLevel);
  if (process.getuid?.() !== 0) {
    console.error("gantry daemon needs root for now: start it with sudo");
    return 1;
  }
  const { DatabaseError } = await import("../storage/database/database.ts");
  const { NetworkError } = await import("../network/network.ts");
  const { assemble } = await import("./assemble.ts");
  try {
    mkdirSync(options.dataRoot, { recursive: true, mode: 0o711 });
    const data = lockFolder(options.dataRoot);
    const exec = lockFolder(options.execRoot);
    const pidfile = writePidfile(options.pidfile);
    try {
      const server = await assemble(options, log);
      await untilToldToEnd(log);
      await server.close();
    } finally {
      pidfile.remove();
      exec.release();
      data.release();
    }
    return 0;
  } catch (error) {
    const known = [StartError, DatabaseError, NetworkError].some((kind) => error instanceof kind);
    const text = error instanceof Error ? (known ? error.message : (error.stack ?? error.message)) : String(error);
    console.error(`gantry daemon: ${text}`);
    return 1;
  }
}

function untilToldToEnd(log: ReturnType<typeof createLog>): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) {
      process.on(signal, () => {
        log.info(`${signal}: ending`);
        resolve();
      });
    }
    // A terminal that goes away does not end the server; a change of the configuration is read at the next start.
    process.on("SIGHUP", () => log.info("SIGHUP: the configuration is read again at the next start"));
    process.on("SIGPIPE", () => {});
  });
}
