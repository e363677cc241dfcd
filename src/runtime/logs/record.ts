/**
 * Records of conmon's k8s-file, the log format of Kubernetes' CRI: `TIME STREAM TAG CONTENT\n`, where the tag F ends a line
 * and P says that it goes on in the stream's next record. The content is any bytes but a newline.
 */
import type { Stream } from "../runtime.ts";

export interface LogRecord {
  stream: Stream;
  /** RFC 3339 with nanoseconds, UTC. */
  time: string;
  /** With the newline that ended the line; without one when `partial`. */
  data: Uint8Array;
  /** The line goes on in the next record of this stream, unless the process ended without a newline. */
  partial: boolean;
}

const space = 0x20;
const newline = 0x0a;

/**
 * `line` is one record with its newline. Undefined when it is none: the rest of one that was cut when conmon was killed.
 * The data is a view of `line`.
 */
export function parseRecord(line: Uint8Array): LogRecord | undefined {
  const header = parseHeader(line);
  if (header === undefined) return undefined;
  const { stream, partial, at } = header;
  const time = toUtc(Buffer.from(line.buffer, line.byteOffset, header.timeLength).toString("latin1"));
  if (time === undefined) return undefined;
  return { stream, time, data: line.subarray(at, partial ? line.length - 1 : line.length), partial };
}

export interface Header {
  stream: Stream;
  partial: boolean;
  timeLength: number;
  /** Where the content begins. */
  at: number;
}

export function parseHeader(line: Uint8Array): Header | undefined {
  if (line[line.length - 1] !== newline) return undefined;
  const first = line.indexOf(space);
  if (first < 20 || first > 40) return undefined;
  const second = line.indexOf(space, first + 1);
  if (second !== first + 7) return undefined;
  const word = String.fromCharCode(...line.subarray(first + 1, second));
  const tag = line[second + 1];
  if ((word !== "stdout" && word !== "stderr") || line[second + 2] !== space) return undefined;
  if (tag !== 0x46 && tag !== 0x50) return undefined;
  return { stream: word, partial: tag === 0x50, timeLength: first, at: second + 3 };
}

/** conmon writes the local time with its offset. */
function toUtc(time: string): string | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.exec(time);
  if (match === null) return undefined;
  const [, seconds = "", fraction = "", zone = ""] = match;
  if (zone === "Z" || zone === "+00:00") return `${seconds}${fraction}Z`;
  return `${new Date(`${seconds}${zone}`).toISOString().slice(0, 19)}${fraction}Z`;
}

/** Seconds since the epoch, with a fraction, of a record's time. */
export function seconds(time: string): number {
  return Date.parse(`${time.slice(0, 19)}Z`) / 1000 + Number(`0${time.slice(19, -1)}`);
}
