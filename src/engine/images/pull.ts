/**
 * Pulling: resolve the manifest, then every layer in one streaming pass (download, verify, decompress, unpack), several
 * at a time; then one transaction makes the image known. Nothing is visible before, and what an unfinished pull left is
 * swept at start.
 */
import type { ImageConfig } from "@docker/node-sdk";
import { pulling } from "../../registry/errors.ts";
import { familiarName, familiarString, parseReference, type Reference } from "../../registry/reference/reference.ts";
import type { Credentials, ImageManifest, Registry } from "../../registry/registry.ts";
import { RegistryError } from "../../registry/registry.ts";
import type { ContentStore, Digest, Platform } from "../../storage/content/content.ts";
import type { LayerStore } from "../../storage/layers/layers.ts";
import { now } from "../clock.ts";
import type { ProgressMessage } from "../engine.ts";
import { EngineError, type ErrorKind, invalid } from "../errors.ts";
import type { EventLog } from "../events/events.ts";
import { shortId } from "../identifier.ts";
import { collect } from "./collect.ts";
import { digestName, tagName } from "./find.ts";
import type { ImageLayer, ImageRecord } from "./image.ts";
import type { ImageStore } from "./store.ts";

export interface PullParts {
  registry: Registry;
  content: ContentStore;
  layers: LayerStore;
  store: ImageStore;
  events: EventLog;
  /** Layers of one pull that are fetched at a time. */
  concurrency: number;
  platform: Platform;
  /** Held while they are not yet referenced by an image, so that a removal beside us leaves them. */
  leases: Leases;
}

/** Counts who needs a blob or layer that no row names yet. */
export interface Leases {
  hold(digests: Iterable<Digest>): () => void;
  held(digest: Digest): boolean;
  /** Resolves with the removal of something that nobody held when it began. */
  dropping(removal: Promise<void>): Promise<void>;
  /** Resolves when the removals that were under way are over: what is held and still there then, stays. */
  settled(): Promise<void>;
}

export function createLeases(): Leases {
  const counts = new Map<Digest, number>();
  const removals = new Set<Promise<void>>();
  return {
    hold(digests) {
      const mine = [...digests];
      for (const digest of mine) counts.set(digest, (counts.get(digest) ?? 0) + 1);
      return () => {
        for (const digest of mine.splice(0)) {
          const left = (counts.get(digest) ?? 1) - 1;
          if (left === 0) counts.delete(digest);
          else counts.set(digest, left);
        }
      };
    },
    held: (digest) => counts.has(digest),
    async dropping(removal) {
      removals.add(removal);
      try {
        await removal;
      } finally {
        removals.delete(removal);
      }
    },
    settled: async () => void (await Promise.allSettled(removals)),
  };
}

export interface PullOptions {
  platform: Platform;
  credentials?: Credentials;
  signal: AbortSignal;
  progress: (message: ProgressMessage) => void;
}

/** The config document, as far as the engine reads it (OCI image-spec, config.md). */
interface ConfigDocument {
  created?: string;
  author?: string;
  architecture: string;
  os: string;
  variant?: string;
  config?: ImageConfig;
  rootfs: { type: string; diff_ids: Digest[] };
  history?: ImageRecord["history"];
}

/** `reference` as the user gave it, with its tag or digest. Throws EngineError in the words of the registry. */
export async function pullImage(parts: PullParts, reference: Reference, options: PullOptions): Promise<ImageRecord> {
  const { progress, signal, credentials } = options;
  const tagged = reference.digest || reference.tag ? reference : { ...reference, tag: "latest" };
  const target = tagged.digest ?? tagged.tag!;
  const asked = { ...(credentials ? { credentials } : {}), signal };
  try {
    const manifest = await parts.registry.resolve(tagged, options.platform, {
      ...asked,
      onNotice: (message) => progress({ status: message }),
    });
    progress({ status: `Pulling from ${displayPath(reference)}`, id: target });
    const documents = [...manifest.documents.map((document) => document.digest), manifest.manifest.config.digest];
    const release = parts.leases.hold([...documents, ...manifest.manifest.layers.map((layer) => layer.digest)]);
    const layers: ImageLayer[] = [];
    try {
      await parts.leases.settled();
      return await take(parts, tagged, manifest, layers, options);
    } catch (error) {
      release();
      await collect(parts, { documents, layers });
      throw signal.aborted ? error : named(error, tagged, manifest);
    } finally {
      release();
    }
  } catch (error) {
    throw asEngineError(error);
  }
}

/** Fills `layers` once they are known. */
async function take(
  parts: PullParts,
  reference: Reference,
  manifest: ImageManifest,
  layers: ImageLayer[],
  options: PullOptions,
): Promise<ImageRecord> {
  const { progress } = options;
  const configBytes = await fetchConfig(parts, reference, manifest, options);
  const config = readConfig(configBytes, manifest);
  for (const [index, descriptor] of manifest.manifest.layers.entries()) {
    layers.push({ descriptor, diffId: config.rootfs.diff_ids[index]! });
  }
  const release = parts.leases.hold(layers.map((layer) => layer.diffId));
  try {
    await takeLayers(parts, reference, manifest, layers, options);
    for (const document of manifest.documents) await parts.content.put(document.bytes, document.digest);
    await parts.content.put(configBytes, manifest.manifest.config.digest);
    return record(parts, reference, manifest, config, layers, progress);
  } finally {
    release();
  }
}

function record(
  parts: PullParts,
  reference: Reference,
  manifest: ImageManifest,
  config: ConfigDocument,
  layers: ImageLayer[],
  progress: (message: ProgressMessage) => void,
): ImageRecord {
  const { config: configDescriptor, digest } = manifest.manifest;
  const id = configDescriptor.digest;
  const tags = reference.tag && !reference.digest ? [tagName(reference)] : [];
  // Our hub's images have no digest in the repository of that name: it would be taken for the official one.
  const embedded = manifest.origin === "embedded-hub";
  const digests = embedded ? [] : [digestName(reference, manifest.digest)];
  if (!embedded && digest !== manifest.digest) digests.push(digestName(reference, digest));
  const before = parts.store.get(id);
  const known = before !== undefined && tags.every((tag) => parts.store.byTag(tag)?.id === id);
  const image: ImageRecord = {
    id,
    manifest: digest,
    documents: [...new Set([...manifest.documents.map((document) => document.digest), id])],
    layers,
    platform: {
      os: config.os,
      architecture: config.architecture,
      ...(config.variant ? { variant: config.variant } : {}),
    },
    created: config.created ?? "",
    author: config.author ?? "",
    config: config.config ?? {},
    history: config.history ?? [],
    size: [...new Set(layers.map((layer) => layer.diffId))].reduce((sum, one) => sum + parts.layers.size(one), 0),
    lastTagged: known ? before.lastTagged : now(),
    origin: embedded ? "embedded-hub" : "registry",
  };
  parts.store.put(image, { tags, digests });
  const shown = familiarString(reference);
  progress({ status: `Digest: ${manifest.digest}` });
  progress({
    status: known ? `Status: Image is up to date for ${shown}` : `Status: Downloaded newer image for ${shown}`,
  });
  parts.events.emit("image", "pull", shown, { ...image.config.Labels, name: familiarName(reference) });
  return image;
}

async function fetchConfig(
  parts: PullParts,
  reference: Reference,
  manifest: ImageManifest,
  options: PullOptions,
): Promise<Uint8Array> {
  const { config } = manifest.manifest;
  if (config.size > 8 << 20) {
    throw new Error(
      `the config ${config.digest} of ${familiarString(reference)} is ${config.size} bytes: at most 8 MiB are read`,
    );
  }
  if (parts.content.has(config.digest)) return parts.content.read(config.digest, 8 << 20);
  const { signal, credentials } = options;
  const body = parts.registry.blob(reference, manifest, config, { ...(credentials ? { credentials } : {}), signal });
  const bytes = new Uint8Array(await new Response(body).arrayBuffer());
  await parts.content.put(bytes, config.digest);
  return bytes;
}

function readConfig(bytes: Uint8Array, manifest: ImageManifest): ConfigDocument {
  const digest = manifest.manifest.config.digest;
  let config: ConfigDocument;
  try {
    config = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)) as ConfigDocument;
  } catch (error) {
    throw new Error(`the image config ${digest} is not JSON: ${(error as Error).message}`);
  }
  const diffIds = config?.rootfs?.diff_ids;
  if (!Array.isArray(diffIds) || !diffIds.every((one) => /^sha256:[0-9a-f]{64}$/.test(one))) {
    throw new Error(`the image config ${digest} has no list of sha256 layer digests (rootfs.diff_ids)`);
  }
  if (diffIds.length !== manifest.manifest.layers.length) {
    throw new Error(
      `the image config ${digest} names ${diffIds.length} layers, its manifest ${manifest.manifest.layers.length}`,
    );
  }
  if (typeof config.os !== "string" || typeof config.architecture !== "string") {
    throw new Error(`the image config ${digest} names no os and architecture`);
  }
  return config;
}

async function takeLayers(
  parts: PullParts,
  reference: Reference,
  manifest: ImageManifest,
  layers: ImageLayer[],
  options: PullOptions,
): Promise<void> {
  const { progress } = options;
  const unique = [...new Map(layers.map((layer) => [layer.diffId, layer])).values()];
  const missing = unique.filter((layer) => !parts.layers.has(layer.diffId));
  for (const layer of unique) {
    const id = shortId(layer.descriptor.digest);
    if (missing.includes(layer)) progress({ status: "Pulling fs layer", progressDetail: {}, id });
    else progress({ status: "Already exists", progressDetail: {}, id });
  }
  // One failure ends the other layers of this pull: nothing of it is of use.
  const failure = new AbortController();
  const signal = AbortSignal.any([options.signal, failure.signal]);
  const queue = [...missing];
  for (const layer of missing.slice(parts.concurrency)) {
    progress({ status: "Waiting", progressDetail: {}, id: shortId(layer.descriptor.digest) });
  }
  const lane = async () => {
    for (let layer = queue.shift(); layer; layer = queue.shift()) {
      signal.throwIfAborted();
      await takeLayer(parts, reference, manifest, layer, { ...options, signal });
    }
  };
  const lanes = Array.from({ length: Math.min(parts.concurrency, missing.length) }, lane);
  try {
    await Promise.all(lanes);
  } catch (error) {
    failure.abort(error);
    await Promise.allSettled(lanes);
    throw error;
  }
}

async function takeLayer(
  parts: PullParts,
  reference: Reference,
  manifest: ImageManifest,
  layer: ImageLayer,
  options: PullOptions,
): Promise<void> {
  const { descriptor } = layer;
  const { progress, signal, credentials } = options;
  const id = shortId(descriptor.digest);
  const total = descriptor.size;
  const body = parts.registry.blob(reference, manifest, descriptor, {
    ...(credentials ? { credentials } : {}),
    signal,
  });
  let downloaded = false;
  await parts.layers.ingest(layer, body, {
    signal,
    onProgress: (current) => {
      const status = downloaded ? "Extracting" : "Downloading";
      progress({ status, progressDetail: { current, total }, progress: bar(current, total), id });
    },
    onDownloaded: () => {
      downloaded = true;
      progress({ status: "Verifying Checksum", progressDetail: {}, id });
      progress({ status: "Download complete", progressDetail: {}, id });
      progress({ status: "Extracting", progressDetail: { current: total, total }, progress: bar(total, total), id });
    },
  });
  progress({ status: "Pull complete", progressDetail: {}, id });
}

/** The drawn bar that clients of old print as it comes. */
function bar(current: number, total: number): string {
  if (total <= 0) return humanSize(current);
  const done = Math.min(50, Math.floor((current / total) * 50));
  const arrow = done < 50 ? ">" : "";
  return `[${"=".repeat(done)}${arrow}${" ".repeat(50 - done - arrow.length)}]  ${humanSize(current)}/${humanSize(total)}`;
}

function humanSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${units[unit]}`;
}

/** Docker prints `library/redis` for its own hub, `registry.example/a/b` is printed as `a/b`. */
const displayPath = (reference: Reference): string => reference.path;

const kinds: Record<RegistryError["kind"], ErrorKind> = {
  "not-found": "not-found",
  denied: "not-found",
  unauthorized: "internal",
  "rate-limited": "internal",
  unreachable: "internal",
  invalid: "internal",
  other: "internal",
};

/** Says which image from where it was; the registry's own errors do already. */
function named(error: unknown, reference: Reference, { origin }: ImageManifest): unknown {
  if (error instanceof RegistryError || !(error instanceof Error)) return error;
  const elsewhere = origin === "embedded-hub" ? "the embedded hub" : undefined;
  const where = typeof origin === "object" ? new URL(origin.mirror).host : (elsewhere ?? reference.domain);
  return new EngineError("internal", `${error.message}${pulling(reference, where)}`);
}

export function asEngineError(error: unknown): unknown {
  if (error instanceof RegistryError) return new EngineError(kinds[error.kind], error.message);
  return error;
}

/** What `POST /images/create` names: the image, with the tag of its own parameter. Throws 400. */
export function pullReference(image: string, tag: string | undefined): Reference {
  const digest = tag?.includes(":");
  const text = !tag ? image : digest ? `${image}@${tag}` : `${image}:${tag}`;
  try {
    return parseReference(text);
  } catch (error) {
    throw invalid((error as Error).message);
  }
}
