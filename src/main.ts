/** The one executable: `gantry daemon` is the server, everything else the command line. */
const argv = process.argv.slice(2);
const code =
  argv[0] === "daemon"
    ? await (await import("./daemon/main.ts")).runDaemon(argv.slice(1))
    : await (await import("./cli/main.ts")).runCli(argv);
process.exit(code);

export {};
