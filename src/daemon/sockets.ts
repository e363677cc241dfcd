/** The addresses that the server listens on. */
import { readFileSync } from "node:fs";
import type { ApiServer, Log } from "../api/server.ts";
import { StartError } from "./instance.ts";
import type { DaemonOptions } from "./options.ts";

/** First descriptor that systemd hands over (sd_listen_fds(3)). */
const firstDescriptor = 3;

/** Throws StartError. TCP needs TLS with client certificates, or `--tls=false` spelled out. */
export async function openSockets(api: ApiServer, options: DaemonOptions, log: Log): Promise<void> {
  // Unix sockets last: who starts a server waits for its socket to answer, and expects it to answer everywhere then.
  const inOrder = options.hosts.toSorted((a, b) => Number(a.startsWith("unix:")) - Number(b.startsWith("unix:")));
  for (const host of inOrder) {
    try {
      for (const address of addresses(host, options, log)) await api.listen(address);
    } catch (error) {
      if (error instanceof StartError) throw error;
      throw new StartError(
        `cannot listen on ${host}: ${(error as Error).message} (-H names another address for this server)`,
      );
    }
  }
}

type Address = Parameters<ApiServer["listen"]>[0];

function addresses(host: string, options: DaemonOptions, log: Log): Address[] {
  if (host.startsWith("unix://")) {
    return [{ unix: host.slice("unix://".length), mode: 0o660, ...(options.group ? { group: options.group } : {}) }];
  }
  if (host.startsWith("fd://")) return inherited();
  const match = /^tcp:\/\/(\[[^\]]+\]|[^:]*):(\d+)$/.exec(host);
  if (!match) throw new StartError(`${host} is not tcp://ADDRESS:PORT`);
  const name = match[1]!.replace(/^\[|\]$/g, "") || "127.0.0.1";
  const port = Number(match[2]);
  if (!options.tls) {
    if (!options.insecureTcp) {
      throw new StartError(
        `${host} without TLS would give root to everyone who reaches it: use --tlsverify with --tlscacert, --tlscert and --tlskey, or say --tls=false`,
      );
    }
    log.warn(`${host} is open to everyone who reaches it, with root's rights: --tls=false was asked for`);
    return [{ host: name, port }];
  }
  const read = (path: string) => readFileSync(path, "utf8");
  return [
    {
      host: name,
      port,
      tls: {
        cert: read(options.tlsCert),
        key: read(options.tlsKey),
        ...(options.tlsVerify ? { ca: read(options.tlsCaCert) } : {}),
      },
    },
  ];
}

function inherited(): Address[] {
  const count = Number(process.env.LISTEN_PID === String(process.pid) ? process.env.LISTEN_FDS : 0);
  if (!count) throw new StartError("fd:// was asked for, but systemd handed no socket over (LISTEN_FDS, LISTEN_PID)");
  return Array.from({ length: count }, (_, index) => ({ fd: firstDescriptor + index }));
}
