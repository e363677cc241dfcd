/** The registry client, put together: endpoints in order, the way through an index, the embedded hub behind them. */
import { createHash } from "node:crypto";
import type { Descriptor, Digest, Platform } from "../storage/content/content.ts";
import { createAuthorizer } from "./auth/authorizer.ts";
import { createTokens } from "./auth/tokens.ts";
import { blobStream } from "./blob.ts";
import { checkMirrors, type Endpoint, embeddedEndpoint, endpointsOf, nameOf } from "./endpoint.ts";
import { invalidAnswer, pulling, RegistryError, refusal } from "./errors.ts";
import { createFallback } from "./fallback.ts";
import { createClient } from "./http/client.ts";
import {
  acceptHeader,
  chooseEntries,
  isIndexType,
  ManifestError,
  maxManifest,
  NoMatchError,
  parseManifest,
} from "./manifest.ts";
import { isDigest } from "./reference/digest.ts";
import { canonicalString, familiarString, type Reference, withDefaultTag } from "./reference/reference.ts";
import type { ImageManifest, Limits, Registry, RegistryOptions } from "./registry.ts";
import { type Asked, createRequester, UnreachableError } from "./request.ts";
import { listTags } from "./tags.ts";
import { createTokenFetch } from "./token-fetch.ts";

const defaultLimits: Limits = {
  reach: 3_000,
  connect: 15_000,
  tls: 10_000,
  idle: 60_000,
  document: 120_000,
  retries: 4,
  backoff: 250,
  retryAfter: 60_000,
  unreachable: 5_000,
};

const defaultCertificates = "/etc/docker/certs.d";
/** Indexes in indexes: nobody needs more, and a ring ends. */
const maxDepth = 3;
const maxRefusal = 64 << 10;

/** Throws on mirrors that are not addresses. Makes no connection before it is asked for something. */
export function createRegistry(options: RegistryOptions): Registry {
  checkMirrors(options.mirrors);
  const limits: Limits = { ...defaultLimits, ...options.limits };
  const client = createClient({
    userAgent: options.userAgent,
    timeouts: { connect: limits.connect, tls: limits.tls, idle: limits.idle },
    certificates: options.certificates ?? defaultCertificates,
    ...(options.proxy ? { proxy: options.proxy } : {}),
  });
  const tokens = createTokens(createTokenFetch(client, limits));
  const requester = createRequester(client, createAuthorizer(tokens), limits, options.hub?.transport);
  const fallback = createFallback(options.hub, requester, limits);

  return {
    async resolve(reference, platform, asked = {}) {
      const tagged = withDefaultTag(reference);
      const { credentials, signal, onNotice } = asked;
      const endpoints = await endpointsOf(tagged.domain, options);
      const at = (endpoint: Endpoint, connectTimeout?: number) => {
        const where = { reference: tagged, endpoint, path: "", ...(credentials ? { credentials } : {}) };
        return resolveAt(connectTimeout === undefined ? where : { ...where, connectTimeout }, platform, signal);
      };
      if (endpoints[0]?.embedded) {
        const image = await at(endpoints[0]);
        onNotice?.(fallback.notice(tagged, undefined));
        return image;
      }
      const serves = await fallback.serves(tagged, signal);
      const remembered = serves ? fallback.remembered() : undefined;
      if (remembered === undefined) {
        try {
          return await firstOf(endpoints, (endpoint) => at(endpoint, serves ? limits.reach : undefined));
        } catch (error) {
          if (!serves || !(error instanceof UnreachableError)) throw error;
          fallback.remember(error.reason);
        }
      }
      const image = await at(embeddedEndpoint());
      onNotice?.(fallback.notice(tagged, fallback.remembered() ?? "unreachable"));
      return image;
    },
    async tags(reference, { credentials, signal } = {}) {
      const more = { ...(credentials ? { credentials } : {}), ...(signal ? { signal } : {}) };
      const endpoints = await endpointsOf(reference.domain, options);
      return firstOf(endpoints, (endpoint) => listTags(requester, { reference, endpoint, ...more }));
    },
    blob(reference, image, descriptor, asked = {}) {
      const { credentials, signal } = asked;
      return blobStream(
        {
          reference: withDefaultTag(reference),
          descriptor,
          endpoints: () => endpointsFor(reference, image),
          ...(credentials ? { credentials } : {}),
          ...(signal ? { signal } : {}),
        },
        requester,
        limits,
      );
    },
  };

  /** Where the image came from, then the others of its domain. */
  async function endpointsFor(reference: Reference, image: ImageManifest): Promise<Endpoint[]> {
    const { origin } = image;
    if (origin === "embedded-hub") return [embeddedEndpoint()];
    const all = await endpointsOf(reference.domain, options);
    const isOrigin = (endpoint: Endpoint) =>
      typeof origin === "string" || typeof endpoint.origin === "string"
        ? endpoint.origin === origin
        : endpoint.origin.mirror === origin.mirror;
    return [...all.filter(isOrigin), ...all.filter((endpoint) => !isOrigin(endpoint))];
  }

  /** A mirror that fails, whatever it says, gives way to the next; the registry itself has the last word. */
  async function firstOf<T>(endpoints: Endpoint[], work: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    for (const endpoint of endpoints) {
      try {
        return await work(endpoint);
      } catch (error) {
        if (!endpoint.mirror || !(error instanceof RegistryError)) throw error;
      }
    }
    throw new Error("there is no endpoint");
  }

  async function resolveAt(asked: Asked, platform: Platform, signal?: AbortSignal): Promise<ImageManifest> {
    const { reference, endpoint } = asked;
    const where = nameOf(endpoint);
    // All requests of one look-up together end in bounded time.
    const deadline = AbortSignal.timeout(limits.document);
    try {
      return await walk({ ...asked, signal: signal ? AbortSignal.any([signal, deadline]) : deadline }, platform);
    } catch (error) {
      if (error instanceof NoMatchError) throw new RegistryError(error.message, "not-found", 404);
      if (error instanceof ManifestError) throw invalidAnswer(error.message, reference, where);
      if (!signal?.aborted && deadline.aborted) {
        const message = `Get "${endpoint.url.origin}/v2/": no whole answer within ${limits.document / 1000} s`;
        throw new RegistryError(`${message}${pulling(reference, where)}`, "other", 500);
      }
      throw error;
    }
  }

  async function walk(asked: Asked, platform: Platform): Promise<ImageManifest> {
    const { reference } = asked;
    const name = canonicalString(reference);
    const documents: ImageManifest["documents"] = [];
    let next: { target: string; descriptor?: Descriptor } = { target: reference.digest ?? reference.tag! };
    for (let depth = 0; depth <= maxDepth; depth++) {
      const { bytes, digest, contentType } = await fetchDocument(asked, next.target, next.descriptor);
      const parsed = parseManifest(bytes, next.descriptor?.mediaType || contentType, name);
      documents.push({ digest, mediaType: parsed.mediaType, bytes });
      if (parsed.kind === "manifest") {
        const { mediaType, config, layers } = parsed;
        const top = documents[0]!.digest;
        return {
          origin: asked.endpoint.origin,
          digest: top,
          documents,
          manifest: { mediaType, digest, config, layers },
        };
      }
      const entries = chooseEntries(parsed, platform, familiarString(reference));
      const chosen = entries[0]!;
      next = { target: chosen.digest, descriptor: chosen };
      if (isIndexType(chosen.mediaType) && depth === maxDepth) break;
    }
    throw new ManifestError(`the index of ${name} holds indexes more than ${maxDepth} deep`);
  }

  /** One document, verified: against what names it, or (by tag) against what the registry says of it. */
  async function fetchDocument(
    base: Asked,
    target: string,
    descriptor: Descriptor | undefined,
  ): Promise<{ bytes: Uint8Array; digest: Digest; contentType: string | null }> {
    const { reference, endpoint } = base;
    const where = nameOf(endpoint);
    const asked: Asked = { ...base, path: `manifests/${target}`, headers: { Accept: acceptHeader } };
    if (descriptor && descriptor.size > maxManifest) {
      throw invalidAnswer(
        `the manifest ${descriptor.digest} is ${descriptor.size} bytes long, at most ${maxManifest} are read`,
        reference,
        where,
      );
    }
    const answer = await requester.ask(asked);
    if (answer.status !== 200) {
      const body = await requester.read(answer, maxRefusal, asked).catch(() => new Uint8Array(0));
      throw refusal(answer, body, reference, where, true);
    }
    const bytes = await requester.read(answer, maxManifest, asked);
    const header = answer.headers.get("docker-content-digest");
    const expected = isDigest(target) ? target : isDigest(header) ? header : undefined;
    const digest = digestOf(bytes, expected?.startsWith("sha512:") ? "sha512" : "sha256");
    if (expected !== undefined && digest !== expected) {
      throw invalidAnswer(
        `manifest verification failed for digest ${expected}: its bytes have ${digest}`,
        reference,
        where,
      );
    }
    if (descriptor && descriptor.size !== bytes.length) {
      throw invalidAnswer(
        `the manifest ${descriptor.digest} has ${bytes.length} bytes, its index says ${descriptor.size}`,
        reference,
        where,
      );
    }
    return { bytes, digest, contentType: answer.headers.get("content-type") };
  }
}

const digestOf = (bytes: Uint8Array, algorithm: "sha256" | "sha512"): Digest =>
  `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
