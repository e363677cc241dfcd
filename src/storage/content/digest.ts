/** Digests (OCI image-spec, descriptor.md): computing them, and telling them from other text. */
import { createHash } from "node:crypto";
import type { Digest } from "./content.ts";

export const algorithms = ["sha256", "sha512"] as const;
export type Algorithm = (typeof algorithms)[number];

/** Whether it is a digest of an algorithm that we know, with as many lower-case hex digits as that has. */
export const isDigest = (text: unknown): text is Digest =>
  typeof text === "string" && /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/.test(text);

/** The algorithm that a digest names. */
export const algorithmOf = (digest: Digest): Algorithm => (digest.startsWith("sha512:") ? "sha512" : "sha256");

/** The bytes' digest, by the algorithm of the digest `like`; sha256 by default. */
export function digestOf(bytes: Uint8Array, like?: Digest): Digest {
  const algorithm = like === undefined ? "sha256" : algorithmOf(like);
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}
