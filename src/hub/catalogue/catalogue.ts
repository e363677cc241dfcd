/** What a hub has: repositories with their tags, manifests and blobs. */
import type { Digest } from "../../storage/content/content.ts";

export interface Document {
  digest: Digest;
  mediaType: string;
  bytes: Uint8Array;
}

export interface Catalogue {
  /** undefined: there is no such repository (`library/redis`). */
  tags(name: string): string[] | undefined;
  /** By tag or digest. */
  manifest(name: string, target: string): Document | undefined;
  blob(name: string, digest: string): Uint8Array | undefined;
}

/** One image for several platforms. */
export interface CatalogueImage {
  /** `library/hello-world` */
  name: string;
  tags: string[];
  index: Document;
  manifests: Document[];
  blobs: Document[];
}

/** Images are made when somebody first asks for their repository. */
export function createCatalogue(images: Record<string, () => CatalogueImage>): Catalogue {
  const made = new Map<string, CatalogueImage>();
  const find = (name: string): CatalogueImage | undefined => {
    if (!Object.hasOwn(images, name)) return undefined;
    const image = made.get(name) ?? images[name]!();
    made.set(name, image);
    return image;
  };
  return {
    tags: (name) => find(name)?.tags,
    manifest(name, target) {
      const image = find(name);
      if (image?.tags.includes(target)) return image.index;
      return [image?.index, ...(image?.manifests ?? [])].find((one) => one?.digest === target);
    },
    blob: (name, digest) => find(name)?.blobs.find((one) => one.digest === digest)?.bytes,
  };
}
