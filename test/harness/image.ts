/** Images that tests make: from tar entries, without any builder. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Descriptor, Digest } from "../../src/storage/content/content.ts";
import { program } from "./programs.ts";
import { run } from "./run.ts";
import { type Entry, tar } from "./tar.ts";

export interface BuiltImage {
  manifest: Buffer;
  mediaType: string;
  digest: Digest;
  /** The image's ID. */
  config: Descriptor;
  layers: Descriptor[];
  /** Config and layers by digest. */
  blobs: Map<Digest, Buffer>;
}

export interface ImageOptions {
  /** OCI image configuration's `config` part. */
  config?: Record<string, unknown>;
  architecture?: string;
  compression?: "gzip" | "none" | "zstd";
}

export function digestOf(bytes: Uint8Array): Digest {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

/** Layers are lists of tar entries, or whole archives. */
export function buildImage(layers: (Entry[] | Uint8Array)[], options: ImageOptions = {}): BuiltImage {
  const { compression = "gzip", architecture = process.arch === "arm64" ? "arm64" : "amd64" } = options;
  const blobs = new Map<Digest, Buffer>();
  const add = (mediaType: string, bytes: Buffer): Descriptor => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const archives = layers.map((layer) => (layer instanceof Uint8Array ? Buffer.from(layer) : tar(layer)));
  const descriptors = archives.map((archive) => {
    if (compression === "gzip") {
      return add(
        "application/vnd.oci.image.layer.v1.tar+gzip",
        Buffer.from(Bun.gzipSync(new Uint8Array(archive), { level: 1 })),
      );
    }
    if (compression === "zstd") {
      return add("application/vnd.oci.image.layer.v1.tar+zstd", Buffer.from(Bun.zstdCompressSync(archive)));
    }
    return add("application/vnd.oci.image.layer.v1.tar", archive);
  });
  const created = "2024-01-01T00:00:00Z";
  const config = add(
    "application/vnd.oci.image.config.v1+json",
    Buffer.from(
      JSON.stringify({
        architecture,
        os: "linux",
        created,
        config: options.config ?? {},
        rootfs: { type: "layers", diff_ids: archives.map(digestOf) },
        history: archives.map((_, index) => ({ created, created_by: `layer ${index}` })),
      }),
    ),
  );
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: descriptors }));
  return { manifest, mediaType, digest: digestOf(manifest), config, layers: descriptors, blobs };
}

/** A usual small root with this machine's static busybox and a link for each of its commands. */
export async function busyboxImage(options: ImageOptions = {}): Promise<BuiltImage> {
  const path = program("busybox");
  const { stdout } = await run([path, "--list"]);
  const folders = ["bin", "dev", "etc", "proc", "root", "sbin", "sys", "tmp", "usr", "usr/bin", "var", "var/tmp"];
  const entries: Entry[] = folders.map((name) => ({
    name: `${name}/`,
    type: "directory",
    mode: name.endsWith("tmp") ? 0o1777 : name === "root" ? 0o700 : 0o755,
  }));
  entries.push({ name: "bin/busybox", data: readFileSync(path), mode: 0o755 });
  for (const name of stdout.split("\n").filter((word) => word !== "" && word !== "busybox")) {
    entries.push({ name: `bin/${name}`, type: "hardlink", target: "bin/busybox", mode: 0o755 });
  }
  entries.push(
    { name: "etc/passwd", data: "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n" },
    { name: "etc/group", data: "root:x:0:\nnobody:x:65534:\n" },
  );
  const environment = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  return buildImage([entries], { ...options, config: { Cmd: ["sh"], Env: [environment], ...options.config } });
}

/** `count` layers of `bytes` each that do not compress, the same for the same seed. */
export function incompressibleImage(count: number, bytes: number, seed = 1): BuiltImage {
  let state = seed;
  const layers = Array.from({ length: count }, (_, index) => {
    const words = new Uint32Array(Math.ceil(bytes / 4));
    for (let at = 0; at < words.length; at++) {
      // xorshift32
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      words[at] = state;
    }
    return [{ name: `data-${index}`, data: new Uint8Array(words.buffer, 0, bytes) }];
  });
  return buildImage(layers);
}
