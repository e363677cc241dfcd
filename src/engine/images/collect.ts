/** What no image needs any more goes: layers, blobs, documents. References decide, counted from the rows. */
import type { Digest } from "../../storage/content/content.ts";
import type { ImageRecord } from "./image.ts";
import type { PullParts } from "./pull.ts";

/**
 * Removes what `gone`, an image without a row, leaves without a reference. Returns the diff IDs of the layers removed,
 * topmost first.
 */
export async function collect(parts: PullParts, gone: Pick<ImageRecord, "layers" | "documents">): Promise<Digest[]> {
  const { layers: neededLayers, blobs: neededBlobs } = references(parts);
  const removed: Digest[] = [];
  const removeBlob = async (digest: Digest) => {
    if (!neededBlobs.has(digest)) await parts.leases.dropping(parts.content.remove(digest));
  };
  for (const layer of [...gone.layers].reverse()) {
    await removeBlob(layer.descriptor.digest);
    if (neededLayers.has(layer.diffId) || removed.includes(layer.diffId)) continue;
    await parts.layers.remove(layer.diffId);
    removed.push(layer.diffId);
  }
  for (const document of gone.documents) await removeBlob(document);
  return removed;
}

/** At start: whatever an unfinished pull or removal left. */
export async function sweepContent(parts: PullParts): Promise<{ layers: number; blobs: number }> {
  const needed = references(parts);
  let layers = 0;
  let blobs = 0;
  for (const diffId of parts.layers.list()) {
    if (needed.layers.has(diffId)) continue;
    await parts.layers.remove(diffId);
    layers++;
  }
  for (const digest of await parts.content.list()) {
    if (needed.blobs.has(digest)) continue;
    await parts.content.remove(digest);
    blobs++;
  }
  return { layers, blobs };
}

function references(parts: PullParts): { layers: { has(id: Digest): boolean }; blobs: { has(id: Digest): boolean } } {
  const layers = new Set<Digest>();
  const blobs = new Set<Digest>();
  for (const image of parts.store.all()) {
    for (const document of image.documents) blobs.add(document);
    for (const layer of image.layers) {
      layers.add(layer.diffId);
      blobs.add(layer.descriptor.digest);
    }
  }
  const withLeases = (set: Set<Digest>) => ({ has: (id: Digest) => set.has(id) || parts.leases.held(id) });
  return { layers: withLeases(layers), blobs: withLeases(blobs) };
}
