/** Waiting for something that may be called off. */

/** What `promise` resolves to, or undefined as soon as one of the signals is aborted. Leaves no listener behind. */
export function unlessAborted<T>(promise: Promise<T>, ...signals: AbortSignal[]): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      for (const signal of signals) signal.removeEventListener("abort", abort);
    };
    const abort = () => {
      stop();
      resolve(undefined);
    };
    for (const signal of signals) {
      if (signal.aborted) return abort();
      signal.addEventListener("abort", abort);
    }
    promise.then(
      (value) => {
        stop();
        resolve(value);
      },
      (error) => {
        stop();
        reject(error);
      },
    );
  });
}

/** A controller that is aborted with any of the signals, and a way to let go of them. */
export function follow(...signals: AbortSignal[]): { signal: AbortSignal; abort(): void; release(): void } {
  const controller = new AbortController();
  const abort = () => controller.abort();
  for (const signal of signals) {
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort);
  }
  return {
    signal: controller.signal,
    abort,
    release() {
      for (const signal of signals) signal.removeEventListener("abort", abort);
    },
  };
}
