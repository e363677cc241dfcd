/**
 * When the embedded hub serves in Docker Hub's place: only when no TCP connection to Docker Hub comes about, only official
 * images, only by tag. Never after a TLS failure or any HTTP answer: somebody who can cause those could else choose the image.
 */
import { dockerHub, embeddedEndpoint } from "./endpoint.ts";
import { familiarString, type Reference } from "./reference/reference.ts";
import type { Limits, RegistryOptions } from "./registry.ts";
import { drain, type Requester } from "./request.ts";

export interface Fallback {
  /** Whether the hub may serve this image, and has it. */
  serves(reference: Reference, signal?: AbortSignal): Promise<boolean>;
  /** Why Docker Hub could not be reached a moment ago; undefined when it is time to try again. */
  remembered(): string | undefined;
  remember(reason: string): void;
  /** The line that tells the user. `reason` undefined: the hub stands in Docker Hub's place for good. */
  notice(reference: Reference, reason: string | undefined): string;
}

export function createFallback(hub: RegistryOptions["hub"], requester: Requester, limits: Limits): Fallback {
  let memo: { reason: string; until: number } | undefined;
  return {
    async serves(reference, signal) {
      if (hub?.mode !== "fallback" || !isEligible(reference)) return false;
      const answer = await requester.once({
        reference,
        endpoint: embeddedEndpoint(),
        path: `manifests/${reference.tag}`,
        method: "HEAD",
        ...(signal ? { signal } : {}),
      });
      await drain(answer);
      return answer.status === 200;
    },
    remembered() {
      if (memo && performance.now() >= memo.until) memo = undefined;
      return memo?.reason;
    },
    remember(reason) {
      memo = { reason, until: performance.now() + limits.unreachable };
    },
    notice(reference, reason) {
      const why = reason === undefined ? "this server uses its own hub" : `Docker Hub cannot be reached (${reason})`;
      return `${why}: ${familiarString(reference)} comes from the hub embedded in this server, it is not the official image`;
    },
  };
}

const isEligible = (reference: Reference): boolean =>
  reference.domain === dockerHub && /^library\/[^/]+$/.test(reference.path) && reference.digest === undefined;
