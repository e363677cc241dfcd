/** How token services are asked: bounded, with redirects and a retry or two, without anything that belongs to others. */
import { type Fetch, TokenError } from "./auth/tokens.ts";
import type { Client } from "./http/client.ts";
import { ConnectionError } from "./http/connection.ts";
import type { Limits } from "./registry.ts";
import { drain, pause, redirectTarget } from "./request.ts";

const maxRedirects = 5;

export function createTokenFetch(client: Client, limits: Limits): Fetch {
  const once: Fetch = async (request) => {
    let url = request.url;
    for (let hops = 0; hops <= maxRedirects; hops++) {
      const own = url.origin === request.url.origin;
      // A form holds a secret: it goes only where it was meant to go.
      const answer = await client({
        method: own ? request.method : "GET",
        url,
        headers: own ? request.headers : {},
        ...(own ? { insecure: request.insecure, ...(request.trust ? { trust: request.trust } : {}) } : {}),
        ...(own && request.body !== undefined ? { body: request.body } : {}),
        ...(request.signal ? { signal: request.signal } : {}),
      });
      if (answer.status < 300 || answer.status > 399) {
        const { status, statusText } = answer;
        const parts: Uint8Array[] = [];
        let size = 0;
        for await (const part of answer.body ?? []) {
          size += part.length;
          if (size > request.limit) throw new TokenError(`token response is longer than ${request.limit} bytes`, 500);
          parts.push(part);
        }
        return { status, statusText, body: new Uint8Array(Buffer.concat(parts)) };
      }
      await drain(answer);
      if (request.method === "POST") throw new TokenError("token service redirects a form: refused", 500);
      url = redirectTarget(answer.headers.get("location"), url, (text) => new TokenError(text, 500));
    }
    throw new TokenError(`stopped after ${maxRedirects} redirects`, 500);
  };
  return async (request) => {
    const deadline = AbortSignal.timeout(limits.document);
    const signal = request.signal ? AbortSignal.any([request.signal, deadline]) : deadline;
    for (let tries = 0; ; tries++) {
      const last = tries >= Math.min(2, limits.retries);
      try {
        const answer = await once({ ...request, signal });
        if (answer.status < 500 || last) return answer;
      } catch (error) {
        if (error instanceof TokenError) throw error;
        const text = `${request.url.origin}${request.url.pathname}: ${(error as Error).message}`;
        if (!(error instanceof ConnectionError) || last) throw new TokenError(text, 500);
      }
      await pause(limits.backoff * 2 ** tries, signal);
    }
  };
}
