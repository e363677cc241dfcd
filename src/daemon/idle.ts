/** What a server does once it has been left alone for a while: it gives back memory that it needs only while it works. */
import { releaseFilePages } from "../sys/memory.ts";

export interface Idle {
  /** Somebody asked for something: the while begins anew. */
  touch(): void;
  close(): void;
}

/** `quiet` in milliseconds. One timer, armed by work and not otherwise: an idle server is not woken. */
export function createIdle(quiet: number, rest: () => void = giveBack): Idle {
  let last = performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const arm = (delay: number) => {
    timer = setTimeout(check, delay);
    timer.unref();
  };
  const check = () => {
    const left = quiet - (performance.now() - last);
    timer = undefined;
    if (left > 0) arm(left);
    else rest();
  };
  arm(quiet);
  return {
    touch() {
      last = performance.now();
      if (timer === undefined) arm(quiet);
    },
    close: () => clearTimeout(timer),
  };
}

function giveBack(): void {
  Bun.gc(true);
  releaseFilePages();
}
