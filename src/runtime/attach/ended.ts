import type { HeldAttachment } from "./attachment.ts";

/** The attachment of a process that ended while nobody was connected: its output is in its log alone. */
export function endedAttachment(): HeldAttachment {
  return {
    ended: true,
    finished: Promise.resolve(),
    listen(listener) {
      queueMicrotask(() => listener.end());
      return { resume() {}, remove() {} };
    },
    write: () => Promise.reject(new Error("the standard input of the process is closed")),
    closeStdin() {},
    drain() {},
    close() {},
  };
}
