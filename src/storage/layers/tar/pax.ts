/** pax extended headers (POSIX.1-2001): records of `LENGTH KEY=VALUE\n`. */
import type { ByteString } from "../../../sys/names.ts";
import { TarError } from "./tar.ts";

export type Records = Map<ByteString, ByteString>;

const sparsePart = /^GNU\.sparse\.(?:offset|numbytes)$/;

/**
 * The records of one extended header. An empty value unsets a key, and stays in the result to say so. The repeated keys
 * of GNU's sparse format 0.0 are gathered into one GNU.sparse.map, which is how 0.1 has them.
 */
export function parsePax(content: Buffer): Records {
  const records: Records = new Map();
  const map: ByteString[] = [];
  const all = content.toString("latin1");
  for (let at = 0; at < all.length; ) {
    const space = all.indexOf(" ", at);
    const digits = space === -1 || space - at > 10 ? "" : all.slice(at, space);
    const length = /^[1-9][0-9]*$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = all.indexOf("=", space);
    if (
      length === 0 ||
      end > all.length ||
      end <= space + 1 ||
      all[end - 1] !== "\n" ||
      equals === -1 ||
      equals >= end
    ) {
      throw new TarError("a pax header is malformed");
    }
    const key = all.slice(space + 1, equals);
    const value = all.slice(equals + 1, end - 1);
    if (key === "") throw new TarError("a pax header has a record without a key");
    at = end;
    if (sparsePart.test(key)) map.push(value);
    else records.set(key, value);
  }
  if (map.length > 0) records.set("GNU.sparse.map", map.join(","));
  return records;
}

/** A decimal number that is not negative. Throws TarError. */
export function decimal(value: ByteString, key: string): number {
  const number = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw new TarError(`a pax header's ${key} is no number: ${JSON.stringify(value)}`);
  return number;
}

/** A time in seconds with a fraction: whole seconds, rounded down, and nanoseconds. Throws TarError. */
export function time(value: ByteString, key: string): [seconds: number, nanoseconds: number] {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(value);
  if (!match) throw new TarError(`a pax header's ${key} is no time: ${JSON.stringify(value)}`);
  const [, sign, whole, fraction = ""] = match;
  const seconds = Number(whole);
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, "0"));
  if (!sign) return [seconds, nanoseconds];
  return nanoseconds === 0 ? [-seconds, 0] : [-seconds - 1, 1e9 - nanoseconds];
}
