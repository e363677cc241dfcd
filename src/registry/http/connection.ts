/** One HTTP/1.1 connection: requests one after the other, bodies read only as fast as they are taken. */
import type { Socket } from "node:net";
import {
  contentLength,
  createChunkDecoder,
  endOfHead,
  type Framing,
  framingOf,
  type Head,
  keepsAlive,
  maxHead,
  ProtocolError,
  parseHead,
} from "./message.ts";

/** The connection broke off, or nothing came for too long: asking again may help. */
export class ConnectionError extends Error {
  constructor(
    message: string,
    /** Not a byte of the answer had come. */
    readonly early: boolean = false,
  ) {
    super(message);
  }
}

export interface Answer {
  status: number;
  statusText: string;
  headers: Headers;
  body: ReadableStream<Uint8Array> | null;
}

export interface Connection {
  /** Sends one request. Throws ConnectionError, ProtocolError or the signal's reason. The body must be read or cancelled. */
  request(bytes: Uint8Array, method: string, signal?: AbortSignal): Promise<Answer>;
  readonly usable: boolean;
  close(): void;
}

/** Above this many bytes that nobody took, the socket is paused. */
const highWater = 256 << 10;

/** Socket bytes as they are asked for. */
interface Reader {
  /** undefined at the end. */
  read(): Promise<Uint8Array | undefined>;
  unread(bytes: Uint8Array): void;
  readonly empty: boolean;
}

function createReader(socket: Socket, idle: number): Reader {
  const queue: Uint8Array[] = [];
  let queued = 0;
  let ended = false;
  let failure: Error | undefined;
  let waiting: { resolve: (bytes: Uint8Array | undefined) => void; reject: (error: unknown) => void } | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const settle = (): void => {
    if (!waiting) return;
    const { resolve, reject } = waiting;
    const bytes = queue.shift();
    if (bytes) {
      queued -= bytes.length;
      resolve(bytes);
    } else if (failure) reject(failure);
    else if (ended) resolve(undefined);
    else return;
    clearTimeout(timer);
    waiting = undefined;
  };

  socket.on("data", (bytes: Uint8Array) => {
    queue.push(bytes);
    queued += bytes.length;
    settle();
    if (queued >= highWater) socket.pause();
  });
  socket.on("end", () => {
    ended = true;
    settle();
  });
  socket.on("error", (error: Error) => {
    failure ??= new ConnectionError(error.message);
    settle();
  });
  socket.on("close", () => {
    ended = true;
    settle();
  });

  return {
    get empty() {
      return queue.length === 0;
    },
    unread(bytes) {
      queue.unshift(bytes);
      queued += bytes.length;
    },
    read() {
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        settle();
        if (queued < highWater) socket.resume();
        if (!waiting) return;
        timer = setTimeout(() => {
          failure ??= new ConnectionError(`no byte came for ${idle / 1000} s`);
          socket.destroy();
          settle();
        }, idle);
      });
    },
  };
}

/** `idle`: milliseconds without a byte that end it while one is waited for. `released`: it can carry the next request. */
export function createConnection(socket: Socket, idle: number, released: (connection: Connection) => void): Connection {
  const reader = createReader(socket, idle);
  let broken = false;
  let busy = false;
  const connection: Connection = {
    get usable() {
      return !broken && !busy && reader.empty && !socket.destroyed && socket.readable && socket.writable;
    },
    close() {
      broken = true;
      socket.destroy();
    },
    async request(bytes, method, signal) {
      signal?.throwIfAborted();
      busy = true;
      const aborted = () => connection.close();
      signal?.addEventListener("abort", aborted, { once: true });
      const done = (reusable: boolean): void => {
        signal?.removeEventListener("abort", aborted);
        busy = false;
        if (!reusable || !connection.usable) connection.close();
        else released(connection);
      };
      /** What is thrown says why: the caller's wish counts more than the closed socket that it left. */
      const reason = (error: unknown): unknown => (signal?.aborted ? signal.reason : error);
      try {
        socket.write(bytes);
        const head = await readHead(reader);
        const framing = framingOf(method, head);
        const alive = keepsAlive(head, framing);
        const empty = typeof framing === "object" && framing.length === 0;
        const body = empty ? null : bodyStream(reader, framing, alive, done, reason);
        if (empty) done(alive);
        return { status: head.status, statusText: head.statusText, headers: head.headers, body };
      } catch (error) {
        done(false);
        throw reason(error);
      }
    },
  };
  return connection;
}

/** Interim answers (1xx) are passed over. */
async function readHead(reader: Reader): Promise<Head> {
  let kept = new Uint8Array(0);
  for (let interim = 0; interim < 16; ) {
    const end = endOfHead(kept);
    if (end >= 0) {
      const head = parseHead(kept.subarray(0, end));
      kept = kept.slice(end);
      if (head.status >= 200) {
        if (kept.length > 0) reader.unread(kept);
        return head;
      }
      if (head.status === 101) throw new ProtocolError("the server switched protocols unasked");
      interim++;
      continue;
    }
    if (kept.length > maxHead) throw new ProtocolError(`HTTP headers of more than ${maxHead} bytes`);
    let bytes: Uint8Array | undefined;
    try {
      bytes = await reader.read();
    } catch (error) {
      throw new ConnectionError((error as Error).message, kept.length === 0);
    }
    if (bytes === undefined) {
      throw new ConnectionError(kept.length === 0 ? "EOF" : "unexpected EOF", kept.length === 0);
    }
    const joined = new Uint8Array(kept.length + bytes.length);
    joined.set(kept);
    joined.set(bytes, kept.length);
    kept = joined;
    if (kept[0] !== 72) throw new ProtocolError("malformed HTTP response: the server does not speak HTTP");
  }
  throw new ProtocolError("too many interim HTTP responses");
}

function bodyStream(
  reader: Reader,
  framing: Framing,
  alive: boolean,
  done: (reusable: boolean) => void,
  reason: (error: unknown) => unknown,
): ReadableStream<Uint8Array> {
  const chunks = framing === "chunked" ? createChunkDecoder() : undefined;
  let left = typeof framing === "object" ? framing.length : Number.POSITIVE_INFINITY;
  let over = false;

  /** The next parts of the body; none: it is over. */
  const next = async (): Promise<Uint8Array[]> => {
    for (;;) {
      const bytes = await reader.read();
      if (bytes === undefined) {
        if (framing === "close") return [];
        throw new ConnectionError("unexpected EOF");
      }
      if (chunks) {
        const parts = chunks.push(bytes);
        if (chunks.rest > 0) reader.unread(bytes.subarray(bytes.length - chunks.rest));
        if (chunks.done) over = true;
        if (parts.length > 0 || over) return parts;
        continue;
      }
      if (bytes.length > left) reader.unread(bytes.subarray(left));
      const part = bytes.subarray(0, left);
      left -= part.length;
      if (left === 0) over = true;
      return [part];
    }
  };

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const parts = await next();
          for (const part of parts) controller.enqueue(part);
          if (!over && parts.length > 0) return;
          done(alive && framing !== "close");
          controller.close();
        } catch (error) {
          done(false);
          controller.error(reason(error));
        }
      },
      cancel() {
        done(false);
      },
    },
    { highWaterMark: 0 },
  );
}

export { contentLength };
