/** The answer to one request: whole at once, as a stream, or as a connection taken over from HTTP. */
import type { Socket } from "node:net";
import { reasons } from "./errors.ts";
import type { ByteSource } from "./source.ts";

/** What may wait in the process for a slow reader before its writer is told to stop. */
const highWater = 64 * 1024;

export type Headers = Record<string, string>;

let dateSecond = 0;
let dateText = "";
function date(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(second * 1000).toUTCString();
  }
  return dateText;
}

/** Resolves when the socket took what was written, or is gone. */
export function drained(socket: Socket): Promise<void> {
  if (socket.destroyed || socket.writableLength < highWater) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      socket.off("drain", done);
      socket.off("close", done);
      resolve();
    };
    socket.on("drain", done);
    socket.on("close", done);
  });
}

/** A connection that is no longer HTTP. */
export interface Hijacked {
  /** The client's bytes, undefined once it sends no more. */
  read(): Promise<Buffer | undefined>;
  /** Keeps `bytes`. False when the client is slow: write no more until `drained`. */
  write(bytes: Uint8Array): boolean;
  drained(): Promise<void>;
  /** What was written is still sent, then the client sees the end. */
  end(): void;
  /** The client is gone: nothing that is written arrives. */
  readonly gone: boolean;
  /** Aborted when it is gone. */
  readonly closed: AbortSignal;
}

export class Response {
  /** Something was sent: the status cannot change any more. */
  started = false;
  /** Complete, or taken over. */
  finished = false;
  hijacked = false;
  /** After this answer the connection closes. */
  close: boolean;
  private chunked = false;
  private bodiless = false;

  constructor(
    private readonly socket: Socket,
    private readonly source: ByteSource,
    /** Of every answer. */
    private readonly common: Headers,
    private readonly request: { method: string; minor: number; keepAlive: boolean },
  ) {
    this.close = !request.keepAlive;
  }

  /** Sends `value` as JSON with a newline behind it, as Docker does. */
  json(status: number, value: unknown, headers: Headers = {}): void {
    this.whole(status, `${JSON.stringify(value)}\n`, { "Content-Type": "application/json", ...headers });
  }

  text(status: number, text: string, headers: Headers = {}): void {
    this.whole(status, text, { "Content-Type": "text/plain; charset=utf-8", ...headers });
  }

  /** No body. */
  empty(status: number, headers: Headers = {}): void {
    this.whole(status, "", headers);
  }

  /** Begins a body of unknown length. The head leaves at once. */
  stream(status: number, headers: Headers): void {
    // An HTTP/1.0 client knows no chunks: there the end of the connection is the end of the body.
    this.chunked = this.request.minor === 1;
    if (!this.chunked) this.close = true;
    this.bodiless = this.request.method === "HEAD";
    this.started = true;
    this.socket.write(this.head(status, this.chunked ? { ...headers, "Transfer-Encoding": "chunked" } : headers));
  }

  /** Copies `bytes`. False when the reader is slow: write no more until `drained`. */
  write(bytes: Uint8Array | string): boolean {
    if (this.socket.destroyed) return false;
    const size = typeof bytes === "string" ? Buffer.byteLength(bytes) : bytes.byteLength;
    if (size === 0 || this.bodiless) return true;
    const prefix = this.chunked ? `${size.toString(16)}\r\n` : "";
    const out = Buffer.allocUnsafe(prefix.length + size + (this.chunked ? 2 : 0));
    out.write(prefix, 0, "latin1");
    if (typeof bytes === "string") out.write(bytes, prefix.length, "utf8");
    else out.set(bytes, prefix.length);
    if (this.chunked) out.write("\r\n", prefix.length + size, "latin1");
    this.socket.write(out);
    return this.socket.writableLength < highWater;
  }

  drained(): Promise<void> {
    return drained(this.socket);
  }

  /** The end of a stream. */
  end(): void {
    if (this.finished) return;
    this.finished = true;
    if (this.chunked && !this.bodiless) this.socket.write("0\r\n\r\n");
  }

  /** The stream cannot be completed: the client must see that it is cut. */
  abort(): void {
    this.finished = true;
    this.close = true;
    this.socket.destroy();
  }

  /**
   * Takes the connection over: 101 when the client asked for it by an Upgrade header, else 200, as clients older than
   * that header expect. The caller then owns the stream.
   */
  hijack(upgrade: boolean, contentType: string): Hijacked {
    const { socket, source } = this;
    this.started = true;
    this.finished = true;
    this.hijacked = true;
    const lines = upgrade
      ? `HTTP/1.1 101 UPGRADED\r\nContent-Type: ${contentType}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n`
      : `HTTP/1.1 200 OK\r\nContent-Type: ${contentType}\r\n`;
    socket.write(`${lines}${this.fields(this.common)}\r\n`);
    const closed = new AbortController();
    socket.on("close", () => closed.abort());
    return {
      closed: closed.signal,
      read: () => source.read(),
      write: (bytes) => {
        if (socket.destroyed) return false;
        socket.write(bytes);
        return socket.writableLength < highWater;
      },
      drained: () => drained(socket),
      end: () => socket.end(),
      get gone() {
        return socket.destroyed;
      },
    };
  }

  private whole(status: number, body: string, headers: Headers): void {
    this.started = true;
    this.finished = true;
    const empty = status === 204 || status === 304;
    if (!empty) headers = { "Content-Length": String(Buffer.byteLength(body)), ...headers };
    const head = this.head(status, headers);
    this.socket.write(empty || this.request.method === "HEAD" ? head : head + body);
  }

  private fields(headers: Headers): string {
    let text = "";
    for (const name in headers) text += `${name}: ${headers[name]}\r\n`;
    return text;
  }

  private head(status: number, headers: Headers): string {
    let text = `HTTP/1.1 ${status} ${reasons[status] ?? "Unknown"}\r\n${this.fields(this.common)}${this.fields(headers)}`;
    text += `Date: ${date()}\r\n`;
    if (this.close) text += "Connection: close\r\n";
    else if (this.request.minor === 0) text += "Connection: keep-alive\r\n";
    return `${text}\r\n`;
  }
}
