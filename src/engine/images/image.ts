/** An image as the engine keeps it: one row of the state database, its documents and layers in the stores. */
import type { ImageConfig } from "@docker/node-sdk";
import type { Descriptor, Digest, Platform } from "../../storage/content/content.ts";

export interface ImageLayer {
  /** The compressed blob, as the registry has it. */
  descriptor: Descriptor;
  diffId: Digest;
}

export interface ImageRecord {
  /** Digest of the config document: Docker's image ID. */
  id: Digest;
  /** Digest of the manifest, which names config and layers. */
  manifest: Digest;
  /** Every document kept in the content store for this image: index, manifest, config. */
  documents: Digest[];
  layers: ImageLayer[];
  platform: Platform;
  /** RFC 3339, from the config; "" when it has none. */
  created: string;
  author: string;
  config: ImageConfig;
  history: { created?: string; created_by?: string; comment?: string; author?: string; empty_layer?: boolean }[];
  /** Bytes on disk of the unpacked layers. */
  size: number;
  /** When the image came here, or was tagged last. RFC 3339. */
  lastTagged: string;
  /** Where it came from: shown by `images` and `inspect`, so that an image of our hub is never taken for the official one. */
  origin: "registry" | "embedded-hub";
}
