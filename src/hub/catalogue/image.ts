/** Makes an image of files, byte for byte the same every time: its digests are part of what we promise. */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Digest, Platform } from "../../storage/content/content.ts";
import type { CatalogueImage, Document } from "./catalogue.ts";

export interface ImageFile {
  path: string;
  mode: number;
  bytes: Uint8Array;
}

export interface ImageSource {
  name: string;
  tags: string[];
  /** RFC 3339; also the time of the files. */
  created: string;
  /** What `docker history` shows. */
  createdBy: string;
  /** The image's Config (Cmd, Env, Labels, …). */
  config: Record<string, unknown>;
  annotations: Record<string, string>;
  variants: { platform: Platform; files: ImageFile[] }[];
}

const types = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
};

/** An index with a manifest a platform, each with one layer. */
export function makeImage(source: ImageSource): CatalogueImage {
  const variants = source.variants.map(({ platform, files }) => makeVariant(source, platform, files));
  const index = jsonDocument(types.index, {
    schemaVersion: 2,
    mediaType: types.index,
    manifests: variants.map(({ manifest, platform }) => ({ ...describe(manifest), platform })),
    annotations: source.annotations,
  });
  return {
    name: source.name,
    tags: source.tags,
    index,
    manifests: variants.map((one) => one.manifest),
    blobs: variants.flatMap((one) => [one.config, one.layer]),
  };
}

function makeVariant(source: ImageSource, platform: Platform, files: ImageFile[]) {
  const tar = makeTar(files, Date.parse(source.created) / 1000);
  const layer = document(types.layer, storeGzip(tar));
  const config = jsonDocument(types.config, {
    created: source.created,
    ...platform,
    config: source.config,
    rootfs: { type: "layers", diff_ids: [digestOf(tar)] },
    history: [{ created: source.created, created_by: source.createdBy }],
  });
  const manifest = jsonDocument(types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: describe(config),
    layers: [describe(layer)],
    annotations: source.annotations,
  });
  return { platform, layer, config, manifest };
}

const digestOf = (bytes: Uint8Array): Digest => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

const document = (mediaType: string, bytes: Uint8Array): Document => ({ digest: digestOf(bytes), mediaType, bytes });

const jsonDocument = (mediaType: string, value: unknown): Document =>
  document(mediaType, new TextEncoder().encode(JSON.stringify(value)));

const describe = ({ mediaType, digest, bytes }: Document) => ({ mediaType, digest, size: bytes.length });

/** A ustar archive (POSIX.1-2001, pax: "ustar Interchange Format") of plain files, owned by root. */
export function makeTar(files: ImageFile[], time: number): Uint8Array {
  const parts = files.flatMap((file) => [header(file, time), padded(file.bytes)]);
  return new Uint8Array(Buffer.concat([...parts, new Uint8Array(1024)]));
}

const padded = (bytes: Uint8Array): Uint8Array => {
  const block = new Uint8Array(Math.ceil(bytes.length / 512) * 512);
  block.set(bytes);
  return block;
};

function header(file: ImageFile, time: number): Uint8Array {
  const block = new Uint8Array(512);
  const text = (at: number, value: string) => block.set(new TextEncoder().encode(value), at);
  const octal = (at: number, width: number, value: number) => text(at, value.toString(8).padStart(width - 1, "0"));
  text(0, file.path);
  octal(100, 8, file.mode);
  octal(108, 8, 0);
  octal(116, 8, 0);
  octal(124, 12, file.bytes.length);
  octal(136, 12, time);
  text(148, "        ");
  text(156, "0");
  text(257, "ustar\x0000");
  text(265, "root");
  text(297, "root");
  const sum = block.reduce((total, byte) => total + byte, 0);
  text(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/**
 * Gzip with stored blocks only (RFC 1951, section 3.2.4; RFC 1952): the bytes then depend on no compressor's version,
 * and these layers are small.
 */
export function storeGzip(bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255)];
  const size = 0xffff;
  for (let at = 0; at === 0 || at < bytes.length; at += size) {
    const block = bytes.subarray(at, at + size);
    const last = at + size >= bytes.length ? 1 : 0;
    const head = new DataView(new ArrayBuffer(5));
    head.setUint8(0, last);
    head.setUint16(1, block.length, true);
    head.setUint16(3, block.length ^ 0xffff, true);
    parts.push(new Uint8Array(head.buffer), block);
  }
  const tail = new DataView(new ArrayBuffer(8));
  tail.setUint32(0, crc32(bytes), true);
  tail.setUint32(4, bytes.length >>> 0, true);
  return new Uint8Array(Buffer.concat([...parts, new Uint8Array(tail.buffer)]));
}
