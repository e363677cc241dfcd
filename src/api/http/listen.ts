/** Listening sockets: Unix with mode and group, TCP with or without TLS, inherited ones. */
import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, renameSync, unlinkSync } from "node:fs";
import net, { type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import type { TlsOptions } from "node:tls";

/** PEM texts. */
export interface TlsKeys {
  cert: string;
  key: string;
  /** Clients must show a certificate that it signed (dockerd's `--tlsverify`). Without it any client is let in. */
  ca?: string;
}

export type Address =
  | {
      unix: string;
      /** Default 0660. */
      mode?: number;
      /** Name or number; default the process's. */
      group?: string | number;
    }
  | { host: string; port: number; tls?: TlsKeys }
  | { fd: number };

export interface Listener {
  /** The port that was taken, when port 0 was asked for. */
  readonly port: number | undefined;
  close(): void;
}

/** Throws with the reason: it is taken, not allowed, or no address. */
export async function openListener(address: Address, accept: (socket: Socket) => void): Promise<Listener> {
  // Half-open: a client that has sent all its input still wants its output.
  const options = { allowHalfOpen: true, noDelay: true };
  if ("unix" in address) return listenUnix(address, net.createServer(options, accept));
  if ("fd" in address) {
    const server = net.createServer(options, accept);
    await listening(server, { fd: address.fd } as net.ListenOptions);
    return { port: undefined, close: () => server.close() };
  }
  const { host, port } = address;
  // Probes find clients that vanished without a word; silence alone ends nothing.
  const probed = { ...options, keepAlive: true, keepAliveInitialDelay: 15_000 };
  const server = address.tls ? await createTlsServer(address.tls, accept) : net.createServer(probed, accept);
  await listening(server, { host, port });
  const bound = server.address();
  return { port: typeof bound === "object" && bound ? bound.port : undefined, close: () => server.close() };
}

async function createTlsServer(keys: TlsKeys, accept: (socket: Socket) => void): Promise<Server> {
  // Loaded for those who use it.
  const tls = await import("node:tls");
  const { cert, key, ca } = keys;
  const server = tls.createServer(
    {
      cert,
      key,
      ...(ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized: true }),
      minVersion: "TLSv1.2",
      ALPNProtocols: ["http/1.1"],
      allowHalfOpen: true,
    } as TlsOptions,
    (socket) => {
      // Twice is better than an open door: the handshake has refused it already.
      if (ca !== undefined && !socket.authorized) socket.destroy();
      else accept(socket);
    },
  );
  // A failed handshake is the client's to hear of.
  server.on("tlsClientError", () => {});
  return server;
}

function listening(server: Server, where: net.ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(error));
    server.listen(where, () => {
      server.on("error", () => {});
      resolve();
    });
  });
}

/**
 * The socket is made under another name and then put in its place: nobody can connect before mode and group are right,
 * and a socket that a dead server left behind is replaced without a gap.
 */
async function listenUnix(
  address: { unix: string; mode?: number; group?: string | number },
  server: Server,
): Promise<Listener> {
  const { unix: path, mode = 0o660, group } = address;
  if (Buffer.byteLength(path) > 100)
    throw new Error(`a socket's path may have 100 bytes at most, not ${Buffer.byteLength(path)}`);
  const gid = group === undefined ? undefined : groupId(group);
  mkdirSync(dirname(path), { recursive: true });
  await refuseIfAnswered(path);

  const temporary = `${path}.${process.pid.toString(36)}`;
  remove(temporary);
  const mask = process.umask(0o177);
  try {
    await listening(server, { path: temporary });
  } finally {
    process.umask(mask);
  }
  let inode: number;
  try {
    if (gid !== undefined) chownSync(temporary, process.getuid?.() ?? 0, gid);
    chmodSync(temporary, mode);
    renameSync(temporary, path);
    inode = lstatSync(path).ino;
  } catch (error) {
    server.close();
    remove(temporary);
    throw error;
  }
  return {
    port: undefined,
    close() {
      // Another server may have put its own there.
      if (lstatSync(path, { throwIfNoEntry: false })?.ino === inode) remove(path);
      server.close();
    },
  };
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** Throws when a server answers there, or when it is something else than a socket. */
async function refuseIfAnswered(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) throw new Error(`${path} exists and is not a socket`);
  const answers = await new Promise<boolean>((resolve) => {
    const probe = net.connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    // Only a refusal says that nobody listens; a full queue, say, does not.
    probe.once("error", (error: NodeJS.ErrnoException) =>
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT"),
    );
  });
  if (answers) throw new Error(`another server answers on unix://${path}`);
}

/** Looks a group's name up in /etc/group (group(5)). Throws when it is not there. */
function groupId(group: string | number): number {
  if (typeof group === "number") return group;
  for (const line of readFileSync("/etc/group", "utf8").split("\n")) {
    const [name, , gid] = line.split(":");
    if (name === group && gid !== undefined) return Number(gid);
  }
  if (/^\d+$/.test(group)) return Number(group);
  throw new Error(`group ${group} not found`);
}
