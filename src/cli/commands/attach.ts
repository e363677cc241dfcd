import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { bool, string } from "../flags/flag.ts";
import { checkTerminal, followSize, pumpStreams } from "../streams/session.ts";
import { proxySignals } from "../streams/signals.ts";

export default command({
  usage: "[OPTIONS] CONTAINER",
  aliases: "gantry container attach, gantry attach",
  flags: {
    "detach-keys": string("Override the key sequence for detaching a container"),
    "no-stdin": bool("Do not attach STDIN"),
    "sig-proxy": bool("Proxy all received signals to the process", { default: true }),
  },
  arguments: { min: 1, max: 1 },
  async run({ values, session, arguments: [container = ""] }) {
    const { containers } = session.client();
    const { Id: id = container, State, Config } = await containers.inspect(container);
    if (!State?.Running) throw new CliError("You cannot attach to a stopped container, start it first");
    if (State.Paused) throw new CliError("You cannot attach to a paused container, unpause it first");
    if (State.Restarting) throw new CliError("You cannot attach to a restarting container, wait until it is running");
    const terminal = Config?.Tty === true;
    const stdin = !values["no-stdin"] && Config?.OpenStdin === true;
    const detachKeys = values["detach-keys"] || session.config().detachKeys || "";
    checkTerminal(stdin, terminal);
    const [{ connection }, wait] = await Promise.all([
      containers.attach(id, { stream: true, stdin, stdout: true, stderr: true, detachKeys }),
      containers.wait(id),
    ]);
    const stopSignals = values["sig-proxy"] && !terminal ? proxySignals((name) => containers.kill(id, name)) : () => {};
    const stopSize = terminal ? await followSize((size) => containers.resize(id, size)) : () => {};
    try {
      const end = await pumpStreams({ connection, terminal, stdin, detachKeys });
      if (end === "detached") throw new CliError("read escape sequence");
      const { StatusCode, Error: failure } = await wait.result;
      if (failure?.Message) throw new CliError(failure.Message);
      return StatusCode;
    } finally {
      stopSignals();
      stopSize();
    }
  },
});
