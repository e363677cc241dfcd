/**
 * File names as the kernel has them: bytes, not text. A *byte string* is a JavaScript string of which each character is
 * one byte (0 to 255, "latin1"): names that are not UTF-8 pass through it unharmed, and it compares, slices and splits as
 * fast as any string. Only `src/sys` and `src/storage` use it; all other rooms have ordinary strings.
 */
import { constants } from "node:os";
import { address, SysError } from "./libc.ts";

export type ByteString = string;

/** The UTF-8 bytes of a text, as a byte string. */
export function toBytes(text: string): ByteString {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is the same in both forms, and the common case.
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text).toString("latin1");
}

/** The text of a byte string; bytes that are not UTF-8 become U+FFFD. */
export function fromBytes(name: ByteString): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
  return /^[\x00-\x7f]*$/.test(name) ? name : Buffer.from(name, "latin1").toString();
}

/** Longest path in bytes that the kernel takes, its NUL counted. */
export const PATH_MAX = 4096;

// A call's path is written into one of two buffers that live as long as the thread: no allocation, and no new address, for
// each of the tens of thousands of calls that a layer takes. Two, since link and rename take two paths.
const buffers = [Buffer.from(new ArrayBuffer(PATH_MAX)), Buffer.from(new ArrayBuffer(PATH_MAX))] as const;
const addresses = [address(buffers[0]), address(buffers[1])] as const;

/** Puts a NUL-terminated path in place for the very next call, and returns its address. `call` names it in errors. */
export function place(name: ByteString, call: string, slot: 0 | 1 = 0): number {
  const { length } = name;
  if (length >= PATH_MAX) throw new SysError(call, constants.errno.ENAMETOOLONG, `${name.slice(0, 100)}…`);
  if (name.includes("\0")) throw new SysError(call, constants.errno.EINVAL, JSON.stringify(name));
  const buffer = buffers[slot];
  buffer.write(name, 0, length, "latin1");
  buffer[length] = 0;
  return addresses[slot];
}
