/**
 * Image references: the grammar of the distribution project (reference/reference.go names its rules) with Docker's
 * defaults: `redis` is `docker.io/library/redis`.
 */
import type { Digest } from "../../storage/content/content.ts";
import { parseDigest } from "./digest.ts";

export { isDigest, parseDigest } from "./digest.ts";
export { formatPlatform, matchPlatform, normalizePlatform, rankPlatform } from "./platform.ts";

export interface Reference {
  /** `docker.io`, `localhost:5000`, … */
  domain: string;
  /** `library/redis` */
  path: string;
  tag?: string;
  digest?: Digest;
}

/** What a user typed is not a reference; the message is Docker's, which clients show. */
export class InvalidReferenceError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "InvalidReferenceError";
  }
}

const defaultDomain = "docker.io";
const legacyDomain = "index.docker.io";
const officialPrefix = "library/";
/** distribution's RepositoryNameTotalLengthMax: counts the path, not the domain. */
const maxPath = 255;
/** No reference can be longer (domain 253 and port, path, tag, digest), so longer text is not even looked at. */
const maxText = 4096;

const component = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const domainPattern = new RegExp(`^(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const pathPattern = new RegExp(`^${component}(?:/${component})*$`);
const tagPattern = /^\w[\w.-]{0,127}$/;
const identifierPattern = /^[a-f0-9]{64}$/;

/**
 * Parses what a user types: `redis`, `redis:7`, `localhost:5000/a/b@sha256:…`. Tag and digest are kept as they are
 * written, both when there are both; none is added. Throws InvalidReferenceError with Docker's text.
 */
export function parseReference(text: string): Reference {
  if (identifierPattern.test(text)) {
    throw new InvalidReferenceError(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  if (text.length > maxText) throw invalidFormat();
  const { domain, remainder } = splitDomain(text);
  const colon = remainder.indexOf(":");
  const repository = colon < 0 ? remainder : remainder.slice(0, colon);
  if (repository !== repository.toLowerCase()) {
    throw new InvalidReferenceError(`invalid reference format: repository name (${repository}) must be lowercase`);
  }
  const { path, tag, digest } = splitRemainder(remainder);
  if (!domainPattern.test(domain) || !pathPattern.test(path)) throw invalidFormat();
  if (tag !== undefined && !tagPattern.test(tag)) throw invalidFormat();
  if (digest !== undefined && !/^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/.test(digest)) {
    throw invalidFormat();
  }
  if (path.length > maxPath) {
    throw new InvalidReferenceError(`repository name must not be more than ${maxPath} characters`);
  }
  const reference: Reference = { domain, path };
  if (tag !== undefined) reference.tag = tag;
  if (digest !== undefined) reference.digest = digestOf(digest);
  return reference;
}

const invalidFormat = () => new InvalidReferenceError("invalid reference format");

function digestOf(text: string): Digest {
  try {
    return parseDigest(text);
  } catch (error) {
    throw new InvalidReferenceError((error as Error).message);
  }
}

/** A first part is a host when it holds a dot, a colon or a capital, or is `localhost`: else it is a part of the path. */
function splitDomain(text: string): { domain: string; remainder: string } {
  const slash = text.indexOf("/");
  const first = text.slice(0, slash);
  const isHost = slash >= 0 && (/[.:]/.test(first) || first === "localhost" || first.toLowerCase() !== first);
  let domain = isHost ? first : defaultDomain;
  let remainder = isHost ? text.slice(slash + 1) : text;
  if (domain === legacyDomain) domain = defaultDomain;
  if (domain === defaultDomain && !remainder.includes("/")) remainder = officialPrefix + remainder;
  return { domain, remainder };
}

/** A tag cannot hold `/`, `:` or `@`, a path neither `:` nor `@`: so the first of each decides. */
function splitRemainder(remainder: string): { path: string; tag?: string; digest?: string } {
  const at = remainder.indexOf("@");
  const name = at < 0 ? remainder : remainder.slice(0, at);
  const colon = name.indexOf(":");
  return {
    path: colon < 0 ? name : name.slice(0, colon),
    ...(colon < 0 ? {} : { tag: name.slice(colon + 1) }),
    ...(at < 0 ? {} : { digest: remainder.slice(at + 1) }),
  };
}

/** The name as Docker shows it: `redis` for `docker.io/library/redis`, `a/b` for `docker.io/a/b`, others with their domain. */
export function familiarName(reference: Reference): string {
  if (reference.domain !== defaultDomain) return `${reference.domain}/${reference.path}`;
  const official = reference.path.startsWith(officialPrefix) ? reference.path.slice(officialPrefix.length) : "";
  return official !== "" && !official.includes("/") ? official : reference.path;
}

/** familiarName with the tag and digest that the reference has. */
export const familiarString = (reference: Reference): string => familiarName(reference) + suffix(reference);

/** `docker.io/library/redis:7`: the whole name, with the tag and digest that the reference has. */
export const canonicalString = (reference: Reference): string =>
  `${reference.domain}/${reference.path}${suffix(reference)}`;

/** With `latest` when it has neither tag nor digest. */
export const withDefaultTag = (reference: Reference): Reference =>
  reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: "latest" } : reference;

const suffix = (reference: Reference): string =>
  (reference.tag === undefined ? "" : `:${reference.tag}`) +
  (reference.digest === undefined ? "" : `@${reference.digest}`);
