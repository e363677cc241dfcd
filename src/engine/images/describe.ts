/** Images in the shapes of the Engine API. */
import type { HistoryResponseItem, ImageInspect, ImageSummary } from "@docker/node-sdk";
import { familiarString, parseReference } from "../../registry/reference/reference.ts";
import { unixSeconds, zeroTime } from "../clock.ts";
import type { Filters } from "../engine.ts";
import { booleanFilter, checkFilters, globMatches, labelsMatch, readTime } from "../filters.ts";
import { findImage } from "./find.ts";
import type { ImageRecord } from "./image.ts";
import type { ImagesParts } from "./images.ts";

/** Where an image of ours says that it is not the official one. */
export const originLabel = "io.gantry.origin";

export function labelsOf(image: ImageRecord): Record<string, string> {
  const labels = { ...image.config.Labels };
  if (image.origin === "embedded-hub") labels[originLabel] = "embedded-hub";
  return labels;
}

const familiar = (name: string): string => familiarString(parseReference(name));

export function describeImage(parts: ImagesParts, image: ImageRecord): ImageInspect & { Origin: string } {
  const labels = labelsOf(image);
  const { config } = image;
  return {
    Id: image.id,
    RepoTags: parts.store.tagsOf(image.id).map(familiar),
    RepoDigests: parts.store.digestsOf(image.id).map(familiar),
    Parent: "",
    Comment: image.history.at(-1)?.comment ?? "",
    Created: image.created || zeroTime,
    DockerVersion: "",
    Author: image.author,
    Config: {
      Hostname: "",
      Domainname: "",
      User: "",
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: false,
      Tty: false,
      OpenStdin: false,
      StdinOnce: false,
      Image: "",
      ...config,
      Env: config.Env ?? null,
      Cmd: config.Cmd ?? null,
      Entrypoint: config.Entrypoint ?? null,
      Volumes: config.Volumes ?? null,
      WorkingDir: config.WorkingDir ?? "",
      OnBuild: config.OnBuild ?? null,
      Labels: Object.keys(labels).length > 0 ? labels : null,
    } as unknown as ImageInspect["Config"],
    Architecture: image.platform.architecture,
    ...(image.platform.variant ? { Variant: image.platform.variant } : {}),
    Os: image.platform.os,
    Size: image.size,
    GraphDriver: { Name: "overlay2", Data: {} },
    RootFS: { Type: "layers", Layers: image.layers.map((layer) => layer.diffId) },
    Metadata: { LastTagTime: image.lastTagged || zeroTime },
    Origin: image.origin,
  } as unknown as ImageInspect & { Origin: string };
}

export function describeHistory(parts: ImagesParts, image: ImageRecord): HistoryResponseItem[] {
  const sizes = image.layers.map((layer) => parts.layers.size(layer.diffId));
  const entries = image.history.map((entry) => ({
    Id: "<missing>",
    Created: entry.created ? unixSeconds(entry.created) : 0,
    CreatedBy: entry.created_by ?? "",
    Tags: null as string[] | null,
    Size: entry.empty_layer ? 0 : (sizes.shift() ?? 0),
    Comment: entry.comment ?? "",
  }));
  entries.reverse();
  const first = entries[0];
  if (first) {
    first.Id = image.id;
    const tags = parts.store.tagsOf(image.id).map(familiar);
    first.Tags = tags.length > 0 ? tags : null;
  }
  return entries as HistoryResponseItem[];
}

const filterNames = ["dangling", "label", "label!", "before", "since", "until", "reference"];

export function listImages(
  parts: ImagesParts,
  options: { all: boolean; filters: Filters; digests: boolean },
): ImageSummary[] {
  const { filters } = options;
  checkFilters(filters, filterNames);
  const keep = imageFilter(parts, filters);
  const patterns = filters.get("reference") ?? [];
  const summaries: ImageSummary[] = [];
  for (const image of parts.store.all()) {
    if (!keep(image)) continue;
    let tags = parts.store.tagsOf(image.id).map(familiar);
    let digests = parts.store.digestsOf(image.id).map(familiar);
    if (patterns.length > 0) {
      tags = tags.filter((tag) => patterns.some((pattern) => referenceMatches(pattern, tag)));
      digests = digests.filter((one) => patterns.some((pattern) => referenceMatches(pattern, one)));
      if (tags.length === 0 && digests.length === 0) continue;
    }
    const labels = labelsOf(image);
    summaries.push({
      Id: image.id,
      ParentId: "",
      RepoTags: tags,
      RepoDigests: digests,
      Created: image.created ? unixSeconds(image.created) : 0,
      Size: image.size,
      SharedSize: -1,
      Labels: (Object.keys(labels).length > 0 ? labels : null) as unknown as Record<string, string>,
      // Not counted, in Docker's words.
      Containers: -1,
    } as ImageSummary);
  }
  return summaries.sort((a, b) => b.Created - a.Created);
}

/** The filters on an image itself, `reference` excepted. */
export function imageFilter(parts: ImagesParts, filters: Filters): (image: ImageRecord) => boolean {
  const dangling = booleanFilter(filters, "dangling");
  const created = (image: ImageRecord) => (image.created ? Date.parse(image.created) : 0);
  const bound = (key: string) => filters.get(key)?.map((ref) => created(findImage(parts.store, ref).image));
  const before = bound("before");
  const since = bound("since");
  const until = filters.get("until")?.map((text) => readTime(text) * 1000);
  return (image) => {
    if (dangling !== undefined && (parts.store.tagsOf(image.id).length === 0) !== dangling) return false;
    if (!labelsMatch(filters, labelsOf(image))) return false;
    const time = created(image);
    if (before?.some((bound) => time >= bound)) return false;
    if (since?.some((bound) => time <= bound)) return false;
    return !until?.some((bound) => time >= bound);
  };
}

/** `redis` or `redis:7*` against a familiar name with its tag. */
function referenceMatches(pattern: string, name: string): boolean {
  const repository = name.includes("@") ? name.slice(0, name.indexOf("@")) : name.slice(0, name.lastIndexOf(":"));
  return globMatches(pattern, name) || globMatches(pattern, repository);
}
