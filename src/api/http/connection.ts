/** Serves the requests of one connection, one after the other, for as long as the client keeps it. */
import type { Socket } from "node:net";
import { Body } from "./body.ts";
import { HttpError, messageOf } from "./errors.ts";
import { bodyLength, type Head, headerHas, keepsAlive, parseHead } from "./head.ts";
import { type Headers, Response } from "./response.ts";
import { ByteSource, readHead } from "./source.ts";

export interface Exchange {
  head: Head;
  body: Body;
  response: Response;
  /** Aborted when the client sends no more or is gone. Made when first asked for. */
  readonly signal: AbortSignal;
}

export interface ConnectionOptions {
  headerBytes: number;
  /** How long a client that was sent everything may take to close its side. */
  lingerMilliseconds: number;
  /** Of every answer. */
  headers: Headers;
  /** Must answer, or throw before anything was sent: it is then answered for it. */
  handle(exchange: Exchange): Promise<void>;
  /** Answers what `handle` threw before it sent anything. `gone`: the client sends no more, and may have called it off. */
  fail(error: unknown, response: Response, gone: boolean): void;
}

/** An unread body up to this is read away to keep the connection. */
const drainBytes = 256 * 1024;

export interface Connection {
  /** Nothing is under way. */
  readonly idle: boolean;
  /** No further request; when idle at once, else after the answer. */
  close(): void;
  destroy(): void;
}

export function serveConnection(socket: Socket, options: ConnectionOptions, onClose: () => void): Connection {
  const source = new ByteSource(socket);
  let idle = true;
  let closing = false;
  let controller: AbortController | undefined;
  let aborted = false;
  let current: Response | undefined;
  const abort = () => {
    aborted = true;
    controller?.abort();
  };
  source.onEnded = abort;
  socket.on("close", onClose);

  /** Answers one request; false when the connection ends with it. */
  const exchange = async (head: Head): Promise<boolean> => {
    const response = new Response(socket, source, options.headers, {
      method: head.method,
      minor: head.minor,
      keepAlive: keepsAlive(head) && !closing,
    });
    current = response;
    try {
      const expects = headerHas(head, "expect", "100-continue");
      if (!expects && head.headers.has("expect"))
        throw new HttpError(417, `unknown expectation ${head.headers.get("expect")}`);
      const body = new Body(
        source,
        bodyLength(head),
        expects ? () => socket.write("HTTP/1.1 100 Continue\r\n\r\n") : undefined,
      );
      controller = undefined;
      aborted = source.ended;
      try {
        await options.handle({
          head,
          body,
          response,
          get signal() {
            if (!controller) {
              controller = new AbortController();
              if (aborted) controller.abort();
            }
            return controller.signal;
          },
        });
        if (!response.started) throw new Error(`${head.method} ${head.path} was not answered`);
      } catch (error) {
        if (response.started) {
          // Too late for a status: a cut stream is the one sign that is left.
          if (!response.finished || response.hijacked) response.abort();
          return false;
        }
        if (error instanceof HttpError && error.close) response.close = true;
        // What is still to come of the body is read away afterwards, if that is worth it.
        if (!body.done && (body.unasked || body.length < 0 || body.length > drainBytes)) response.close = true;
        options.fail(error, response, source.ended);
      }
      if (response.hijacked) return false;
      if (!response.finished) response.end();
      if (response.close) return false;
      return await body.drain(drainBytes);
    } catch (error) {
      // The head promised a body that cannot be understood.
      response.close = true;
      options.fail(error, response, source.ended);
      return false;
    }
  };

  const serve = async () => {
    while (!socket.destroyed && !closing) {
      const text = await readHead(source, options.headerBytes);
      if (text === undefined || closing) break;
      idle = false;
      if (text === "too-large") refuse(socket, 431, "Request Header Fields Too Large");
      if (text === "broken") refuse(socket, 400, "Bad Request");
      if (text === "too-large" || text === "broken") break;
      let head: Head;
      try {
        head = parseHead(text);
      } catch (error) {
        refuse(socket, error instanceof HttpError ? error.status : 400, messageOf(error));
        break;
      }
      if (!(await exchange(head))) break;
      idle = true;
    }
    idle = false;
    linger(socket, source, options.lingerMilliseconds);
  };
  serve().catch(() => socket.destroy());

  return {
    get idle() {
      return idle;
    },
    close() {
      closing = true;
      if (current) current.close = true;
      if (idle) socket.destroy();
    },
    destroy: () => socket.destroy(),
  };
}

function refuse(socket: Socket, status: number, reason: string): void {
  const text = `${status} ${reason}`;
  const length = Buffer.byteLength(text);
  socket.write(
    `HTTP/1.1 ${text.replace(/[^\x20-\x7e]/g, "?")}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${text}`,
  );
}

/**
 * Ends our side and throws away what still comes, so that a client which is sending gets the answer and no reset. A client
 * may read as slowly as it likes; one that has everything and does not close in turn is cut off.
 */
function linger(socket: Socket, source: ByteSource, milliseconds: number): void {
  if (socket.destroyed) return;
  source.discard();
  let timer: NodeJS.Timeout | undefined;
  socket.on("close", () => clearTimeout(timer));
  const flushed = () => {
    if (socket.destroyed) return;
    timer = setTimeout(() => socket.destroy(), milliseconds);
    timer.unref();
  };
  if (socket.writableFinished) flushed();
  else socket.on("finish", flushed);
  socket.end();
}
