/** Where the last lines of a log begin, found from its end. */
import type { FileHandle } from "node:fs/promises";
import { parseHeader } from "./record.ts";

const block = 64 << 10;
const newline = 0x0a;

/**
 * The offset at which the last `count` lines of the file's first `size` bytes begin. A line is all the records up to the
 * one that ends it; what a stream wrote last without a newline is a line, too.
 */
export async function tailOffset(file: FileHandle, size: number, count: number): Promise<number> {
  if (count <= 0) return size;
  let lines = 0;
  /** Streams of which a line is open: its end was passed, its beginning not yet. */
  const open = new Set<string>();
  let position = size;
  /** Bytes from `position` on of a record whose beginning was not read yet. */
  let rest = Buffer.alloc(0);
  let whole = false;
  while (position > 0) {
    const length = Math.min(block, position);
    const chunk = Buffer.alloc(length);
    await readFully(file, chunk, position - length);
    position -= length;
    let data = Buffer.concat([chunk, rest]);
    if (!whole) {
      // What follows the last newline is being written.
      const end = data.lastIndexOf(newline);
      if (end === -1) {
        rest = data;
        continue;
      }
      data = data.subarray(0, end + 1);
      whole = true;
    }
    let end = data.length;
    while (end > 0) {
      const before = data.lastIndexOf(newline, end - 2);
      if (end < 2 || before === -1) break;
      if (!take(data.subarray(before + 1, end))) return position + end;
      end = before + 1;
    }
    rest = data.subarray(0, end);
  }
  return rest.length > 0 && !take(rest) ? rest.length : 0;

  /** False when this record is no longer part of the last lines. */
  function take(record: Uint8Array): boolean {
    const header = parseHeader(record);
    if (header === undefined || (header.partial && open.has(header.stream))) return true;
    if (lines === count) return false;
    lines++;
    open.add(header.stream);
    return true;
  }
}

async function readFully(file: FileHandle, buffer: Buffer, position: number): Promise<void> {
  for (let read = 0; read < buffer.length; ) {
    const { bytesRead } = await file.read(buffer, read, buffer.length - read, position + read);
    if (bytesRead === 0) throw new Error("the log became shorter while it was read");
    read += bytesRead;
  }
}
