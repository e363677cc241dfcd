/** A blob as a stream that goes on where it broke off, from the same registry or the next that has it. */
import type { Descriptor } from "../storage/content/content.ts";
import { type Endpoint, nameOf } from "./endpoint.ts";
import { invalidAnswer, RegistryError, refusal } from "./errors.ts";
import type { Answer } from "./http/client.ts";
import type { Reference } from "./reference/reference.ts";
import type { Credentials, Limits } from "./registry.ts";
import { type Asked, faultOf, PassingError, pause, type Requester, UnreachableError } from "./request.ts";

export interface BlobSource {
  reference: Reference;
  descriptor: Descriptor;
  /** Where the image came from first, then whoever may have it too. */
  endpoints: () => Promise<Endpoint[]>;
  credentials?: Credentials;
  signal?: AbortSignal;
}

/** So many bytes give one more try: a long blob over a bad line ends, a registry that sends crumbs doesn't hold us. */
const perTry = 4 << 20;
const maxRefusal = 64 << 10;

/**
 * Exactly `descriptor.size` bytes, or an error (RegistryError, or the signal's reason). Reads nothing ahead.
 * The digest is the caller's matter: it reads the bytes anyway.
 */
export function blobStream(source: BlobSource, requester: Requester, limits: Limits): ReadableStream<Uint8Array> {
  const cancelled = new AbortController();
  const signal = source.signal ? AbortSignal.any([source.signal, cancelled.signal]) : cancelled.signal;
  const parts = readBlob({ ...source, signal }, requester, limits);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { value, done } = await parts.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          controller.error(error);
        }
      },
      async cancel(reason) {
        cancelled.abort(reason ?? new DOMException("the reader went away", "AbortError"));
        await parts.return(undefined).catch(() => {});
      },
    },
    { highWaterMark: 0 },
  );
}

async function* readBlob(
  source: BlobSource & { signal: AbortSignal },
  requester: Requester,
  limits: Limits,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { reference, descriptor, signal } = source;
  const { digest, size } = descriptor;
  let offset = 0;
  let tries = 0;
  let paid = 0;
  let at = 0;
  if (size === 0) return;
  const endpoints = await source.endpoints();

  while (offset < size) {
    signal.throwIfAborted();
    const endpoint = endpoints[at]!;
    const asked: Asked = {
      reference,
      endpoint,
      path: `blobs/${digest}`,
      headers: offset > 0 ? { Range: `bytes=${offset}-` } : {},
      ...(source.credentials ? { credentials: source.credentials } : {}),
      signal,
    };
    const where = nameOf(endpoint);
    try {
      const answer = await requester.ask(asked);
      const body = await open(answer, offset, asked, requester, descriptor);
      for await (const part of body) {
        if (offset + part.length > size) {
          throw invalidAnswer(
            `the blob ${digest} is longer than the ${size} bytes that its manifest says`,
            reference,
            where,
          );
        }
        offset += part.length;
        yield part;
      }
      if (offset < size) {
        throw invalidAnswer(`the blob ${digest} ended after ${offset} of ${size} bytes`, reference, where);
      }
    } catch (raw) {
      const error = faultOf(raw, asked, "GET", endpoint.url);
      if (signal.aborted || !(error instanceof RegistryError)) throw error;
      if (error instanceof PassingError || (offset > 0 && error instanceof UnreachableError)) {
        const earned = Math.floor(offset / perTry);
        tries = Math.max(0, tries - (earned - paid));
        paid = earned;
        if (tries < (endpoint.mirror ? 0 : limits.retries)) {
          await pause(limits.backoff * 2 ** tries++, signal);
          continue;
        }
      }
      // Blobs are named by their digest: any registry that has this one will do.
      if (++at >= endpoints.length) throw error;
      tries = 0;
    }
  }
}

/** The body from `offset` on. */
async function open(
  answer: Answer,
  offset: number,
  asked: Asked,
  requester: Requester,
  descriptor: Descriptor,
): Promise<AsyncIterable<Uint8Array>> {
  const { reference, endpoint } = asked;
  const { digest, size } = descriptor;
  const where = nameOf(endpoint);
  const refuse = async (text: string): Promise<RegistryError> => {
    await answer.body?.cancel();
    return invalidAnswer(text, reference, where);
  };
  if (answer.status !== 200 && answer.status !== 206) {
    const body = await requester.read(answer, maxRefusal, asked).catch(() => new Uint8Array(0));
    throw refusal(answer, body, reference, where, false);
  }
  if (!answer.body) throw await refuse(`the blob ${digest} is empty, its manifest says ${size} bytes`);
  const said = answer.headers.get("content-length");
  if (answer.status === 200) {
    if (said !== null && Number(said) !== size) {
      throw await refuse(`the blob ${digest} has ${Number(said)} bytes, its manifest says ${size}`);
    }
    // A registry that does not know ranges begins anew: what is there already is passed over.
    return skip(answer.body, offset);
  }
  const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(answer.headers.get("content-range") ?? "");
  const total = range?.[3] === "*" ? size : Number(range?.[3]);
  if (!range || Number(range[1]) !== offset || total !== size || Number(range[2]) >= size) {
    throw await refuse(`the blob ${digest} was asked for from byte ${offset} and another part came`);
  }
  return answer.body;
}

async function* skip(body: ReadableStream<Uint8Array>, count: number): AsyncGenerator<Uint8Array> {
  let left = count;
  for await (const part of body) {
    if (left >= part.length) left -= part.length;
    else {
      yield part.subarray(left);
      left = 0;
    }
  }
}
