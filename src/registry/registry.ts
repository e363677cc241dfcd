/**
 * Client of the OCI distribution protocol (distribution-spec 1.1): Docker Hub and every other registry.
 */
import type { Descriptor, Digest, Platform } from "../storage/content/content.ts";
import type { ProxySettings } from "./http/proxy.ts";
import type { Reference } from "./reference/reference.ts";

export { createRegistry } from "./create.ts";
export { RegistryError, type RegistryErrorKind } from "./errors.ts";
export type { ProxySettings };

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
  /** HTTP proxies; default: HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the environment. */
  proxy?: ProxySettings;
  /** Folder with a folder `HOST[:PORT]` of certificates a registry, as dockerd's; default /etc/docker/certs.d. */
  certificates?: string;
  /** Where Docker Hub is; default https://registry-1.docker.io. For tests and closed networks. */
  dockerHub?: string;
  limits?: Partial<Limits>;
}

/** Times in milliseconds. */
export interface Limits {
  /** Without a TCP connection to Docker Hub for so long, it cannot be reached, and the embedded hub serves what it has. */
  reach: number;
  /** The same when there is nobody to fall back to. */
  connect: number;
  /** For the TLS handshake. */
  tls: number;
  /** Without a byte. */
  idle: number;
  /** For a manifest or a token, with all its redirects, from the first byte to the last. */
  document: number;
  /** How often a request is made again after a fault that may pass. */
  retries: number;
  /** Before the first of them; it doubles. */
  backoff: number;
  /** The longest Retry-After that is waited for. */
  retryAfter: number;
  /** For how long Docker Hub is held for unreachable without a new try. */
  unreachable: number;
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

export interface Registry {
  /** Finds the manifest for `platform`, walking an index. Verified against the digests on the way. */
  resolve(
    reference: Reference,
    platform: Platform,
    options?: { credentials?: Credentials; signal?: AbortSignal; onNotice?: (message: string) => void },
  ): Promise<ImageManifest>;
  /** Every tag of the repository, in the registry's order. */
  tags(reference: Reference, options?: { credentials?: Credentials; signal?: AbortSignal }): Promise<string[]>;
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
