import { type Answer, frameDecoder } from "../../client/client.ts";
import { compareVersions } from "../../client/transport.ts";
import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { bool, string } from "../flags/flag.ts";
import { timestamp } from "../format/time.ts";
import { parseDuration } from "../format/units.ts";
import { writeBytes } from "../output.ts";

/** Since this version the answer says itself whether it is framed. */
const saysFraming = "1.42";

export default command({
  usage: "[OPTIONS] CONTAINER",
  aliases: "gantry container logs, gantry logs",
  flags: {
    details: bool("Show extra details provided to logs"),
    follow: bool("Follow log output", { short: "f" }),
    since: string('Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)'),
    tail: string("Number of lines to show from the end of the logs", { short: "n", default: "all" }),
    timestamps: bool("Show timestamps", { short: "t" }),
    until: string('Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)'),
  },
  arguments: { min: 1, max: 1 },
  async run({ values, session, arguments: [container = ""] }) {
    const { containers, transport } = session.client();
    const time = (name: "since" | "until") => {
      try {
        return timestamp(values[name], parseDuration);
      } catch (error) {
        throw new CliError(`invalid value for "${name}": ${(error as Error).message}`);
      }
    };
    const answer = await containers.logs(container, {
      stdout: true,
      stderr: true,
      follow: values.follow,
      timestamps: values.timestamps,
      details: values.details,
      tail: values.tail,
      since: time("since"),
      until: time("until"),
    });
    const type = answer.headers.get("content-type") ?? "";
    const told = compareVersions(transport.version(), saysFraming) >= 0 && /(?:raw|multiplexed)-stream/.test(type);
    const framed = told ? type.includes("multiplexed") : !(await containers.inspect(container)).Config?.Tty;
    await copy(answer, framed);
    return 0;
  },
});

async function copy(answer: Answer, framed: boolean): Promise<void> {
  const decode = frameDecoder();
  for (let bytes = await answer.read(); bytes !== undefined; bytes = await answer.read()) {
    if (!framed) {
      await writeBytes(1, bytes);
      continue;
    }
    for (const { stream, data } of decode(bytes)) {
      if (stream === "systemerr") throw new CliError(`error from daemon in stream: ${new TextDecoder().decode(data)}`);
      await writeBytes(stream === "stdout" ? 1 : 2, data);
    }
  }
}
