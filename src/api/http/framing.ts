/** Docker's multiplexed stream: eight bytes (stream, three zeros, length in big endian) before each piece. */
import type { Stream } from "../../runtime/runtime.ts";

export const rawStream = "application/vnd.docker.raw-stream";
export const multiplexedStream = "application/vnd.docker.multiplexed-stream";

/** Errors of the server amid a stream: clients end with the text. */
export type FrameStream = Stream | "systemerr";

const numbers: Record<FrameStream, number> = { stdout: 1, stderr: 2, systemerr: 3 };

/** The parts as one frame, in new memory. */
export function frame(stream: FrameStream, ...parts: Uint8Array[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = Buffer.allocUnsafe(8 + length);
  out.writeUInt32BE((numbers[stream] << 24) >>> 0, 0);
  out.writeUInt32BE(length, 4);
  let at = 8;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
