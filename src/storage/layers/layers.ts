/**
 * Unpacked layers, one a diff ID. A layer is unpacked without its parents at hand: whiteouts and opaque directories take
 * the form that the snapshot driver needs, and directories that the layer implies but does not list are remembered, so
 * that a chain can give them the attributes that they have below.
 */
import type { Descriptor, Digest } from "../content/content.ts";

export interface LayerSource {
  /** The blob as the registry has it: its digest is verified in the stream. */
  descriptor: Descriptor;
  /** Digest of the uncompressed tar, from the image's config: verified in the same pass. */
  diffId: Digest;
}

export interface IngestOptions {
  /** Called with the bytes of the blob taken so far, at most some ten times a second. */
  onProgress?: (bytes: number) => void;
  /** Called once when the last byte of the blob came in and was verified, while unpacking may go on. */
  onDownloaded?: () => void;
  signal?: AbortSignal;
}

export interface LayerStore {
  has(diffId: Digest): boolean;
  /**
   * One streaming pass in a worker: the blob goes to the content store and is verified, decompressed (gzip, zstd or
   * plain, by its first bytes and checked against its media type), verified again and unpacked. Nothing is kept when
   * any of it fails or is aborted. Two calls for one layer at a time: the second waits for the first.
   */
  ingest(source: LayerSource, body: ReadableStream<Uint8Array>, options?: IngestOptions): Promise<void>;
  /** The same from the blob that the content store has already. */
  unpack(source: LayerSource, options?: IngestOptions): Promise<void>;
  /** Bytes on disk that the layer's files take. */
  size(diffId: Digest): number;
  remove(diffId: Digest): Promise<void>;
  list(): Digest[];
}
