import { command } from "../command.ts";
import { checkVariable, readPairs } from "../container/environment.ts";
import { CliError } from "../errors.ts";
import { bool, list, string } from "../flags/flag.ts";

export default command({
  usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
  aliases: "gantry container exec, gantry exec",
  flags: {
    detach: bool("Detached mode: run command in the background", { short: "d" }),
    "detach-keys": string("Override the key sequence for detaching a container"),
    env: list("Set environment variables", { short: "e" }, checkVariable),
    "env-file": list("Read in a file of environment variables"),
    interactive: bool("Keep STDIN open even if not attached", { short: "i" }),
    privileged: bool("Give extended privileges to the command"),
    tty: bool("Allocate a pseudo-TTY", { short: "t" }),
    user: string('Username or UID (format: "<name|uid>[:<group|gid>]")', { short: "u" }),
    workdir: string("Working directory inside the container", { short: "w" }),
  },
  arguments: { min: 2 },
  interspersed: false,
  async run({ values, session, arguments: words }) {
    const [container = "", ...command] = words;
    const env = readPairs(values["env-file"], values.env, (name) => process.env[name]);
    const { execs } = session.client();
    const detachKeys = values["detach-keys"] || session.config().detachKeys || "";
    const attach = !values.detach;
    const streams = attach ? await import("../streams/session.ts") : undefined;
    const size = values.tty ? await streams?.ownSize() : undefined;
    const id = await execs.create(container, {
      Cmd: command,
      Tty: values.tty,
      AttachStdin: attach && values.interactive,
      AttachStdout: attach,
      AttachStderr: attach,
      Privileged: values.privileged,
      ...(env.length === 0 ? {} : { Env: env }),
      ...(values.user === "" ? {} : { User: values.user }),
      ...(values.workdir === "" ? {} : { WorkingDir: values.workdir }),
      ...(detachKeys === "" ? {} : { DetachKeys: detachKeys }),
      ...(size === undefined ? {} : { ConsoleSize: [size.rows, size.columns] }),
    });
    streams?.checkTerminal(values.interactive, values.tty);
    if (id === "") throw new CliError("exec ID empty");
    if (streams === undefined) {
      await execs.startDetached(id, { tty: values.tty });
      return 0;
    }
    const { connection } = await execs.start(id, { tty: values.tty, ...(size === undefined ? {} : { size }) });
    const stopSize = values.tty ? await streams.followSize((to) => execs.resize(id, to)) : () => {};
    try {
      const end = await streams.pumpStreams({
        connection,
        terminal: values.tty,
        stdin: values.interactive,
        detachKeys,
      });
      if (end === "detached") throw new CliError("read escape sequence");
    } finally {
      stopSize();
    }
    return (await execs.inspect(id)).ExitCode ?? 0;
  },
});
