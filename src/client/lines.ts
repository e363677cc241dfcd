/** JSON values in a stream, one after the other: with line breaks between them or without. */
import { ProtocolError } from "./errors.ts";

const maxValue = 16 * 1024 * 1024;

/** The values of `read`'s bytes as they come. Throws ProtocolError when one is malformed or over 16 MB. */
export async function* jsonValues<T>(read: () => Promise<Uint8Array | undefined>): AsyncGenerator<T> {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const piece = await read();
    text += piece === undefined ? decoder.decode() : decoder.decode(piece, { stream: true });
    let end = text.indexOf("\n");
    let start = 0;
    for (; end >= 0; end = text.indexOf("\n", start)) {
      const line = text.slice(start, end).trim();
      start = end + 1;
      if (line !== "") yield parse<T>(line);
    }
    text = text.slice(start);
    if (piece === undefined) {
      if (text.trim() !== "") yield parse<T>(text);
      return;
    }
    if (text.length > maxValue) throw new ProtocolError("a line of the answer is too long");
  }
}

function parse<T>(text: string): T {
  try {
    return parseJson(text) as T;
  } catch {
    throw new ProtocolError(`malformed JSON in the answer: ${text.slice(0, 100)}`);
  }
}

/** JSON.parse that keeps integers beyond 2^53, such as nanoseconds since the epoch, as bigints. */
export function parseJson(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  return JSON.parse(text, keepInteger as (this: unknown, key: string, value: unknown) => unknown);
}

function keepInteger(_: string, value: unknown, context?: { source?: string }): unknown {
  const source = context?.source;
  const unsafe = typeof value === "number" && !Number.isSafeInteger(value);
  return unsafe && source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value;
}
