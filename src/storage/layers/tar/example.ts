/** Archives for tests: header by header, also wrong ones; and reproducible random numbers. */
import { blockSize, field } from "./header.ts";

export interface Example {
  name: string;
  type?: string;
  data?: Uint8Array | string;
  /** Instead of the data's length. */
  size?: number;
  mode?: number;
  uid?: number;
  gid?: number;
  mtime?: number;
  link?: string;
  major?: number;
  minor?: number;
  prefix?: string;
  magic?: "ustar" | "gnu" | "v7";
  /** Changes the finished header before its checksum is made. */
  patch?: (header: Buffer) => void;
  /** Instead of the right one. */
  checksum?: number;
}

export function header(entry: Example): Buffer {
  const block = Buffer.alloc(blockSize);
  const put = (name: keyof typeof field, value: string) => {
    const [offset, length] = field[name];
    block.write(value, offset, length, "latin1");
  };
  const octal = (name: keyof typeof field, value: number) => {
    const [offset, length] = field[name];
    const digits = value >= 0 ? value.toString(8).padStart(length - 1, "0") : "";
    if (value >= 0 && digits.length < length) {
      put(name, digits);
      return;
    }
    // Base 256, as GNU's tar writes what octal cannot hold.
    let rest = BigInt.asUintN(length * 8, BigInt(value));
    for (let i = length - 1; i >= 0; i--) {
      block[offset + i] = Number(rest & 0xffn);
      rest >>= 8n;
    }
    block[offset] = (block[offset] as number) | 0x80;
  };
  put("name", entry.name);
  octal("mode", entry.mode ?? 0o644);
  octal("uid", entry.uid ?? 0);
  octal("gid", entry.gid ?? 0);
  octal("size", entry.size ?? (entry.data === undefined ? 0 : Buffer.from(entry.data as string).length));
  octal("mtime", entry.mtime ?? 1_700_000_000);
  block.write(entry.type ?? "0", 156, 1, "latin1");
  put("link", entry.link ?? "");
  const magic = entry.magic ?? "ustar";
  if (magic === "ustar") block.write("ustar\u000000", 257, 8, "latin1");
  if (magic === "gnu") block.write("ustar  \0", 257, 8, "latin1");
  if (entry.major !== undefined) octal("major", entry.major);
  if (entry.minor !== undefined) octal("minor", entry.minor);
  if (entry.prefix !== undefined) put("prefix", entry.prefix);
  entry.patch?.(block);
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${(entry.checksum ?? sum).toString(8).padStart(6, "0")}\0 `, 148, 8, "latin1");
  return block;
}

/** A whole archive; `end` is what stands behind the last entry. */
export function archive(entries: (Example | Uint8Array)[], end: Uint8Array = Buffer.alloc(2 * blockSize)): Buffer {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    if (entry instanceof Uint8Array) {
      parts.push(entry);
      continue;
    }
    parts.push(header(entry));
    const data = Buffer.from((entry.data ?? "") as string);
    parts.push(data, Buffer.alloc((blockSize - (data.length % blockSize)) % blockSize));
  }
  return Buffer.concat([...parts, end]);
}

/** A pax extended header (`x`, or `g` for a global one) with these records, values as byte strings. */
export function pax(records: Record<string, string> | [string, string][], type: "x" | "g" = "x"): Buffer {
  const text = (Array.isArray(records) ? records : Object.entries(records))
    .map(([key, value]) => {
      const rest = ` ${key}=${value}\n`;
      let length = rest.length;
      while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
      return `${length}${rest}`;
    })
    .join("");
  return archive([{ name: "pax", type, data: Buffer.from(text, "latin1") }], Buffer.alloc(0));
}

/** GNU's long name (`L`) or long link (`K`). */
export const long = (type: "L" | "K", value: string): Buffer =>
  archive([{ name: "././@LongLink", type, data: Buffer.from(`${value}\0`, "latin1"), magic: "gnu" }], Buffer.alloc(0));

/** mulberry32: numbers from 0 to 1, the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
