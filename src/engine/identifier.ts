/** IDs and the prefixes of them that users type. */
import { randomBytes } from "node:crypto";

/** 64 hex digits; never all digits in its short form, which would read as a number (Docker's rule). */
export function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString("hex");
    if (!/^\d{12}/.test(id)) return id;
  }
}

export const shortId = (id: string): string => id.replace(/^sha256:/, "").slice(0, 12);

/** What a prefix names: one entry, none, or several. */
export type Match<T> = { found: T } | "none" | "ambiguous";

/** Looks `prefix` up among `ids` (hex). An empty prefix matches none. */
export function matchPrefix<T>(entries: Iterable<[id: string, value: T]>, prefix: string): Match<T> {
  if (!/^[0-9a-f]+$/.test(prefix)) return "none";
  let found: { found: T } | undefined;
  for (const [id, value] of entries) {
    if (!id.startsWith(prefix)) continue;
    if (id === prefix) return { found: value };
    if (found) return "ambiguous";
    found = { found: value };
  }
  return found ?? "none";
}
