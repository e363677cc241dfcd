/** Maps of sparse files: which pieces of the file the archive holds. */
import { blockSize, numberAt } from "./header.ts";
import { decimal } from "./pax.ts";
import { TarError } from "./tar.ts";

/** Offsets and lengths of the pieces, in turn, ascending. */
export type SparseMap = number[];

/** The four (in an extension: 21) pieces of an old GNU header are added to `map`. Returns whether another block follows. */
export function readOldSparse(block: Buffer, at: number, isExtension: boolean, map: SparseMap): boolean {
  const [start, count, flag] = isExtension ? [0, 21, 504] : [386, 4, 482];
  for (let i = 0; i < count; i++) {
    const entry = at + start + i * 24;
    if (block[entry] === 0) break;
    map.push(numberAt(block, entry, 12, "sparse offset"), numberAt(block, entry + 12, 12, "sparse length"));
  }
  return block[at + flag] !== 0;
}

/** The real size that an old GNU header tells. */
export const oldSparseSize = (block: Buffer, at: number): number => numberAt(block, at + 483, 12, "real size");

/** The map of the formats 0.0 and 0.1: `offset,length,offset,length,…`. */
export function parseSparseList(list: string, limit: number): SparseMap {
  if (list === "") return [];
  const numbers = list.split(",", 2 * limit + 1);
  if (numbers.length > 2 * limit) throw new TarError(`a sparse file has more than ${limit} pieces`);
  return numbers.map((number) => decimal(number, "GNU.sparse.map"));
}

/**
 * Reads the map of format 1.0, which stands before the data in lines of decimal numbers: their count of pieces first.
 * It is filled up to a whole block.
 */
export function createSparseLines(limit: number): {
  write(buffer: Uint8Array, start: number): boolean;
  map: SparseMap;
} {
  const map: SparseMap = [];
  let expected = -1;
  let digits = "";
  return {
    map,
    /** Takes one block; true when the map is complete. */
    write(buffer, start) {
      for (let at = start; at < start + blockSize; at++) {
        const byte = buffer[at] as number;
        if (byte !== 0x0a) {
          digits += String.fromCharCode(byte);
          if (digits.length > 16) throw new TarError("a sparse file's map is malformed");
          continue;
        }
        const value = decimal(digits, "sparse map");
        digits = "";
        if (expected !== -1) map.push(value);
        else if (value > limit) throw new TarError(`a sparse file has ${value} pieces, over ${limit}`);
        else expected = value * 2;
        if (map.length === expected) return true;
      }
      return false;
    },
  };
}

/** Throws TarError unless the pieces ascend, lie within the file and are as long as the data that the archive holds. */
export function verifySparse(map: SparseMap, size: number, stored: number): void {
  let end = 0;
  let sum = 0;
  for (let i = 0; i < map.length; i += 2) {
    const offset = map[i] as number;
    const length = map[i + 1];
    if (length === undefined || offset < end || length < 0 || offset + length > size) {
      throw new TarError("a sparse file's map is malformed");
    }
    end = offset + length;
    sum += length;
  }
  if (sum !== stored) throw new TarError(`a sparse file's map tells ${sum} bytes, the archive has ${stored}`);
}
