/** Records of an iteration into a response, many in one write, at the reader's speed. */
import type { Response } from "./response.ts";
import { unlessAborted } from "./signals.ts";

const batchBytes = 32 * 1024;

/**
 * Writes each record as `format` gives it. Ends with the iteration or the signal, which then ends the iteration too.
 * Rejects when the iteration does; what came before was written.
 */
export async function writeRecords<T>(
  response: Response,
  records: AsyncIterable<T>,
  format: (record: T) => Uint8Array | undefined,
  signal: AbortSignal,
): Promise<void> {
  let batch: Uint8Array[] = [];
  let size = 0;
  let timer: NodeJS.Immediate | undefined;
  const flush = (): boolean => {
    if (timer) clearImmediate(timer);
    timer = undefined;
    if (size === 0) return true;
    const bytes = Buffer.concat(batch, size);
    batch = [];
    size = 0;
    return response.write(bytes);
  };

  const iterator = records[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await unlessAborted(iterator.next(), signal);
      if (next === undefined || next.done) break;
      const bytes = format(next.value);
      if (bytes === undefined) continue;
      batch.push(bytes);
      size += bytes.length;
      if (size >= batchBytes) {
        if (!flush()) await response.drained();
      } else {
        // As soon as nothing more is ready.
        timer ??= setImmediate(() => flush());
      }
    }
  } finally {
    flush();
    // Not awaited: a generator that waits inside answers only when it wakes up.
    iterator.return?.()?.catch(() => {});
  }
}
