/** The one executable: `gantry daemon` is the server, everything else the command line. */
const argv = process.argv.slice(2);

const external = {
  daemon: {
    summary: "Run the server",
    run: async (rest: string[]) => (await import("./daemon/main.ts")).runDaemon(rest),
  },
  doctor: {
    summary: "Check whether this machine can run containers, and repair what is safe",
    run: async (rest: string[]) => (await import("./doctor/command.ts")).doctorCommand(rest),
  },
};

const { runCli } = await import("./cli/main.ts");
process.exit(await runCli(argv, { external }));

export {};
