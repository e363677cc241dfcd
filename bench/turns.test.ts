import { expect, test } from "bun:test";
import type { Row, Side } from "./row.ts";
import { measure } from "./turns.ts";

const none = { dockerd: "none", gantry: "none" };

function row(dockerd: Side | undefined, gantry: Side | undefined, end?: () => Promise<void>): Row {
  return {
    name: "row",
    title: "a row",
    unit: "ms",
    variants: [
      { name: "hot", pause: 0 },
      { name: "idle", pause: 1 },
    ],
    rounds: (asked) => asked,
    warmUp: 1,
    start: async () => ({ dockerd, gantry, end }),
  };
}

const options = { rounds: 3, signal: new AbortController().signal, progress: () => {} };

test("takes turns, and forgets the warm-up", async () => {
  let clock = 0;
  const order: string[] = [];
  const side = (label: string): Side => ({
    label,
    async once() {
      order.push(label);
      return clock++;
    },
  });
  const [hot, idle] = await measure(row(side("A"), side("B")), none, options);
  expect(order.join("")).toBe("AB".repeat(8));
  expect(hot).toMatchObject({ variant: "hot", dockerd: [2, 4, 6], gantry: [3, 5, 7] });
  expect(idle).toMatchObject({ variant: "idle", dockerd: [10, 12, 14], gantry: [11, 13, 15] });
});

test("a failure is that half's alone, and what was started is ended", async () => {
  let ended = 0;
  const good: Side = { label: "good", once: async () => 1 };
  const bad: Side = { label: "bad", once: () => Promise.reject(new Error("exit code 125")) };
  const [hot] = await measure(
    row(good, bad, async () => void ended++),
    none,
    options,
  );
  expect(hot).toMatchObject({ dockerd: [1, 1, 1], gantry: "exit code 125" });
  expect(ended).toBe(1);
});

test("an engine that is not there says why", async () => {
  const [hot] = await measure(row(undefined, undefined), { dockerd: "needs root", gantry: "not built" }, options);
  expect(hot).toMatchObject({ dockerd: "needs root", gantry: "not built" });
});

test("an interrupt ends it, and what was started is ended", async () => {
  const interrupt = new AbortController();
  let ended = 0;
  const side: Side = {
    label: "",
    async once() {
      interrupt.abort(new Error("SIGINT"));
      return 1;
    },
  };
  const measuring = measure(
    row(side, side, async () => void ended++),
    none,
    { ...options, signal: interrupt.signal },
  );
  expect(measuring).rejects.toThrow("SIGINT");
  await measuring.catch(() => {});
  expect(ended).toBe(1);
});
