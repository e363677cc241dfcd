/** The 512-byte header block: fields, numbers, checksum (POSIX.1-1988 ustar, and GNU's tar.h). */
import type { ByteString } from "../../../sys/names.ts";
import { TarError } from "./tar.ts";

export const blockSize = 512;

/** Where a field stands in the block: offset and length. */
export const field = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  link: [157, 100],
  major: [329, 8],
  minor: [337, 8],
  prefix: [345, 155],
} as const;
export const typeOffset = 156;
const magicOffset = 257;

export type Field = keyof typeof field;

/** Text up to the first NUL, or the field's end. */
export function text(block: Buffer, at: number, name: Field): ByteString {
  const [offset, length] = field[name];
  return textAt(block, at + offset, length);
}

function textAt(block: Buffer, start: number, length: number): ByteString {
  let end = start;
  while (end < start + length && block[end] !== 0) end++;
  return block.toString("latin1", start, end);
}

/** A number in octal or, with the first bit set, in base 256 (two's complement, big-endian). Empty is 0. */
export function number(block: Buffer, at: number, name: Field): number {
  const [offset, length] = field[name];
  return numberAt(block, at + offset, length, name);
}

export function numberAt(block: Buffer, start: number, length: number, name: string): number {
  const first = block[start] as number;
  if (first & 0x80) return base256(block, start, length, name);
  let at = start;
  const end = start + length;
  while (at < end && (block[at] === 0x20 || block[at] === 0)) at++;
  let value = 0;
  for (; at < end; at++) {
    const digit = (block[at] as number) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  // What follows the digits may only be the filling.
  for (; at < end; at++) {
    if (block[at] !== 0x20 && block[at] !== 0) {
      throw new TarError(`a header's ${name} is no number: ${JSON.stringify(textAt(block, start, length))}`);
    }
  }
  return value;
}

function base256(block: Buffer, start: number, length: number, name: string): number {
  const negative = ((block[start] as number) & 0x40) !== 0;
  // Of a negative number the complement is summed up, and turned around at the end.
  let value = 0;
  for (let i = 0; i < length; i++) {
    let byte = block[start + i] as number;
    if (negative) byte = ~byte & 0xff;
    if (i === 0) byte &= 0x3f;
    value = value * 256 + byte;
    if (value > Number.MAX_SAFE_INTEGER) throw new TarError(`a header's ${name} is out of range`);
  }
  return negative ? -value - 1 : value;
}

export function isZeroBlock(block: Buffer, at: number): boolean {
  for (let i = at; i < at + blockSize; i++) if (block[i] !== 0) return false;
  return true;
}

/** Throws TarError when the sum of the block's bytes is not what it says (old writers summed signed bytes). */
export function verifyChecksum(block: Buffer, at: number): void {
  const [offset, length] = field.checksum;
  let unsigned = 0;
  let high = 0;
  for (let i = at; i < at + blockSize; i++) {
    const byte = block[i] as number;
    unsigned += byte;
    high += byte >> 7;
  }
  for (let i = at + offset; i < at + offset + length; i++) {
    const byte = block[i] as number;
    unsigned += 0x20 - byte;
    high -= byte >> 7;
  }
  const expected = numberAt(block, at + offset, length, "checksum");
  if (expected !== unsigned && expected !== unsigned - 256 * high) throw new TarError("a header's checksum is wrong");
}

/** The entry's name: with the prefix of ustar, which GNU's own format uses otherwise. */
export function fullName(block: Buffer, at: number): ByteString {
  const name = text(block, at, "name");
  const isUstar = block.toString("latin1", at + magicOffset, at + magicOffset + 6) === "ustar\0";
  if (!isUstar || block[at + field.prefix[0]] === 0) return name;
  return `${text(block, at, "prefix")}/${name}`;
}
