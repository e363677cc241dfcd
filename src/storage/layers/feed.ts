/** Carries a layer's blob from its stream to a Worker, with as much in flight as a few buffers hold. */
import type { Trash } from "../trash/trash.ts";
import type { IngestOptions } from "./layers.ts";
import type { Order } from "./messages.ts";
import { LayerFailure, type Pool } from "./pool.ts";
import type { Unpacked } from "./unpack/unpack.ts";

const bufferSize = 262144;
const bufferCount = 4;
/** Milliseconds between two reports of progress. */
const reportEvery = 100;

/**
 * Runs the order; without `body` the Worker reads the blob's file. Rejects with the body's own error, the signal's
 * reason, or a LayerFailure; then nothing is kept, and the body is cancelled.
 */
export async function feed(
  pool: Pool,
  order: Order,
  body: ReadableStream<Uint8Array> | undefined,
  options: IngestOptions,
  trash: Trash,
): Promise<Unpacked> {
  const { signal } = options;
  const free: ArrayBuffer[] = Array.from({ length: body ? bufferCount : 0 }, () => new ArrayBuffer(bufferSize));
  let wake: (() => void) | undefined;
  let over = false;
  let reported = 0;
  const report = (bytes: number): void => {
    const now = performance.now();
    if (now - reported < reportEvery) return;
    reported = now;
    options.onProgress?.(bytes);
  };

  const ticket = pool.start(order, {
    taken(buffer) {
      free.push(buffer);
      wake?.();
    },
    read: report,
    verified() {
      options.onProgress?.(order.size);
      options.onDownloaded?.();
    },
  });
  const reader = body?.getReader() as ReadableStreamDefaultReader<Uint8Array> | undefined;
  /** Why we gave up; the Worker's own failure says only that. */
  let cause: { error: unknown } | undefined;
  const giveUp = (error: unknown): void => {
    cause ??= { error };
    ticket.abort();
  };
  const abort = (): void => {
    giveUp(signal?.reason);
    void reader?.cancel(signal?.reason).catch(() => {});
    wake?.();
  };
  const finished = ticket.done.finally(() => {
    over = true;
    wake?.();
    // A body that hangs must not hold back an error that is known.
    void reader?.cancel().catch(() => {});
  });
  finished.catch(() => {});
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });

  try {
    if (reader) {
      await pump(reader, {
        over: () => over || cause !== undefined,
        free: async () => {
          while (free.length === 0 && !over && !cause) {
            await new Promise<void>((done) => {
              wake = done;
            });
          }
          return free.pop();
        },
        piece: ticket.piece,
        last: ticket.last,
        report,
      }).catch(giveUp);
    }
    return await finished;
  } catch (error) {
    // A thread that died cleaned nothing up.
    if (!(error instanceof LayerFailure)) {
      trash.take(order.directory);
      if (order.blob !== undefined) trash.take(order.blob);
    }
    throw cause ? cause.error : error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

interface Sink {
  over(): boolean;
  /** The next free buffer; undefined when the job is over. */
  free(): Promise<ArrayBuffer | undefined>;
  piece(buffer: ArrayBuffer, length: number): void;
  last(): void;
  report(bytes: number): void;
}

/**
 * Fills buffers of one size: the registry's chunks may be tiny or views of something shared, so they are copied. That
 * costs less than a message each.
 */
async function pump(reader: ReadableStreamDefaultReader<Uint8Array>, sink: Sink): Promise<void> {
  let total = 0;
  let filled = 0;
  let buffer: ArrayBuffer | undefined;
  while (!sink.over()) {
    const { done, value } = await reader.read();
    if (sink.over()) return;
    if (done) {
      if (buffer && filled > 0) sink.piece(buffer, filled);
      sink.last();
      return;
    }
    total += value.length;
    for (let at = 0; at < value.length; ) {
      buffer ??= await sink.free();
      if (!buffer) return;
      const count = Math.min(value.length - at, bufferSize - filled);
      new Uint8Array(buffer).set(value.subarray(at, at + count), filled);
      at += count;
      filled += count;
      if (filled < bufferSize) continue;
      sink.piece(buffer, filled);
      buffer = undefined;
      filled = 0;
    }
    sink.report(total);
  }
}
