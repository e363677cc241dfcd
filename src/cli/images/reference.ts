/** Image references as the client shows and sends them. The grammar is the registry's: one for the whole product. */
import type { Reference } from "../../registry/reference/reference.ts";

export {
  canonicalString,
  familiarName,
  familiarString,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../registry/reference/reference.ts";

/** `docker.io/library/redis`: without tag and digest. */
export const fullName = ({ domain, path }: Reference): string => `${domain}/${path}`;

/** A whole identifier is no name: it is looked up as it is, and nothing can be pulled for it. */
export const isIdentifier = (text: string): boolean => /^(?:sha256:)?[a-f0-9]{64}$/.test(text);
