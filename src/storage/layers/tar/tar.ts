/**
 * Reading tar archives as they stream by: ustar and V7, pax (POSIX.1-2001, also global headers), GNU's long names and
 * numbers, and all four forms of sparse files. Names are byte strings (src/sys/names.ts). What is malformed or beyond the
 * limits is a TarError, never any other error and never unbounded memory.
 */
import type { ByteString } from "../../../sys/names.ts";

/** The archive is malformed, truncated or beyond a limit. */
export class TarError extends Error {}

export type EntryType = "file" | "hardlink" | "symlink" | "character" | "block" | "directory" | "fifo";

/** One entry. The object is reused: valid only during the call that it is given to. */
export interface TarEntry {
  /** As the archive has it: not cleaned, maybe with `..` or a slash at either end. */
  name: ByteString;
  type: EntryType;
  /** Bytes of the file as it will be, holes counted; 0 for all but files. */
  size: number;
  /** Permission bits with setuid, setgid and sticky. */
  mode: number;
  uid: number;
  gid: number;
  /** Seconds since the epoch (may be negative) and nanoseconds. */
  mtime: number;
  mtimeNs: number;
  /** Where a hard or symbolic link leads. */
  link: ByteString;
  /** Device numbers of a device node. */
  major: number;
  minor: number;
  /** Extended attributes, names and values; undefined when there are none. */
  xattrs: Map<ByteString, ByteString> | undefined;
  /** The data come in pieces with holes between them. */
  sparse: boolean;
}

/** Takes what the reader finds: `entry`, then `data` as often as need be, then `end`. */
export interface TarHandler {
  entry(entry: TarEntry): void;
  /** Bytes `start` to `end` of the buffer belong at `position` of the file. Valid only during the call. */
  data(buffer: Uint8Array, start: number, end: number, position: number): void;
  end(): void;
}

export interface TarLimits {
  /** Of the archive, uncompressed. */
  bytes: number;
  entries: number;
  /** Of one extended header. */
  headerBytes: number;
  /** Of a sparse file's map. */
  sparseParts: number;
}

export const defaultLimits: TarLimits = {
  bytes: 2 ** 40,
  entries: 10_000_000,
  headerBytes: 1 << 20,
  sparseParts: 1 << 20,
};

export interface TarReader {
  /** Takes the next bytes of the archive. Throws TarError, and what the handler throws. */
  write(chunk: Uint8Array): void;
  /** The archive is whole. Throws TarError when it is not. */
  end(): void;
}
