/**
 * Client of the OCI distribution protocol (distribution-spec 1.1): Docker Hub and every other registry.
 */
import type { Descriptor, Digest, Platform } from "../storage/content/content.ts";
import type { Reference } from "./reference/reference.ts";

export interface Credentials {
  username?: string;
  password?: string;
  identityToken?: string;
  registryToken?: string;
}

/** Something that answers HTTP requests: the network, or the hub inside this process. */
export type Transport = (request: Request, options: { signal?: AbortSignal }) => Promise<Response>;

export interface RegistryOptions {
  /** Of Docker Hub only, tried in order before it, as dockerd does. */
  mirrors: string[];
  /** `host`, `host:port` or CIDR: plain HTTP and unverified TLS allowed. Loopback addresses are always. */
  insecure: string[];
  /** Looks at the embedded hub when Docker Hub cannot be reached (`fallback`), instead of it (`only`), never (`off`). */
  hub?: { mode: "fallback" | "only"; transport: Transport };
  userAgent: string;
}

export interface ImageManifest {
  /** Where it came from: `registry`, a mirror's URL, or `embedded-hub`. */
  origin: "registry" | "embedded-hub" | { mirror: string };
  /** Digest of what the tag names (the index, if it is one): Docker's `Digest:` and RepoDigests. */
  digest: Digest;
  /** The raw documents to keep, index first when there is one; manifest last. */
  documents: { digest: Digest; mediaType: string; bytes: Uint8Array }[];
  manifest: { mediaType: string; digest: Digest; config: Descriptor; layers: Descriptor[] };
}

/** A registry's refusal or fault. `status` is the HTTP status that our API answers with. */
export class RegistryError extends Error {
  constructor(
    message: string,
    readonly kind: "not-found" | "denied" | "unauthorized" | "rate-limited" | "unreachable" | "invalid" | "other",
    readonly status: number,
  ) {
    super(message);
  }
}

export interface Registry {
  /** Finds the manifest for `platform`, walking an index. Verified against the digests on the way. */
  resolve(
    reference: Reference,
    platform: Platform,
    options?: { credentials?: Credentials; signal?: AbortSignal; onNotice?: (message: string) => void },
  ): Promise<ImageManifest>;
  /**
   * The blob's bytes from wherever `image` came from; goes on by Range after a cut, bounded retries.
   * Ends with an error when there are more or fewer bytes than `descriptor.size`. The caller verifies the digest.
   */
  blob(
    reference: Reference,
    image: ImageManifest,
    descriptor: Descriptor,
    options?: { credentials?: Credentials; signal?: AbortSignal },
  ): ReadableStream<Uint8Array>;
}
