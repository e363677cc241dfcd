/** The state machine that reads an archive from chunks of any size. */
import type { ByteString } from "../../../sys/names.ts";
import { blockSize, fullName, isZeroBlock, number, text, typeOffset, verifyChecksum } from "./header.ts";
import { decimal, parsePax, type Records, time } from "./pax.ts";
import {
  createSparseLines,
  oldSparseSize,
  parseSparseList,
  readOldSparse,
  type SparseMap,
  verifySparse,
} from "./sparse.ts";
import {
  defaultLimits,
  type EntryType,
  type TarEntry,
  TarError,
  type TarHandler,
  type TarLimits,
  type TarReader,
} from "./tar.ts";

type State = "header" | "extended" | "old-sparse" | "sparse-lines" | "data" | "padding" | "ended";

const types: Record<string, EntryType> = {
  "\0": "file",
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
  "7": "file",
  S: "file",
};
/** Those whose content is a header of the next entry: pax, pax global, GNU long name, GNU long link. */
const extendedTypes = "xgLK";
/** GNU's volume label: tells nothing about files. */
const ignoredType = "V";
/** The largest ID that chown(2) takes: the one above means "leave it". */
const maxId = 2 ** 32 - 2;
/** What a whole archive's header may not say for every file of it. */
const neverGlobal = /^(?:path|linkpath|size|GNU\.sparse\..*)$/;
const xattrPrefix = "SCHILY.xattr.";

export function createTarReader(handler: TarHandler, limits: TarLimits = defaultLimits): TarReader {
  let state: State = "header";
  /** A block that comes in parts, or the content of an extended header. */
  const block = Buffer.from(new ArrayBuffer(blockSize));
  let filled = 0;
  let zeroBlocks = 0;
  let total = 0;
  let entries = 0;

  let extended = Buffer.alloc(0);
  let extendedType = "";
  let globals: Records = new Map();
  let locals: Records | undefined;
  let longName: ByteString | undefined;
  let longLink: ByteString | undefined;

  const entry: TarEntry = {
    name: "",
    type: "file",
    size: 0,
    mode: 0,
    uid: 0,
    gid: 0,
    mtime: 0,
    mtimeNs: 0,
    link: "",
    major: 0,
    minor: 0,
    xattrs: undefined,
    sparse: false,
  };
  /** Bytes of the entry's data that are still to come, and of the filling up to a whole block behind them. */
  let remaining = 0;
  let padding = 0;
  let position = 0;
  let map: SparseMap = [];
  let piece = 0;
  let lines: ReturnType<typeof createSparseLines> | undefined;

  /** Takes bytes until a whole block is there, and gives where it stands; -1 when more must come. */
  let source: Buffer = block;
  const takeBlock = (chunk: Buffer, at: number): number => {
    if (filled === 0 && chunk.length - at >= blockSize) {
      source = chunk;
      return at;
    }
    filled += chunk.copy(block, filled, at);
    if (filled < blockSize) return -1;
    source = block;
    return 0;
  };

  const afterEntry = (): void => {
    locals = undefined;
    longName = undefined;
    longLink = undefined;
  };

  const startPadding = (): void => {
    remaining = padding;
    state = remaining > 0 ? "padding" : "header";
  };

  const beginData = (): void => {
    if (entry.sparse) verifySparse(map, entry.size, remaining);
    handler.entry(entry);
    afterEntry();
    position = 0;
    piece = 0;
    if (remaining > 0) state = "data";
    else finishEntry();
  };

  const finishEntry = (): void => {
    handler.end();
    startPadding();
  };

  const readHeader = (buffer: Buffer, at: number): void => {
    if (isZeroBlock(buffer, at)) {
      if (++zeroBlocks === 2) {
        if (locals || longName !== undefined || longLink !== undefined) throw cutOff();
        state = "ended";
      }
      return;
    }
    if (zeroBlocks > 0) throw new TarError("a header follows the end of the archive");
    verifyChecksum(buffer, at);
    const typeByte = String.fromCharCode(buffer[at + typeOffset] as number);
    let stored = number(buffer, at, "size");
    if (extendedTypes.includes(typeByte)) {
      beginExtended(typeByte, stored);
      return;
    }
    if (typeByte === ignoredType) {
      skip(stored);
      return;
    }
    if (++entries > limits.entries) throw new TarError(`it has more than ${limits.entries} entries`);
    const type = types[typeByte];
    entry.name = longName ?? fullName(buffer, at);
    if (!type) throw new TarError(`entry ${quote(entry.name)} has the unknown type ${quote(typeByte)}`);
    entry.type = type;
    entry.link = longLink ?? text(buffer, at, "link");
    entry.mode = number(buffer, at, "mode") & 0o7777;
    entry.uid = number(buffer, at, "uid");
    entry.gid = number(buffer, at, "gid");
    entry.mtime = number(buffer, at, "mtime");
    entry.mtimeNs = 0;
    entry.xattrs = undefined;
    entry.sparse = false;
    const isDevice = type === "character" || type === "block";
    entry.major = isDevice ? number(buffer, at, "major") : 0;
    entry.minor = isDevice ? number(buffer, at, "minor") : 0;
    if (globals.size > 0) applyRecords(globals);
    if (locals) {
      applyRecords(locals);
      const size = locals.get("size");
      if (size) stored = decimal(size, "size");
    }
    verifyEntry();
    if (type !== "file") stored = 0;
    if (stored < 0) throw new TarError(`entry ${quote(entry.name)} has the size ${stored}`);
    remaining = stored;
    padding = (blockSize - (stored % blockSize)) % blockSize;
    entry.size = stored;
    if (typeByte === "S") {
      beginOldSparse(buffer, at);
    } else if (type === "file" && locals && isSparse(locals)) {
      beginPaxSparse(locals);
    } else {
      // V7 had no type for directories but the slash. (A sparse file's name in the header may be cut at one.)
      if (type === "file" && entry.name.endsWith("/")) entry.type = "directory";
      beginData();
    }
  };

  const verifyEntry = (): void => {
    const name = quote(entry.name);
    if (entry.name === "" || entry.name.includes("\0")) throw new TarError(`an entry has the name ${name}`);
    if (entry.link.includes("\0")) throw new TarError(`entry ${name} has a link target with a NUL byte`);
    for (const key of ["uid", "gid"] as const) {
      if (entry[key] < 0 || entry[key] > maxId) throw new TarError(`entry ${name} has the ${key} ${entry[key]}`);
    }
    if (entry.major < 0 || entry.minor < 0) {
      throw new TarError(`entry ${name} has the device number ${entry.major}:${entry.minor}`);
    }
  };

  const applyRecords = (records: Records): void => {
    for (const [key, value] of records) {
      if (key.startsWith(xattrPrefix)) {
        entry.xattrs ??= new Map();
        entry.xattrs.set(key.slice(xattrPrefix.length), value);
        continue;
      }
      if (value === "") continue;
      if (key === "path") entry.name = value;
      else if (key === "linkpath") entry.link = value;
      else if (key === "uid" || key === "gid") entry[key] = decimal(value, key);
      else if (key === "mtime") [entry.mtime, entry.mtimeNs] = time(value, key);
    }
  };

  const beginExtended = (type: string, size: number): void => {
    if (size < 0 || size > limits.headerBytes) {
      throw new TarError(`an extended header has ${size} bytes, over ${limits.headerBytes}`);
    }
    extendedType = type;
    extended = Buffer.allocUnsafe(size);
    filled = 0;
    padding = (blockSize - (size % blockSize)) % blockSize;
    state = "extended";
    if (size === 0) finishExtended();
  };

  const finishExtended = (): void => {
    filled = 0;
    if (extendedType === "x") {
      locals = parsePax(extended);
    } else if (extendedType === "g") {
      globals = mergeGlobals(globals, parsePax(extended), limits.headerBytes);
    } else {
      const end = extended.indexOf(0);
      const value = extended.toString("latin1", 0, end === -1 ? extended.length : end);
      if (extendedType === "L") longName = value;
      else longLink = value;
    }
    startPadding();
  };

  const beginOldSparse = (buffer: Buffer, at: number): void => {
    entry.sparse = true;
    entry.size = oldSparseSize(buffer, at);
    map = [];
    if (readOldSparse(buffer, at, false, map)) state = "old-sparse";
    else beginData();
  };

  const beginPaxSparse = (records: Records): void => {
    entry.sparse = true;
    entry.name = records.get("GNU.sparse.name") || entry.name;
    verifyEntry();
    const size = records.get("GNU.sparse.realsize") ?? records.get("GNU.sparse.size") ?? "";
    entry.size = decimal(size, "GNU.sparse.size");
    if (records.get("GNU.sparse.major") === "1") {
      lines = createSparseLines(limits.sparseParts);
      map = lines.map;
      state = "sparse-lines";
    } else {
      map = parseSparseList(records.get("GNU.sparse.map") ?? "", limits.sparseParts);
      beginData();
    }
  };

  const skip = (size: number): void => {
    if (size < 0) throw new TarError(`a header has the size ${size}`);
    padding = 0;
    remaining = Math.ceil(size / blockSize) * blockSize;
    state = remaining > 0 ? "padding" : "header";
  };

  /** Gives the handler data of a sparse file, piece by piece. */
  const sparseData = (chunk: Buffer, start: number, end: number): void => {
    let at = start;
    while (at < end) {
      const offset = map[piece] as number;
      const left = (map[piece + 1] as number) - position;
      if (left === 0) {
        piece += 2;
        position = 0;
        continue;
      }
      const count = Math.min(left, end - at);
      handler.data(chunk, at, at + count, offset + position);
      at += count;
      position += count;
    }
  };

  /** Handles what stands at `at` and returns how far it came. */
  const step = (chunk: Buffer, at: number): number => {
    switch (state) {
      case "header":
      case "old-sparse":
      case "sparse-lines": {
        const before = filled;
        const where = takeBlock(chunk, at);
        if (where === -1) return chunk.length;
        filled = 0;
        if (state === "header") {
          readHeader(source, where);
        } else if (state === "old-sparse") {
          const more = readOldSparse(source, where, true, map);
          if (map.length > 2 * limits.sparseParts) {
            throw new TarError(`a sparse file has more than ${limits.sparseParts} pieces`);
          }
          if (!more) beginData();
        } else {
          if (remaining < blockSize) throw new TarError("a sparse file's map is longer than its data");
          remaining -= blockSize;
          if (lines?.write(source, where)) beginData();
        }
        return at + blockSize - before;
      }
      case "extended": {
        const count = chunk.copy(extended, filled, at);
        filled += count;
        if (filled === extended.length) finishExtended();
        return at + count;
      }
      case "data": {
        const count = Math.min(remaining, chunk.length - at);
        remaining -= count;
        if (entry.sparse) {
          sparseData(chunk, at, at + count);
        } else {
          handler.data(chunk, at, at + count, position);
          position += count;
        }
        if (remaining === 0) finishEntry();
        return at + count;
      }
      case "padding": {
        const count = Math.min(remaining, chunk.length - at);
        remaining -= count;
        if (remaining === 0) state = "header";
        return at + count;
      }
      case "ended": {
        for (let i = at; i < chunk.length; i++) {
          if (chunk[i] !== 0) throw new TarError("something follows the end of the archive");
        }
        return chunk.length;
      }
    }
  };

  return {
    write(bytes) {
      const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      total += chunk.length;
      if (total > limits.bytes) throw new TarError(`it has more than ${limits.bytes} bytes when uncompressed`);
      for (let at = 0; at < chunk.length; ) at = step(chunk, at);
    },
    end() {
      if (state === "ended") return;
      // Some writers leave out the two blocks of zeros.
      const isPending = locals !== undefined || longName !== undefined || longLink !== undefined;
      if (state !== "header" || filled > 0 || isPending) throw cutOff();
    },
  };
}

const cutOff = (): TarError => new TarError("the archive ends in the middle of an entry");

const quote = (name: ByteString): string => JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);

const isSparse = (records: Records): boolean =>
  records.has("GNU.sparse.major") || records.has("GNU.sparse.size") || records.has("GNU.sparse.map");

function mergeGlobals(old: Records, added: Records, limit: number): Records {
  const merged = new Map(old);
  for (const [key, value] of added) {
    if (neverGlobal.test(key)) throw new TarError(`a global pax header sets ${key} for all entries`);
    if (value === "") merged.delete(key);
    else merged.set(key, value);
  }
  let bytes = 0;
  for (const [key, value] of merged) bytes += key.length + value.length;
  if (bytes > limit) throw new TarError(`the global pax headers have ${bytes} bytes, over ${limit}`);
  return merged;
}
