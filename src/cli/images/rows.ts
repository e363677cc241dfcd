/** The rows of `images`: one for each tag, and one for an image without any. */
import type { ImageSummary } from "@docker/node-sdk";

export interface ImageRow {
  repository: string;
  tag: string;
  digest: string;
  image: ImageSummary;
}

const none = "<none>";

export function imageRows(images: readonly ImageSummary[], digests: boolean): ImageRow[] {
  return images.flatMap((image) => {
    const tags = group(image.RepoTags, ":");
    const sums = group(image.RepoDigests, "@");
    if (tags.size === 0 && sums.size === 0) return [{ repository: none, tag: none, digest: none, image }];
    const rows: ImageRow[] = [];
    for (const [repository, names] of tags) {
      const own = digests ? (sums.get(repository) ?? []) : [];
      sums.delete(repository);
      for (const tag of names) {
        if (own.length === 0) rows.push({ repository, tag, digest: none, image });
        for (const digest of own) rows.push({ repository, tag, digest, image });
      }
    }
    for (const [repository, own] of sums) {
      if (!digests) rows.push({ repository, tag: none, digest: none, image });
      else for (const digest of own) rows.push({ repository, tag: none, digest, image });
    }
    return rows;
  });
}

/** The parts behind the last separator, by what is before it. */
function group(names: readonly string[] | null | undefined, separator: string): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const name of names ?? []) {
    const at = name.lastIndexOf(separator);
    if (at < 0) continue;
    const key = name.slice(0, at);
    groups.set(key, [...(groups.get(key) ?? []), name.slice(at + 1)]);
  }
  return groups;
}
