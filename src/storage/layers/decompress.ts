/** The compression of a layer: told by its first bytes, checked against its media type. */
import { constants, createGunzip, createZstdDecompress } from "node:zlib";

export type Compression = "gzip" | "zstd" | "none";

/** What the first bytes of a blob say: gzip (RFC 1952) and zstd (RFC 8878, also its skippable frames) have a magic number. */
export function detectCompression(start: Uint8Array): Compression {
  const [a, b, c, d] = start;
  if (a === 0x1f && b === 0x8b) return "gzip";
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return "zstd";
  if (a !== undefined && a >> 4 === 5 && b === 0x2a && c === 0x4d && d === 0x18) return "zstd";
  return "none";
}

/** What a media type says; undefined for one that says nothing. */
export function expectedCompression(mediaType: string): Compression | undefined {
  if (/(?:\+|\.tar\.)gzip$/.test(mediaType)) return "gzip";
  if (/(?:\+|\.tar\.)zstd$/.test(mediaType)) return "zstd";
  return /\.tar$/.test(mediaType) ? "none" : undefined;
}

export interface Decompressor {
  /** Calls `taken` when the chunk is used up and all that came of it was given out: the next one may come then. */
  write(chunk: Uint8Array, taken: () => void): void;
  end(): void;
  destroy(): void;
}

/**
 * Gives plain bytes to `data`, calls `end` behind the last, `fail` at most once. Exceptions of `data` and `end` go to
 * `fail` as well. Several members or frames in a row are one stream; anything else behind it is an error.
 */
export function createDecompressor(
  compression: Compression,
  handler: { data(chunk: Uint8Array): void; end(): void; fail(error: unknown): void },
): Decompressor {
  if (compression === "none") {
    return {
      write(chunk, taken) {
        try {
          handler.data(chunk);
        } catch (error) {
          handler.fail(error);
          return;
        }
        taken();
      },
      end() {
        try {
          handler.end();
        } catch (error) {
          handler.fail(error);
        }
      },
      destroy() {},
    };
  }
  // The default chunk of 16 kB halves the speed. The window of zstd is bounded to what the format recommends (8 MiB) and
  // what `zstd --long` uses (128 MiB).
  const chunkSize = 131072;
  const stream =
    compression === "gzip"
      ? createGunzip({ chunkSize })
      : createZstdDecompress({ chunkSize, params: { [constants.ZSTD_d_windowLogMax]: 27 } });
  let written = 0;
  let failed = false;
  const fail = (error: unknown) => {
    if (failed) return;
    failed = true;
    stream.destroy();
    handler.fail(error);
  };
  stream.on("data", (chunk: Buffer) => {
    if (failed) return;
    try {
      handler.data(chunk);
    } catch (error) {
      fail(error);
    }
  });
  stream.on("end", () => {
    if (failed) return;
    try {
      if (stream.bytesWritten !== written) throw new Error(`something follows the end of its ${compression} data`);
      handler.end();
    } catch (error) {
      fail(error);
    }
  });
  stream.on("error", (error: Error) => fail(new Error(`its ${compression} data are broken: ${error.message}`)));
  return {
    write(chunk, taken) {
      written += chunk.length;
      stream.write(chunk, (error) => {
        if (!error) taken();
      });
    },
    end() {
      stream.end();
    },
    destroy() {
      failed = true;
      stream.destroy();
    },
  };
}
