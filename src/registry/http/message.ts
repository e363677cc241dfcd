/** HTTP/1.1 messages as bytes (RFC 9112): the head of an answer and the chunked coding. No sockets here. */

/** The other side does not speak HTTP, or breaks it. */
export class ProtocolError extends Error {}

export interface Head {
  /** 1.0 or 1.1 */
  minor: number;
  status: number;
  statusText: string;
  headers: Headers;
}

/** More than any registry sends; what is longer is refused before it is kept. */
export const maxHead = 64 << 10;

/** Where the head ends (behind the empty line), or -1. `from` is where the search may begin. */
export function endOfHead(bytes: Uint8Array, from = 0): number {
  for (let at = bytes.indexOf(10, Math.max(0, from)); at >= 0; at = bytes.indexOf(10, at + 1)) {
    if (bytes[at + 1] === 10) return at + 2;
    if (bytes[at + 1] === 13 && bytes[at + 2] === 10) return at + 3;
  }
  return -1;
}

/** `bytes` is a whole head, with its empty line. Throws ProtocolError. */
export function parseHead(bytes: Uint8Array): Head {
  const [first = "", ...lines] = new TextDecoder("latin1").decode(bytes).split(/\r?\n/);
  const parts = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: ([^\r\0]*))?$/.exec(first);
  if (!parts) throw new ProtocolError(`malformed HTTP response ${JSON.stringify(first.slice(0, 80))}`);
  const headers = new Headers();
  for (const line of lines) {
    if (line === "") continue;
    const colon = line.indexOf(":");
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    // A line that begins with a blank goes on with the one before (obsolete folding): refused, as RFC 9112 allows.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be in a value
    if (colon < 1 || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || /[\0-\x08\x0a-\x1f\x7f]/.test(value)) {
      throw new ProtocolError(`malformed HTTP header ${JSON.stringify(line.slice(0, 80))}`);
    }
    headers.append(name, value);
  }
  return { minor: Number(parts[1]), status: Number(parts[2]), statusText: parts[3] ?? "", headers };
}

/** How long the body is: so many bytes, chunked, or up to the end of the connection. */
export type Framing = { length: number } | "chunked" | "close";

/** RFC 9112, section 6.3. Throws ProtocolError on lengths that contradict each other. */
export function framingOf(method: string, head: Head): Framing {
  const { status, headers } = head;
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return { length: 0 };
  const coding = headers.get("transfer-encoding");
  if (coding !== null) {
    if (coding.trim().toLowerCase() !== "chunked") {
      throw new ProtocolError(`unsupported transfer encoding ${JSON.stringify(coding.slice(0, 80))}`);
    }
    return "chunked";
  }
  const length = contentLength(headers);
  return length === undefined ? "close" : { length };
}

/** The declared length, whatever the framing says. Throws ProtocolError. */
export function contentLength(headers: Headers): number | undefined {
  const text = headers.get("content-length");
  if (text === null) return undefined;
  const values = new Set(text.split(",").map((one) => one.trim()));
  const [value = ""] = values;
  if (values.size !== 1 || !/^\d{1,15}$/.test(value)) {
    throw new ProtocolError(`bad Content-Length ${JSON.stringify(text.slice(0, 80))}`);
  }
  return Number(value);
}

/** Whether the connection can carry another request when the body was read to its end. */
export function keepsAlive(head: Head, framing: Framing): boolean {
  const tokens = (head.headers.get("connection") ?? "").toLowerCase().split(/\s*,\s*/);
  if (framing === "close" || tokens.includes("close")) return false;
  return head.minor === 1 || tokens.includes("keep-alive");
}

/** Takes chunked bytes as they come. */
export interface ChunkDecoder {
  /** The parts of `bytes` that are body (views, not copies). Throws ProtocolError. */
  push(bytes: Uint8Array): Uint8Array[];
  readonly done: boolean;
  /** What came behind the last chunk's end: not ours. */
  readonly rest: number;
}

export function createChunkDecoder(): ChunkDecoder {
  let state: "size" | "data" | "data-end" | "trailer" | "done" = "size";
  let line = "";
  let left = 0;
  let rest = 0;
  let trailers = 0;

  /** Takes bytes up to a newline; true when the line is whole. */
  const takeLine = (bytes: Uint8Array, at: number): { at: number; whole: boolean } => {
    const end = bytes.indexOf(10, at);
    const stop = end < 0 ? bytes.length : end;
    if (line.length + stop - at > 4096) throw new ProtocolError("chunked body: line too long");
    line += new TextDecoder("latin1").decode(bytes.subarray(at, stop));
    return { at: end < 0 ? stop : end + 1, whole: end >= 0 };
  };

  const endLine = (): void => {
    const text = line.replace(/\r$/, "");
    line = "";
    if (state === "size") {
      const size = /^([0-9a-fA-F]{1,12})[ \t]*(?:;.*)?$/.exec(text);
      if (!size) throw new ProtocolError(`chunked body: bad size ${JSON.stringify(text.slice(0, 40))}`);
      left = Number.parseInt(size[1]!, 16);
      state = left === 0 ? "trailer" : "data";
    } else if (state === "data-end") {
      if (text !== "") throw new ProtocolError("chunked body: no newline behind a chunk");
      state = "size";
    } else if (text === "") {
      state = "done";
    } else if (++trailers > 64) {
      throw new ProtocolError("chunked body: too many trailers");
    }
  };

  return {
    get done() {
      return state === "done";
    },
    get rest() {
      return rest;
    },
    push(bytes) {
      const parts: Uint8Array[] = [];
      let at = 0;
      while (at < bytes.length && state !== "done") {
        if (state === "data") {
          const size = Math.min(left, bytes.length - at);
          parts.push(bytes.subarray(at, at + size));
          at += size;
          left -= size;
          if (left === 0) state = "data-end";
        } else {
          const taken = takeLine(bytes, at);
          at = taken.at;
          if (taken.whole) endLine();
        }
      }
      rest = bytes.length - at;
      return parts;
    },
  };
}
