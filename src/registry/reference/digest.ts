/** Digests as text (OCI image-spec, descriptor.md, "Digests"). */
import type { Digest } from "../../storage/content/content.ts";

const lengths: Record<string, number> = { sha256: 64, sha512: 128 };

/** `sha256:` or `sha512:` and as many small hex digits as the algorithm makes. */
export const isDigest = (text: unknown): text is Digest =>
  typeof text === "string" && /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/.test(text);

/** Throws with the texts of the go-digest library, which Docker's clients know. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  if (!/^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/.test(text)) throw new Error("invalid checksum digest format");
  const [algorithm = "", hex = ""] = text.split(":", 2);
  const length = lengths[algorithm];
  if (length === undefined) throw new Error("unsupported digest algorithm");
  throw new Error(hex.length === length ? "invalid checksum digest format" : "invalid checksum digest length");
}
