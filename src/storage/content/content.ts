/**
 * The content store: immutable blobs by digest (OCI image-spec, descriptor.md). Holds what a registry sends, byte for
 * byte: indexes, manifests, configs and compressed layers.
 */

/** `algorithm:hex`, checked by `isDigest` before it comes into the house. Only sha256 and sha512 are supported. */
export type Digest = `sha256:${string}` | `sha512:${string}`;

/** OCI content descriptor. `size` in bytes. */
export interface Descriptor {
  mediaType: string;
  digest: Digest;
  size: number;
  platform?: Platform;
  annotations?: Record<string, string>;
  urls?: string[];
}

/** OCI platform. */
export interface Platform {
  os: string;
  architecture: string;
  variant?: string;
  "os.version"?: string;
}

export interface ContentStore {
  /** The file that holds the blob, whether or not it is there. Never changes once it is. */
  path(digest: Digest): string;
  has(digest: Digest): boolean;
  /** Bytes, or undefined when it is not there. */
  size(digest: Digest): number | undefined;
  /** A small blob, whole. Throws when it is absent, larger than `limit` bytes (default 4 MiB), or not what its digest says. */
  read(digest: Digest, limit?: number): Promise<Uint8Array>;
  /** Keeps a small blob: temporary name, fsync, rename. Throws when `expected` is given and differs. */
  put(bytes: Uint8Array, expected?: Digest): Promise<Digest>;
  /** Removes it; no error when it is absent. */
  remove(digest: Digest): Promise<void>;
  list(): Promise<Digest[]>;
}
