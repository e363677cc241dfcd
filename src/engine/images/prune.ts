/** `docker image prune`: what no container uses and no tag names; with `dangling=false` tagged ones too. */
import type { ImageDeleteResponseItem, ImagePruneResponse } from "@docker/node-sdk";
import type { Filters } from "../engine.ts";
import { booleanFilter, checkFilters } from "../filters.ts";
import { imageFilter } from "./describe.ts";
import type { ImageRecord } from "./image.ts";
import type { ImagesParts } from "./images.ts";

interface Actions {
  untag(image: ImageRecord, names: string[], answer: ImageDeleteResponseItem[]): void;
  destroy(image: ImageRecord, answer: ImageDeleteResponseItem[]): Promise<void>;
}

export async function pruneImages(parts: ImagesParts, filters: Filters, actions: Actions): Promise<ImagePruneResponse> {
  checkFilters(filters, ["dangling", "label", "label!", "until"]);
  const danglingOnly = booleanFilter(filters, "dangling") ?? true;
  const rest: Filters = new Map([...filters].filter(([key]) => key !== "dangling"));
  const keep = imageFilter(parts, rest);
  const deleted: ImageDeleteResponseItem[] = [];
  let reclaimed = 0;
  for (const image of parts.store.all()) {
    const tags = parts.store.tagsOf(image.id);
    if ((danglingOnly && tags.length > 0) || !keep(image) || parts.users(image).length > 0) continue;
    const before = image.layers.map((layer) => ({ id: layer.diffId, size: parts.layers.size(layer.diffId) }));
    actions.untag(image, [...tags, ...parts.store.digestsOf(image.id)], deleted);
    await actions.destroy(image, deleted);
    for (const layer of before) if (!parts.layers.has(layer.id)) reclaimed += layer.size;
  }
  parts.events.emit("image", "prune", "", { reclaimed: String(reclaimed) });
  return {
    ImagesDeleted: (deleted.length > 0 ? deleted : null) as ImageDeleteResponseItem[],
    SpaceReclaimed: reclaimed,
  };
}
