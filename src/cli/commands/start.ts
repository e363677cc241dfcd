import { command, type Invocation } from "../command.ts";
import { describe } from "../describe.ts";
import { CliError } from "../errors.ts";
import { bool, string } from "../flags/flag.ts";
import { print, printError } from "../output.ts";

const flags = {
  attach: bool("Attach STDOUT/STDERR and forward signals", { short: "a" }),
  checkpoint: string("Restore from this checkpoint", { hidden: true }),
  "checkpoint-dir": string("Use a custom checkpoint storage directory", { hidden: true }),
  "detach-keys": string("Override the key sequence for detaching a container"),
  interactive: bool("Attach container's STDIN", { short: "i" }),
};

export default command({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  aliases: "gantry container start, gantry start",
  flags,
  arguments: { min: 1 },
  async run(invocation) {
    const { values, session, arguments: refs } = invocation;
    if (values.checkpoint !== "" || values["checkpoint-dir"] !== "") {
      throw new CliError("checkpoints are not supported: --checkpoint");
    }
    if (values.attach || values.interactive) {
      if (refs.length > 1) throw new CliError("you cannot start and attach multiple containers at once");
      return startAttached(invocation, refs[0]!);
    }
    const failed: string[] = [];
    for (const ref of refs) {
      try {
        await session.client().containers.start(ref);
        print(ref);
      } catch (error) {
        printError(describe(error));
        failed.push(ref);
      }
    }
    if (failed.length > 0) throw new CliError(`Error: failed to start containers: ${failed.join(", ")}`);
    return 0;
  },
});

async function startAttached({ values, session }: Invocation<typeof flags>, ref: string): Promise<number> {
  const { checkTerminal, followSize, pumpStreams } = await import("../streams/session.ts");
  const { proxySignals } = await import("../streams/signals.ts");
  const { containers } = session.client();
  const { Id: id = ref, Config, HostConfig } = await containers.inspect(ref);
  const terminal = Config?.Tty === true;
  const stdin = values.interactive && Config?.OpenStdin === true;
  const detachKeys = values["detach-keys"] || session.config().detachKeys || "";
  checkTerminal(stdin, terminal);
  const [{ connection }, wait] = await Promise.all([
    containers.attach(id, { stream: true, stdin, stdout: true, stderr: true, detachKeys }),
    containers.wait(id, HostConfig?.AutoRemove ? "removed" : "next-exit"),
  ]);
  const stopSignals = terminal ? () => {} : proxySignals((name) => containers.kill(id, name));
  let stopSize = () => {};
  try {
    const pumped = pumpStreams({ connection, terminal, stdin, detachKeys });
    pumped.catch(() => {});
    try {
      await containers.start(id);
    } catch (error) {
      connection.close();
      await pumped.catch(() => {});
      throw error;
    }
    if (terminal) stopSize = await followSize((size) => containers.resize(id, size));
    if ((await pumped) === "detached") return 0;
    return (await wait.result).StatusCode;
  } finally {
    stopSignals();
    stopSize();
  }
}
