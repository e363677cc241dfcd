/** What the commands of one run share: the server and the user's settings, each made when it is first asked for. */
import { type Client, type ConnectError, createClient } from "../client/client.ts";
import type { Session } from "./command.ts";
import { CliError } from "./errors.ts";
import { type ConfigFile, defaultConfigDirectory, readConfig } from "./settings/config.ts";
import { chooseHost, type HostFlags, type Target } from "./settings/host.ts";

export function openSession(
  flags: HostFlags,
  debug: boolean,
  startServer: ((host: string) => Promise<void>) | undefined,
): Session & { close(): void } {
  const configDirectory = flags.config || defaultConfigDirectory();
  let client: Client | undefined;
  let target: Target | undefined;
  let config: ConfigFile | undefined;
  const chosen = () => {
    target ??= chooseHost({ ...flags, config: configDirectory });
    return target;
  };
  const readSettings = () => {
    config ??= readConfig(configDirectory);
    return config;
  };
  return {
    client() {
      if (client !== undefined) return client;
      const { host, tls, implied } = chosen();
      const version = process.env.DOCKER_API_VERSION;
      if (version !== undefined && version !== "" && !/^\d+\.\d+$/.test(version)) {
        throw new CliError(`invalid DOCKER_API_VERSION: ${JSON.stringify(version)}`);
      }
      const { HttpHeaders } = readSettings();
      client = createClient({
        host,
        ...(tls === undefined ? {} : { tls }),
        ...(version ? { version } : {}),
        ...(HttpHeaders === undefined ? {} : { headers: HttpHeaders }),
        ...(implied ? { unreachable: (error) => startOn(host, error, startServer) } : {}),
      });
      return client;
    },
    host: () => chosen().host,
    context: () => chosen().context,
    config: readSettings,
    configDirectory,
    debug,
    close: () => client?.close(),
  };
}

async function startOn(
  host: string,
  error: ConnectError,
  start: ((host: string) => Promise<void>) | undefined,
): Promise<void> {
  // A socket that we may not use belongs to a server that runs.
  if (error.code !== "ENOENT" && error.code !== "ECONNREFUSED") throw error;
  if (start !== undefined) return start(host);
  const { startServer } = await import("./server.ts");
  return startServer(host);
}
