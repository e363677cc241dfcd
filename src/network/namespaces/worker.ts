/** The Worker that makes and removes network namespaces: one task at a time, each answered. */

import { LostError } from "../../sys/namespaces.ts";
import { NetworkError } from "../network.ts";
import type { Task, TaskAnswer } from "./tasks.ts";
import { type Home, openHome, perform } from "./work.ts";

declare const self: Worker;

// The collector's threads start here and now, rather than in the middle of a visit: they would stay in that namespace.
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
