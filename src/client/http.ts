/**
 * HTTP/1.1 (RFC 9112) as far as a client of the Engine API needs it: one request at a time on a connection, bodies with
 * a length, in chunks or until the end, and connections that an upgrade turns into plain streams. Bun's fetch can give
 * neither the last nor half-close, and node:http takes longer to load than a whole command may.
 */
import type { Connection } from "./connection.ts";
import { ProtocolError } from "./errors.ts";

export interface Request {
  method: string;
  /** With its query. */
  path: string;
  host: string;
  headers: Record<string, string>;
  body?: Uint8Array;
  upgrade?: boolean;
}

export interface Response {
  status: number;
  /** Names in lower case. */
  headers: Map<string, string>;
  /** The body's next bytes, undefined at its end. */
  read(): Promise<Uint8Array | undefined>;
  /** Whether the body was read to its end and the connection takes another request. */
  reusable(): boolean;
  connection: Connection;
}

const maxHead = 256 * 1024;
const encoder = new TextEncoder();
const latin1 = new TextDecoder("latin1");

/** Sends the request and reads the head of its answer (1xx other than 101 are passed over). */
export async function exchange(connection: Connection, request: Request): Promise<Response> {
  await connection.write(encodeRequest(request));
  for (;;) {
    const head = parseHead(await readHead(connection));
    if (head.status >= 100 && head.status < 200 && head.status !== 101) continue;
    const body = bodyOf(connection, request.method, head);
    return { ...head, connection, read: body.read, reusable: () => body.whole() && !head.close && !connection.ended };
  }
}

function encodeRequest({ method, path, host, headers, body, upgrade }: Request): Uint8Array {
  let head = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (/[\r\n\0]/.test(name + value)) throw new ProtocolError(`a header must not hold a line break: ${name}`);
    head += `${name}: ${value}\r\n`;
  }
  if (upgrade) head += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
  if (body !== undefined || method === "POST" || method === "PUT") head += `Content-Length: ${body?.length ?? 0}\r\n`;
  head += "\r\n";
  if (body === undefined) return encoder.encode(head);
  const start = encoder.encode(head);
  const whole = new Uint8Array(start.length + body.length);
  whole.set(start);
  whole.set(body, start.length);
  return whole;
}

async function readHead(connection: Connection): Promise<string> {
  let text = "";
  for (;;) {
    const piece = await connection.read();
    if (piece === undefined) throw new ProtocolError(text === "" ? "EOF" : "unexpected EOF");
    const before = text.length;
    text += latin1.decode(piece);
    const end = text.indexOf("\r\n\r\n", Math.max(0, before - 3));
    if (end >= 0) {
      connection.unread(piece.subarray(end + 4 - before));
      return text.slice(0, end);
    }
    if (text.length > maxHead) throw new ProtocolError("the head of the answer is too long");
  }
}

interface Head {
  status: number;
  headers: Map<string, string>;
  close: boolean;
}

function parseHead(text: string): Head {
  const [first = "", ...lines] = text.split("\r\n");
  const status = /^HTTP\/1\.([01]) (\d{3})(?: |$)/.exec(first);
  if (status === null) throw new ProtocolError(`malformed HTTP response ${JSON.stringify(first.slice(0, 100))}`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon <= 0) throw new ProtocolError(`malformed HTTP header ${JSON.stringify(line.slice(0, 100))}`);
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  const close = status[1] === "0" || (headers.get("connection") ?? "").toLowerCase() === "close";
  return { status: Number(status[2]), headers, close };
}

interface Body {
  read(): Promise<Uint8Array | undefined>;
  whole(): boolean;
}

function bodyOf(connection: Connection, method: string, { status, headers }: Head): Body {
  if (method === "HEAD" || status === 204 || status === 304) return { read: async () => undefined, whole: () => true };
  if (status === 101) return untilEnd(connection);
  const encoding = headers.get("transfer-encoding");
  if (encoding !== undefined) {
    if (encoding.toLowerCase() !== "chunked") throw new ProtocolError(`unsupported transfer encoding ${encoding}`);
    return chunked(connection);
  }
  const length = headers.get("content-length");
  if (length === undefined) return untilEnd(connection);
  if (!/^\d{1,15}$/.test(length)) throw new ProtocolError(`bad Content-Length ${JSON.stringify(length)}`);
  return ofLength(connection, Number(length));
}

const untilEnd = (connection: Connection): Body => ({ read: () => connection.read(), whole: () => false });

/** What comes next of a body that is not over; what is behind it stays in the connection. */
async function readAtMost(connection: Connection, most: number): Promise<Uint8Array> {
  const piece = await connection.read();
  if (piece === undefined) throw new ProtocolError("unexpected EOF");
  const own = piece.subarray(0, most);
  connection.unread(piece.subarray(own.length));
  return own;
}

function ofLength(connection: Connection, length: number): Body {
  let left = length;
  return {
    async read() {
      if (left === 0) return undefined;
      const own = await readAtMost(connection, left);
      left -= own.length;
      return own;
    },
    whole: () => left === 0,
  };
}

function chunked(connection: Connection): Body {
  let left = 0;
  let first = true;
  let done = false;
  const line = async (): Promise<string> => {
    let text = "";
    for (;;) {
      const piece = await connection.read();
      if (piece === undefined) throw new ProtocolError("unexpected EOF");
      const end = piece.indexOf(10);
      if (end >= 0) {
        connection.unread(piece.subarray(end + 1));
        return (text + latin1.decode(piece.subarray(0, end))).replace(/\r$/, "");
      }
      text += latin1.decode(piece);
      if (text.length > maxHead) throw new ProtocolError("a chunk's head is too long");
    }
  };
  return {
    async read() {
      if (done) return undefined;
      if (left === 0) {
        if (!first) await line();
        first = false;
        const size = /^([0-9a-fA-F]{1,12})(?:[ \t]*;.*)?$/.exec((await line()).trimEnd());
        if (size === null) throw new ProtocolError("malformed chunked encoding");
        left = Number.parseInt(size[1]!, 16);
        if (left === 0) {
          while ((await line()) !== "");
          done = true;
          return undefined;
        }
      }
      const own = await readAtMost(connection, left);
      left -= own.length;
      return own;
    },
    whole: () => done,
  };
}
