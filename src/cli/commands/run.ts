import { command, type Invocation } from "../command.ts";
import { createContainer, neededVersions } from "../container/create.ts";
import { runFailure } from "../container/failure.ts";
import { containerFlags } from "../container/flags.ts";
import { containerRequest } from "../container/request.ts";
import { CliError } from "../errors.ts";
import { bool, string } from "../flags/flag.ts";
import { print } from "../output.ts";

const flags = {
  ...containerFlags,
  detach: bool("Run container in background and print container ID", { short: "d" }),
  "detach-keys": string("Override the key sequence for detaching a container"),
  pull: string('Pull image before running ("always", "missing", "never")', { default: "missing" }),
  "sig-proxy": bool("Proxy received signals to the process", { default: true }),
};

export default command({
  usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
  aliases: "gantry container run, gantry run",
  flags,
  arguments: { min: 1 },
  interspersed: false,
  async run(invocation) {
    try {
      return await run(invocation);
    } catch (error) {
      throw runFailure(error);
    }
  },
});

async function run(invocation: Invocation<typeof flags>): Promise<number> {
  const { values, given, session, arguments: words } = invocation;
  const [image = "", ...command] = words;
  const request = containerRequest({
    flags: values,
    given,
    image,
    command,
    config: session.config(),
    host: session.host(),
  });
  if (values.detach) {
    if (values.attach.length > 0) {
      throw new CliError("conflicting options: cannot specify both --attach and --detach", { final: true });
    }
    Object.assign(request, { AttachStdin: false, AttachStdout: false, AttachStderr: false, StdinOnce: false });
  }
  const terminal = values.tty;
  const detachKeys = values["detach-keys"] || session.config().detachKeys || "";
  const streams = values.detach ? undefined : await import("../streams/session.ts");
  if (streams !== undefined) {
    streams.checkTerminal(request.AttachStdin === true, terminal);
    if (detachKeys !== "") await checkKeys(detachKeys);
    const size = terminal ? await streams.ownSize() : undefined;
    if (size !== undefined) request.HostConfig!.ConsoleSize = [size.rows, size.columns];
  }
  const { id } = await createContainer({
    session,
    request,
    name: values.name,
    platform: values.platform,
    pull: values.pull,
    quiet: values.quiet,
    cidfile: values.cidfile,
    needs: neededVersions(given),
  });
  const { containers } = session.client();
  if (streams === undefined) {
    await containers.start(id);
    print(id);
    return 0;
  }
  const attached = request.AttachStdin || request.AttachStdout || request.AttachStderr;
  // Both are in place before it starts: it may end at once, and with --rm be gone.
  const [connection, wait] = await Promise.all([
    attached
      ? containers.attach(id, {
          stream: true,
          stdin: request.AttachStdin === true,
          stdout: request.AttachStdout === true,
          stderr: request.AttachStderr === true,
          detachKeys,
        })
      : undefined,
    containers.wait(id, values.rm ? "removed" : "next-exit"),
  ]);
  let stopSignals = () => {};
  if (values["sig-proxy"] && !terminal) {
    const { proxySignals } = await import("../streams/signals.ts");
    stopSignals = proxySignals((signal) => containers.kill(id, signal));
  }
  let stopSize = () => {};
  try {
    const pumped =
      connection &&
      streams.pumpStreams({
        connection: connection.connection,
        terminal,
        stdin: request.AttachStdin === true,
        detachKeys,
      });
    pumped?.catch(() => {});
    try {
      await containers.start(id);
    } catch (error) {
      connection?.connection.close();
      await pumped?.catch(() => {});
      // The server removes what did not start; a name is free again when we return.
      if (values.rm) await Promise.race([wait.result.catch(() => {}), Bun.sleep(10_000)]);
      throw error;
    }
    if (terminal) stopSize = await streams.followSize((size) => containers.resize(id, size));
    if ((await pumped) === "detached") return 0;
    if (!request.AttachStdout && !request.AttachStderr) {
      print(id);
      return 0;
    }
    const { StatusCode, Error: failure } = await wait.result;
    if (failure?.Message) throw new CliError(failure.Message, { status: 125, named: true });
    return StatusCode;
  } finally {
    stopSignals();
    stopSize();
  }
}

async function checkKeys(text: string): Promise<void> {
  const { parseDetachKeys } = await import("../streams/escape.ts");
  try {
    parseDetachKeys(text);
  } catch (error) {
    throw new CliError(`invalid detach keys (${text}): ${(error as Error).message}`);
  }
}
