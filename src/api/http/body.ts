/** The body of a request: as many bytes as promised, or decoded from chunks (RFC 9112 section 7.1). */
import { HttpError } from "./errors.ts";
import type { BodyLength } from "./head.ts";
import type { ByteSource } from "./source.ts";

/** A chunk's size line with its extensions, and the trailers: nobody has use for more. */
const maxLine = 8 * 1024;

const broken = (message: string) => new HttpError(400, message, { close: true });

export class Body {
  /** Every byte of it was read. */
  done: boolean;
  private left: number;
  private readonly chunked: boolean;

  constructor(
    private readonly source: ByteSource,
    length: BodyLength,
    /** Called before the first read: `Expect: 100-continue` wants its answer then. */
    private beforeRead: (() => void) | undefined,
  ) {
    this.chunked = length === "chunked";
    this.left = length === "chunked" ? 0 : length;
    this.done = length === 0;
  }

  /** Length if it is known, -1 for chunks. */
  get length(): number {
    return this.chunked ? -1 : this.left;
  }

  /** The client waits for `100 Continue` and has not got it: it may never send the body. */
  get unasked(): boolean {
    return this.beforeRead !== undefined;
  }

  /** The next bytes, undefined at the end. Throws HttpError 400 when the client ends too early or breaks the format. */
  async read(): Promise<Buffer | undefined> {
    if (this.done) return undefined;
    this.beforeRead?.();
    this.beforeRead = undefined;
    if (this.chunked && this.left === 0) {
      const size = await this.chunkSize();
      if (size === 0) {
        await this.trailers();
        this.done = true;
        return undefined;
      }
      this.left = size;
    }
    const chunk = await this.source.read();
    if (chunk === undefined) throw broken("unexpected EOF while reading the request body");
    const taken = chunk.length <= this.left ? chunk : chunk.subarray(0, this.left);
    this.left -= taken.length;
    this.source.unread(chunk.subarray(taken.length));
    if (this.left === 0) {
      if (this.chunked) await this.chunkEnd();
      else this.done = true;
    }
    return taken;
  }

  /** The whole body. Throws HttpError 400 when it is longer than `limit` bytes. */
  async bytes(limit: number): Promise<Buffer> {
    const tooLarge = () => new HttpError(400, `the request body is larger than ${limit} bytes`, { close: true });
    if (!this.chunked && this.left > limit) throw tooLarge();
    const parts: Buffer[] = [];
    let length = 0;
    for (let part = await this.read(); part !== undefined; part = await this.read()) {
      length += part.length;
      if (length > limit) throw tooLarge();
      parts.push(part);
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, length);
  }

  /** Reads the rest, up to `limit` bytes. False when more is left: the connection is then of no further use. */
  async drain(limit: number): Promise<boolean> {
    if (this.done) return true;
    if (this.unasked || (!this.chunked && this.left > limit)) return false;
    try {
      for (let length = 0; length <= limit; ) {
        const part = await this.read();
        if (part === undefined) return true;
        length += part.length;
      }
    } catch {
      return false;
    }
    return this.done;
  }

  /** One line without its end. */
  private async line(): Promise<string> {
    let text = "";
    for (;;) {
      const chunk = await this.source.read();
      if (chunk === undefined) throw broken("unexpected EOF while reading the request body");
      const end = chunk.indexOf(10);
      text += chunk.toString("latin1", 0, end < 0 ? chunk.length : end);
      if (text.length > maxLine) throw broken("a line of the chunked request body is too long");
      if (end < 0) continue;
      this.source.unread(chunk.subarray(end + 1));
      if (!text.endsWith("\r")) throw broken("malformed chunked request body");
      return text.slice(0, -1);
    }
  }

  private async chunkSize(): Promise<number> {
    const line = await this.line();
    const match = /^([0-9a-fA-F]{1,12})[ \t]*(;.*)?$/.exec(line);
    if (!match) throw broken(`malformed chunk size ${JSON.stringify(line.slice(0, 100))}`);
    return Number.parseInt(match[1] as string, 16);
  }

  private async chunkEnd(): Promise<void> {
    if ((await this.line()) !== "") throw broken("malformed chunked request body");
  }

  private async trailers(): Promise<void> {
    for (let length = 0; ; ) {
      const line = await this.line();
      if (line === "") return;
      length += line.length;
      if (length > maxLine) throw broken("the trailers of the chunked request body are too long");
    }
  }
}
