/**
 * The framing of output without a terminal: before each piece eight bytes, the stream's number (1 stdout, 2 stderr, 3 an
 * error of the server), three zeros and the piece's length, big endian (Engine API, "Stream format" of attach).
 */
import { ProtocolError } from "./errors.ts";

export type FrameStream = "stdout" | "stderr" | "systemerr";

export interface Frame {
  stream: FrameStream;
  /** A piece of the frame; a long frame comes in several. */
  data: Uint8Array;
}

const names: (FrameStream | undefined)[] = ["stdout", "stdout", "stderr", "systemerr"];

/**
 * Takes framed bytes as they come, cut anywhere, and gives the pieces in them. It holds no payload back, so its memory
 * is bounded however long a frame says it is.
 */
export function frameDecoder(): (bytes: Uint8Array) => Frame[] {
  const head = new Uint8Array(8);
  let headBytes = 0;
  let left = 0;
  let stream: FrameStream = "stdout";
  return (bytes) => {
    const frames: Frame[] = [];
    let at = 0;
    while (at < bytes.length) {
      if (left === 0) {
        head[headBytes++] = bytes[at++]!;
        if (headBytes < 8) continue;
        headBytes = 0;
        const name = names[head[0]!];
        if (name === undefined) throw new ProtocolError(`Unrecognized input header: ${head[0]}`);
        stream = name;
        left = head[4]! * 0x1000000 + ((head[5]! << 16) | (head[6]! << 8) | head[7]!);
        continue;
      }
      const data = bytes.subarray(at, at + left);
      at += data.length;
      left -= data.length;
      frames.push({ stream, data });
    }
    return frames;
  };
}
