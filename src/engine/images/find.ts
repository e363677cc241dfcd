/** Which image a user means by a name, a digest or the beginning of an ID. */
import { familiarString, parseReference, type Reference } from "../../registry/reference/reference.ts";
import { type EngineError, invalid, notFound } from "../errors.ts";
import type { ImageRecord } from "./image.ts";
import type { ImageStore } from "./store.ts";

/** `docker.io/library/redis:latest`: the name under which a tag is kept. */
export const tagName = (reference: Reference): string =>
  `${reference.domain}/${reference.path}:${reference.tag ?? "latest"}`;

/** `docker.io/library/redis@sha256:…`: the name under which a repository digest is kept. */
export const digestName = (reference: Reference, digest: string): string =>
  `${reference.domain}/${reference.path}@${digest}`;

export interface Found {
  image: ImageRecord;
  /** The tag or digest name that the user gave; undefined when it was an ID. */
  name: string | undefined;
}

/** Throws 404 `No such image: …`, or 400 when an ID's beginning fits several. */
export function findImage(store: ImageStore, text: string): Found {
  const reference = parseOrUndefined(text);
  if (reference) {
    const name = reference.digest ? digestName(reference, reference.digest) : tagName(reference);
    const image = reference.digest ? store.byDigest(name) : store.byTag(name);
    if (image) return { image, name };
  }
  const match = store.byId(text);
  if (match === "ambiguous")
    throw invalid(`multiple images match the ID prefix ${JSON.stringify(text)}: give more digits`);
  if (match !== "none") return { image: match.found, name: undefined };
  if (!reference) throw invalid(`invalid reference format: ${JSON.stringify(text)}`);
  throw noSuchImage(text, reference);
}

/** Docker's text, which clients parse to decide on a pull. */
export function noSuchImage(text: string, reference?: Reference): EngineError {
  if (!reference) return notFound(`No such image: ${text}`);
  const tagged = reference.tag || reference.digest ? reference : { ...reference, tag: "latest" };
  return notFound(`No such image: ${familiarString(tagged)}`);
}

function parseOrUndefined(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch {
    return undefined;
  }
}
