/** The Worker that makes and removes network namespaces: one task at a time, each answered. */

import { NetworkError } from "../network.ts";
import type { Task, TaskAnswer } from "./tasks.ts";
import { type Home, LostError, openHome, perform } from "./work.ts";

declare const self: Worker;

// The collector's threads start here and now, not while this thread is in a foreign namespace: they would stay in it.
Bun.gc(true);

let home: Home | undefined;

self.onmessage = (event: MessageEvent<Task>) => {
  const answer: TaskAnswer = {};
  try {
    home ??= openHome();
    perform(home, event.data);
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    answer.failure = { message, invalid: error instanceof NetworkError };
    if (code !== undefined) answer.failure.code = code;
    if (error instanceof LostError) throw error;
  }
  self.postMessage(answer);
};
