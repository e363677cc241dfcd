/**
 * A connection to a server: a stream of bytes with half-close, and back-pressure in both directions. What the peer sends
 * while nobody reads is held up to a limit, then its sender is stopped; `write` resolves when the kernel took the bytes.
 */
import { ConnectError, ProtocolError } from "./errors.ts";
import type { Address } from "./host.ts";

export interface TlsOptions {
  /** PEM texts. Without `ca` the system's authorities are trusted. */
  ca?: string;
  cert?: string;
  key?: string;
  /** Whether the server's certificate must be valid for its name (default true). */
  verify?: boolean;
}

export interface Connection {
  /** The next bytes in order, or undefined when the peer has ended. Throws when the connection broke. One reader. */
  read(): Promise<Uint8Array | undefined>;
  /** Puts bytes back: the next `read` gives them first. */
  unread(bytes: Uint8Array): void;
  /** Resolves when the kernel has all bytes. Throws when the connection broke. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends our direction; the peer may go on sending. What was written before is sent first. */
  closeWrite(): void;
  close(): void;
  /** Whether the peer ended it or it broke: then it takes no further request. */
  readonly ended: boolean;
}

const highWater = 256 * 1024;
const lowWater = 64 * 1024;

/** Connects. Throws ConnectError; `name` is what its message calls the server. */
export async function connect(address: Address, name: string, tls: TlsOptions | undefined): Promise<Connection> {
  const held: Uint8Array[] = [];
  let heldBytes = 0;
  let paused = false;
  let ended = false;
  let closed = false;
  let failure: Error | undefined;
  let wakeReader: (() => void) | undefined;
  const writing: { bytes: Uint8Array; done: () => void; fail: (error: Error) => void }[] = [];
  let closing = false;
  let shut = false;

  const verify = address.kind === "tcp" && address.secure && (tls?.verify ?? true);
  const finish = (error?: Error) => {
    ended = true;
    failure ??= error;
    wakeReader?.();
    for (const write of writing.splice(0)) write.fail(failure ?? new ProtocolError("the connection was closed"));
  };
  const flush = (socket: Bun.Socket<undefined>) => {
    for (let first = writing[0]; first !== undefined; first = writing[0]) {
      const count = first.bytes.length === 0 ? 0 : socket.write(first.bytes);
      if (count < 0) return;
      if (count < first.bytes.length) {
        first.bytes = first.bytes.subarray(count);
        return;
      }
      writing.shift();
      first.done();
    }
    if (closing && !shut) {
      shut = true;
      socket.shutdown();
    }
  };

  const handler: Bun.SocketHandler<undefined> = {
    binaryType: "uint8array",
    data(socket, data) {
      held.push(data);
      heldBytes += data.length;
      if (heldBytes >= highWater && !paused) {
        paused = true;
        socket.pause();
      }
      wakeReader?.();
    },
    handshake(_, success, reason) {
      // Set before the connection closes over it: that alone would not say why.
      if (!success || (verify && reason))
        failure ??= new ConnectError(name, undefined, `tls: ${reason?.message ?? "handshake failed"}`);
    },
    drain: flush,
    end: () => {
      ended = true;
      wakeReader?.();
    },
    close: () => {
      closed = true;
      finish();
    },
    error: (_, error) => finish(error),
    connectError: (_, error) => finish(error),
  };

  let socket: Bun.Socket<undefined>;
  try {
    if (address.kind === "unix") {
      socket = await Bun.connect({ unix: address.path, allowHalfOpen: true, socket: handler });
    } else {
      const { hostname, port } = address;
      socket = await Bun.connect({
        hostname,
        port,
        allowHalfOpen: true,
        socket: handler,
        ...(address.secure ? { tls: tlsOf(tls, hostname) } : {}),
      });
    }
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    throw new ConnectError(name, code, message);
  }

  return {
    async read() {
      for (;;) {
        const first = held.shift();
        if (first !== undefined) {
          heldBytes -= first.length;
          if (paused && heldBytes <= lowWater) {
            paused = false;
            if (!closed) socket.resume();
          }
          return first;
        }
        if (failure !== undefined) throw failure;
        if (ended) return undefined;
        await new Promise<void>((resolve) => {
          wakeReader = resolve;
        });
        wakeReader = undefined;
      }
    },
    unread(bytes) {
      if (bytes.length === 0) return;
      held.unshift(bytes);
      heldBytes += bytes.length;
    },
    write(bytes) {
      if (closed || closing) return Promise.reject(failure ?? new ProtocolError("the connection was closed"));
      return new Promise((done, fail) => {
        writing.push({ bytes, done, fail });
        if (writing.length === 1) flush(socket);
      });
    },
    closeWrite() {
      closing = true;
      if (!closed) flush(socket);
    },
    close() {
      closed = true;
      // end() would wait for the peer, which may never read again.
      socket.terminate();
      finish();
    },
    get ended() {
      return ended || closed;
    },
  };
}

function tlsOf(tls: TlsOptions | undefined, hostname: string): Bun.TLSOptions {
  const verify = tls?.verify ?? true;
  return {
    rejectUnauthorized: verify,
    ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls?.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls?.key === undefined ? {} : { key: tls.key }),
    ...(/^[\d.]+$|:/.test(hostname) ? {} : { serverName: hostname }),
  };
}
