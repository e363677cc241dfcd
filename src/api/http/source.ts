/**
 * What a client sends, as a queue of bounded size. The socket is always read while there is room, also when nobody
 * waits: that is how a client that went away is noticed while its request is worked on.
 */
import type { Socket } from "node:net";

/** What is kept unread before the socket is paused. */
const highWater = 64 * 1024;

export class ByteSource {
  /** The client sends no more (it may still read), or is gone. */
  ended = false;
  /** Called once when `ended` becomes true. */
  onEnded: (() => void) | undefined;
  private chunks: Buffer[] = [];
  private held = 0;
  private paused = false;
  private waiter: ((chunk: Buffer | undefined) => void) | undefined;

  constructor(private readonly socket: Socket) {
    socket.on("data", (chunk: Buffer) => this.take(chunk));
    socket.on("end", () => this.end());
    socket.on("close", () => this.end());
    // What follows an error is 'close'; without a listener the process would end.
    socket.on("error", () => {});
  }

  private take(chunk: Buffer): void {
    const waiter = this.waiter;
    if (waiter) {
      this.waiter = undefined;
      waiter(chunk);
      return;
    }
    this.chunks.push(chunk);
    this.held += chunk.length;
    if (this.held >= highWater && !this.paused) {
      this.paused = true;
      this.socket.pause();
    }
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    const waiter = this.waiter;
    this.waiter = undefined;
    waiter?.(undefined);
    this.onEnded?.();
  }

  /** The next bytes, undefined at the end. One reader at a time. */
  read(): Promise<Buffer | undefined> {
    const chunk = this.chunks.shift();
    if (chunk !== undefined) {
      this.held -= chunk.length;
      if (this.paused && this.held < highWater / 2) {
        this.paused = false;
        this.socket.resume();
      }
      return Promise.resolve(chunk);
    }
    if (this.ended) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.waiter = resolve;
    });
  }

  /** Puts bytes back in front. */
  unread(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.chunks.unshift(chunk);
    this.held += chunk.length;
  }

  /** From now on everything is read and thrown away, so that closing resets nothing that the client has not read. */
  discard(): void {
    this.chunks = [];
    this.held = 0;
    this.socket.removeAllListeners("data");
    this.socket.on("data", () => {});
    this.socket.resume();
  }
}

const headEnd = Buffer.from("\r\n\r\n");

/**
 * Reads up to and with the empty line that ends a head, and returns what is before it as latin1. undefined when the
 * client ends before it began one; "too-large" beyond `limit` bytes; "broken" when it ends inside, or when lines end
 * without carriage returns.
 */
export async function readHead(
  source: ByteSource,
  limit: number,
): Promise<string | undefined | "too-large" | "broken"> {
  let buffer: Buffer | undefined;
  let length = 0;
  for (;;) {
    const chunk = await source.read();
    if (chunk === undefined) return length === 0 ? undefined : "broken";
    let from = 0;
    if (buffer === undefined) {
      // Empty lines before a request are to be skipped (RFC 9112 section 2.2).
      let skip = 0;
      while (skip < chunk.length && (chunk[skip] === 13 || chunk[skip] === 10)) skip++;
      if (skip === chunk.length) continue;
      buffer = skip === 0 ? chunk : chunk.subarray(skip);
      length = buffer.length;
    } else {
      from = Math.max(0, length - 3);
      if (length + chunk.length > buffer.length) {
        const grown: Buffer = Buffer.allocUnsafe(Math.max(2 * buffer.length, length + chunk.length));
        buffer.copy(grown, 0, 0, length);
        buffer = grown;
      }
      chunk.copy(buffer, length);
      length += chunk.length;
    }
    const view: Buffer = buffer.subarray(0, length);
    const end = view.indexOf(headEnd, from);
    if (end >= 0) {
      if (end > limit) return "too-large";
      source.unread(view.subarray(end + 4));
      return view.toString("latin1", 0, end);
    }
    if (length > limit) return "too-large";
    if (view.indexOf("\n\n", from, "latin1") >= 0) return "broken";
  }
}
