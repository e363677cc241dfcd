/** Rows of images, tags and repository digests. Every change is one transaction. */

import type { Digest } from "../../storage/content/content.ts";
import type { Database } from "../../storage/database/database.ts";
import { matchPrefix } from "../identifier.ts";
import type { ImageRecord } from "./image.ts";

export interface ImageStore {
  all(): ImageRecord[];
  get(id: Digest): ImageRecord | undefined;
  /** By a tag's canonical name, `docker.io/library/redis:latest`. */
  byTag(name: string): ImageRecord | undefined;
  /** By a repository digest, `docker.io/library/redis@sha256:…` (of index or manifest). */
  byDigest(name: string): ImageRecord | undefined;
  /** By an ID or a prefix of one, with or without `sha256:`. */
  byId(prefix: string): { found: ImageRecord } | "none" | "ambiguous";
  tagsOf(id: Digest): string[];
  digestsOf(id: Digest): string[];
  /** Keeps an image (or keeps it anew) with what names it. Names that pointed elsewhere point here now. */
  put(image: ImageRecord, names: { tags: string[]; digests: string[] }): void;
  tag(id: Digest, name: string, at: string): void;
  /** Removes names; they need not be there. */
  untag(names: string[]): void;
  /** Removes the image and whatever names it. */
  remove(id: Digest): void;
}

export function createImageStore(database: Database): ImageStore {
  const images = new Map<Digest, ImageRecord>();
  const tags = new Map<string, Digest>();
  const digests = new Map<string, Digest>();
  for (const row of database.query("SELECT record FROM images").all() as { record: string }[]) {
    const image = JSON.parse(row.record) as ImageRecord;
    images.set(image.id, image);
  }
  type NameRow = { name: string; image: Digest };
  for (const row of database.query("SELECT name, image FROM tags").all() as NameRow[]) tags.set(row.name, row.image);
  for (const row of database.query("SELECT name, image FROM digests").all() as NameRow[])
    digests.set(row.name, row.image);

  const putImage = database.prepare("INSERT OR REPLACE INTO images (id, record) VALUES (?, ?)");
  const updateImage = database.prepare("UPDATE images SET record = ? WHERE id = ?");
  const putTag = database.prepare("INSERT OR REPLACE INTO tags (name, image) VALUES (?, ?)");
  const putDigest = database.prepare("INSERT OR REPLACE INTO digests (name, image) VALUES (?, ?)");
  const dropTag = database.prepare("DELETE FROM tags WHERE name = ?");
  const dropDigest = database.prepare("DELETE FROM digests WHERE name = ?");
  const dropImage = database.prepare("DELETE FROM images WHERE id = ?");

  const named = (names: Map<string, Digest>, id: Digest) =>
    [...names]
      .filter(([, image]) => image === id)
      .map(([name]) => name)
      .sort();

  return {
    all: () => [...images.values()],
    get: (id) => images.get(id),
    byTag: (name) => images.get(tags.get(name) as Digest),
    byDigest: (name) => images.get(digests.get(name) as Digest),
    byId: (prefix) =>
      matchPrefix(
        [...images].map(([id, image]): [string, ImageRecord] => [id.slice("sha256:".length), image]),
        prefix.replace(/^sha256:/, ""),
      ),
    tagsOf: (id) => named(tags, id),
    digestsOf: (id) => named(digests, id),
    put(image, names) {
      database.transaction(() => {
        // INSERT OR REPLACE would delete the row that tags refer to.
        if (images.has(image.id)) updateImage.run(JSON.stringify(image), image.id);
        else putImage.run(image.id, JSON.stringify(image));
        for (const name of names.tags) putTag.run(name, image.id);
        for (const name of names.digests) putDigest.run(name, image.id);
      })();
      images.set(image.id, image);
      for (const name of names.tags) tags.set(name, image.id);
      for (const name of names.digests) digests.set(name, image.id);
    },
    tag(id, name, at) {
      const image = { ...images.get(id)!, lastTagged: at };
      database.transaction(() => {
        putTag.run(name, id);
        updateImage.run(JSON.stringify(image), id);
      })();
      images.set(id, image);
      tags.set(name, id);
    },
    untag(names) {
      database.transaction(() => {
        for (const name of names) {
          dropTag.run(name);
          dropDigest.run(name);
        }
      })();
      for (const name of names) {
        tags.delete(name);
        digests.delete(name);
      }
    },
    remove(id) {
      const names = [...named(tags, id), ...named(digests, id)];
      database.transaction(() => {
        for (const name of names) {
          dropTag.run(name);
          dropDigest.run(name);
        }
        dropImage.run(id);
      })();
      for (const name of names) {
        tags.delete(name);
        digests.delete(name);
      }
      images.delete(id);
    },
  };
}
