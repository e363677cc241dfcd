/**
 * Manifests and indexes as bytes from outside: parsed, checked and narrowed to what a pull needs (OCI image-spec,
 * manifest.md and image-index.md; Docker's manifest version 2, schema 2 and manifest lists have the same shape).
 */
import type { Descriptor, Platform } from "../storage/content/content.ts";
import { printable } from "./errors.ts";
import { isDigest } from "./reference/digest.ts";
import { formatPlatform, rankPlatform } from "./reference/platform.ts";

export const mediaTypes = {
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar+gzip",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
} as const;

const indexTypes: string[] = [mediaTypes.ociIndex, mediaTypes.dockerList];
const manifestTypes: string[] = [mediaTypes.ociManifest, mediaTypes.dockerManifest];
const schema1Types = [
  "application/vnd.docker.distribution.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v1+prettyjws",
];
/** The last two are what very old builders wrote. */
const configTypes: string[] = [mediaTypes.ociConfig, mediaTypes.dockerConfig, "application/octet-stream", ""];
const layerTypes =
  /^application\/vnd\.(?:oci\.image\.layer\.(?:v1|nondistributable\.v1)\.tar(?:\+gzip|\+zstd)?|docker\.image\.rootfs\.(?:diff|foreign\.diff)\.tar(?:\.gzip|\.zstd)?)$/;

export const acceptHeader = [...manifestTypes, ...indexTypes].join(", ");

/** Of an index or manifest; registries refuse to take larger ones, too. */
export const maxManifest = 4 << 20;
const maxLayers = 1024;
const maxEntries = 4096;

/** What a document says cannot be right, or is not an image that a container can be made of. */
export class ManifestError extends Error {}

export interface ParsedManifest {
  kind: "manifest";
  mediaType: string;
  config: Descriptor;
  layers: Descriptor[];
}

export interface ParsedIndex {
  kind: "index";
  mediaType: string;
  entries: Descriptor[];
}

/**
 * `contentType` is the header's value. `name` stands in messages. Throws ManifestError.
 * A document that is both an index and a manifest is refused: two readers could see two images in it.
 */
export function parseManifest(
  bytes: Uint8Array,
  contentType: string | null,
  name: string,
): ParsedManifest | ParsedIndex {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new ManifestError(`the manifest of ${name} is not JSON: ${(error as Error).message}`);
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new ManifestError(`the manifest of ${name} is not a JSON object`);
  }
  const fields = document as Record<string, unknown>;
  const mediaType = mediaTypeOf(fields, contentType, name);
  if (schema1Types.includes(mediaType) || fields.schemaVersion === 1) {
    throw new ManifestError(
      `${name} is in Docker's manifest version 2, schema 1, which is not supported any more: ` +
        "suggest its author to upgrade the image to the OCI format or Docker image manifest v2, schema 2",
    );
  }
  const isIndex = indexTypes.includes(mediaType);
  if (!isIndex && !manifestTypes.includes(mediaType)) throw new ManifestError(`unsupported media type ${mediaType}`);
  if (fields.schemaVersion !== 2) {
    throw new ManifestError(`the manifest of ${name} has schemaVersion ${JSON.stringify(fields.schemaVersion)}, not 2`);
  }
  const foreign = isIndex ? ["config", "layers", "fsLayers"] : ["manifests", "fsLayers"];
  const found = foreign.find((field) => fields[field] !== undefined && fields[field] !== null);
  if (found) throw new ManifestError(`the manifest of ${name} (${mediaType}) has a field of another kind: ${found}`);
  return isIndex ? parseIndex(fields, mediaType, name) : parseImage(fields, mediaType, name);
}

/** The header counts, and the document must not contradict it; generic types leave the word to the document. */
function mediaTypeOf(fields: Record<string, unknown>, contentType: string | null, name: string): string {
  const known = [...indexTypes, ...manifestTypes, ...schema1Types];
  const header = (contentType ?? "").split(";")[0]!.trim().toLowerCase();
  const inside = typeof fields.mediaType === "string" ? fields.mediaType : "";
  if (known.includes(header)) {
    if (inside !== "" && inside !== header && fields.schemaVersion !== 1) {
      throw new ManifestError(`the manifest of ${name} came as ${header} and says that it is ${clip(inside)}`);
    }
    return header;
  }
  const generic = header === "" || /^(?:application\/(?:json|octet-stream)|text\/plain)$/.test(header);
  if (!generic) return clip(header);
  if (inside !== "") return clip(inside);
  return Array.isArray(fields.manifests) ? mediaTypes.ociIndex : mediaTypes.ociManifest;
}

const clip = (text: string): string => printable(text, 120);

function parseImage(fields: Record<string, unknown>, mediaType: string, name: string): ParsedManifest {
  const config = parseDescriptor(fields.config, `the config of ${name}`);
  if (!configTypes.includes(config.mediaType)) {
    throw new ManifestError(
      `encountered remote ${JSON.stringify(clip(config.mediaType))}(unknown) when fetching ${name}`,
    );
  }
  const layers = parseList(fields.layers, maxLayers, `the layers of ${name}`);
  const strange = layers.find((layer) => !layerTypes.test(layer.mediaType));
  if (strange) throw new ManifestError(`unsupported media type ${clip(strange.mediaType)} (a layer of ${name})`);
  return { kind: "manifest", mediaType, config, layers };
}

const parseIndex = (fields: Record<string, unknown>, mediaType: string, name: string): ParsedIndex => ({
  kind: "index",
  mediaType,
  entries: parseList(fields.manifests, maxEntries, `the index of ${name}`),
});

function parseList(value: unknown, limit: number, what: string): Descriptor[] {
  if (!Array.isArray(value)) throw new ManifestError(`${what}: not a list`);
  if (value.length > limit) throw new ManifestError(`${what}: ${value.length} entries, at most ${limit} are taken`);
  return value.map((one, index) => parseDescriptor(one, `${what} (entry ${index})`));
}

function parseDescriptor(value: unknown, what: string): Descriptor {
  if (typeof value !== "object" || value === null) throw new ManifestError(`${what}: not a descriptor`);
  const { mediaType, digest, size, platform, annotations, urls } = value as Record<string, unknown>;
  if (!isDigest(digest))
    throw new ManifestError(`${what}: invalid digest ${clip(JSON.stringify(digest) ?? "undefined")}`);
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0) {
    throw new ManifestError(`${what}: invalid size ${clip(JSON.stringify(size) ?? "undefined")}`);
  }
  if (mediaType !== undefined && typeof mediaType !== "string") throw new ManifestError(`${what}: invalid mediaType`);
  const descriptor: Descriptor = { mediaType: mediaType ?? "", digest, size };
  const parsed = parsePlatform(platform);
  if (parsed) descriptor.platform = parsed;
  if (isTextMap(annotations)) descriptor.annotations = { ...annotations };
  if (Array.isArray(urls) && urls.every((url) => typeof url === "string")) descriptor.urls = urls;
  return descriptor;
}

const isTextMap = (value: unknown): value is Record<string, string> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  Object.values(value).every((one) => typeof one === "string");

function parsePlatform(value: unknown): Platform | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { os, architecture, variant, "os.version": version } = value as Record<string, unknown>;
  if (typeof os !== "string" || typeof architecture !== "string") return undefined;
  const platform: Platform = { os, architecture };
  if (typeof variant === "string" && variant !== "") platform.variant = variant;
  if (typeof version === "string" && version !== "") platform["os.version"] = version;
  return platform;
}

/** Attestations and other things that stand in an index beside images. */
const isImage = (entry: Descriptor): boolean =>
  (manifestTypes.includes(entry.mediaType) || indexTypes.includes(entry.mediaType)) &&
  entry.annotations?.["vnd.docker.reference.type"] === undefined &&
  !(entry.platform?.os === "unknown" && entry.platform.architecture === "unknown");

/**
 * The entries to try, best first: those for `platform`, then indexes and single images that name no platform.
 * Throws ManifestError with Docker's text and the platforms that there are.
 */
export function chooseEntries(index: ParsedIndex, platform: Platform, name: string): Descriptor[] {
  const images = index.entries.filter(isImage);
  const ranked = images.flatMap((entry, order) => {
    const rank = entry.platform ? rankPlatform(platform, entry.platform) : undefined;
    return rank === undefined ? [] : [{ entry, rank, order }];
  });
  ranked.sort((a, b) => a.rank - b.rank || a.order - b.order);
  const nameless = images.filter((entry) => !entry.platform);
  const chosen = [...ranked.map((one) => one.entry), ...nameless];
  if (chosen.length > 0) return chosen;
  throw new NoMatchError(
    platform,
    images.flatMap((entry) => (entry.platform ? [entry.platform] : [])),
    name,
  );
}

/** The index has nothing for the platform. */
export class NoMatchError extends ManifestError {
  constructor(wanted: Platform, there: Platform[], name: string) {
    const names = [...new Set(there.map((one) => clip(formatPlatform(one))))];
    const list = names.length === 0 ? "no platform" : names.slice(0, 32).join(", ");
    super(
      `no matching manifest for ${formatPlatform(wanted)} in the manifest list entries: ${name} is there for ${list}`,
    );
  }
}

export const isIndexType = (mediaType: string): boolean => indexTypes.includes(mediaType);
