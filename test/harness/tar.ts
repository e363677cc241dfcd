/** Writes tar archives (POSIX ustar, with a pax record for what does not fit) for images that tests make. */

export interface Entry {
  name: string;
  type?: "file" | "directory" | "symlink" | "hardlink" | "character" | "block" | "fifo";
  data?: Uint8Array | string;
  /** Where a link leads. */
  target?: string;
  mode?: number;
  uid?: number;
  gid?: number;
  /** Seconds since the epoch. */
  mtime?: number;
  major?: number;
  minor?: number;
  /** Further pax records (`SCHILY.xattr.user.a`). */
  pax?: Record<string, string>;
}

const flags = { file: "0", hardlink: "1", symlink: "2", character: "3", block: "4", directory: "5", fifo: "6" };

function octal(value: number, width: number): string {
  return `${Math.trunc(value)
    .toString(8)
    .padStart(width - 1, "0")}\0`;
}

function header(name: string, flag: string, size: number, entry: Entry): Buffer {
  const block = Buffer.alloc(512);
  const fallback = flag === "5" ? 0o755 : 0o644;
  block.write(name, 0, 100);
  block.write(octal(entry.mode ?? fallback, 8), 100);
  block.write(octal(entry.uid ?? 0, 8), 108);
  block.write(octal(entry.gid ?? 0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(entry.mtime ?? 1_700_000_000, 12), 136);
  block.write("        ", 148);
  block.write(flag, 156);
  block.write(entry.target ?? "", 157, 100);
  block.write("ustar\0" + "00", 257);
  block.write(octal(entry.major ?? 0, 8), 329);
  block.write(octal(entry.minor ?? 0, 8), 337);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function padded(data: Uint8Array): Buffer[] {
  return [Buffer.from(data), Buffer.alloc((512 - (data.length % 512)) % 512)];
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts itself. */
function record(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

export function tar(entries: Entry[]): Buffer {
  const parts: Buffer[] = [];
  for (const entry of entries) {
    const flag = flags[entry.type ?? "file"];
    const data = typeof entry.data === "string" ? Buffer.from(entry.data) : (entry.data ?? new Uint8Array());
    const pax = { ...entry.pax };
    if (Buffer.byteLength(entry.name) > 100) pax.path = entry.name;
    if (Buffer.byteLength(entry.target ?? "") > 100) pax.linkpath = entry.target!;
    if (Object.keys(pax).length > 0) {
      const records = Buffer.from(
        Object.entries(pax)
          .map(([key, value]) => record(key, value))
          .join(""),
      );
      parts.push(header("pax", "x", records.length, { name: "pax" }), ...padded(records));
    }
    parts.push(header(entry.name, flag, data.length, entry), ...padded(data));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}
