import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { parseInteger } from "../flags/flag.ts";
import { naturally } from "../format/natural.ts";
import { print } from "../output.ts";

export default command({
  usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
  aliases: "gantry container port, gantry port",
  flags: {},
  arguments: { min: 1, max: 2 },
  async run({ session, arguments: [container = "", port] }) {
    const { NetworkSettings } = await session.client().containers.inspect(container);
    const ports = NetworkSettings?.Ports ?? {};
    const address = ({ HostIp = "", HostPort = "" }: { HostIp?: string; HostPort?: string }) =>
      `${HostIp.includes(":") ? `[${HostIp}]` : HostIp}:${HostPort}`;
    if (port !== undefined) {
      const [number = "", protocol = "tcp"] = port.split("/");
      try {
        parseInteger(/^\d+$/.test(number) ? String(Number(number)) : `${number}?`, 0n, 65535n, "strconv.ParseUint");
      } catch (error) {
        throw new CliError(`Error: invalid port (${number}): ${(error as Error).message.replace("?", "")}`);
      }
      const bindings = ports[`${number}/${protocol}`];
      if (!bindings || bindings.length === 0) {
        throw new CliError(`Error: No public port '${port}' published for ${container}`);
      }
      for (const line of bindings.map(address)) print(line);
      return 0;
    }
    const lines = Object.entries(ports).flatMap(([from, bindings]) =>
      (bindings ?? []).map((binding) => `${from} -> ${address(binding)}`),
    );
    for (const line of lines.sort(naturally)) print(line);
    return 0;
  },
});
