/** Answers a registry's challenges, and remembers what it asked for so that the next request has its answer at once. */
import { RegistryError } from "../errors.ts";
import type { Credentials } from "../registry.ts";
import { type Challenge, parseChallenges, scopesOf } from "./challenge.ts";
import { authorizationOf, type TokenRequest, type Tokens } from "./tokens.ts";

export interface Grant {
  registry: URL;
  /** The registry need not have a certificate that anybody trusts. */
  insecure: boolean;
  /** `repository:library/redis:pull` */
  scope: string;
  credentials?: Credentials;
  signal?: AbortSignal;
}

export interface Authorizer {
  /** Headers for a request; empty as long as nobody asked. */
  headers(grant: Grant): Promise<Record<string, string>>;
  /**
   * What a 401 asks for. `sent`: the request had an answer already, which is then thrown away. False when there is
   * nothing more to try. Throws TokenError, RegistryError.
   */
  challenged(grant: Grant, header: string | null, sent: boolean): boolean;
}

const maxKept = 512;

export function createAuthorizer(tokens: Tokens): Authorizer {
  const challenges = new Map<string, Challenge>();
  const keyOf = (grant: Grant) => `${grant.registry.origin} ${grant.scope}`;

  const request = (grant: Grant, challenge: Challenge): TokenRequest => ({
    challenge,
    scopes: [...new Set([grant.scope, ...scopesOf(challenge)])],
    registry: grant.registry,
    insecure: grant.insecure,
    ...(grant.credentials ? { credentials: grant.credentials } : {}),
    ...(grant.signal ? { signal: grant.signal } : {}),
  });

  return {
    async headers(grant) {
      const { credentials } = grant;
      if (credentials?.registryToken) return { Authorization: `Bearer ${credentials.registryToken}` };
      const challenge = challenges.get(keyOf(grant));
      if (!challenge) return {};
      if (challenge.scheme === "basic") return authorizationOf(credentials);
      return { Authorization: `Bearer ${await tokens.get(request(grant, challenge))}` };
    },
    challenged(grant, header, sent) {
      if (grant.credentials?.registryToken) return false;
      const offered = parseChallenges(header ?? "");
      const bearer = offered.find((one) => one.scheme === "bearer" && one.parameters.realm);
      const basic = offered.find((one) => one.scheme === "basic");
      const challenge = bearer ?? basic;
      if (!challenge) return false;
      if (challenge.scheme === "basic") {
        const known = authorizationOf(grant.credentials).Authorization !== undefined;
        if (!known) {
          throw new RegistryError("no basic auth credentials", "unauthorized", 500);
        }
        // The same name and password again would be refused again.
        if (sent) return false;
      }
      if (sent) tokens.forget(request(grant, challenge));
      const key = keyOf(grant);
      challenges.delete(key);
      challenges.set(key, challenge);
      for (const oldest of challenges.keys()) {
        if (challenges.size <= maxKept) break;
        challenges.delete(oldest);
      }
      return true;
    },
  };
}
