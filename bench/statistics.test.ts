import { expect, test } from "bun:test";
import { median, quantile, ratioOfMedians, summary } from "./statistics.ts";

test("quantiles lie between samples", () => {
  expect(quantile([1], 0.9)).toBe(1);
  expect(quantile([0, 10], 0.1)).toBe(1);
  expect(quantile([0, 10, 20], 1)).toBe(20);
});

test("the median does not mind order or one slow run", () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([1, 1, 1, 1, 9000])).toBe(1);
});

test("summaries", () => {
  const samples = Array.from({ length: 101 }, (_, index) => 100 - index);
  expect(summary(samples)).toEqual({ count: 101, min: 0, p10: 10, median: 50, p90: 90, max: 100 });
  expect(() => summary([])).toThrow("no samples");
  expect(samples[0]).toBe(100); // Not sorted in place.
});

test("the interval holds the ratio, is the same each time, and shrinks with more samples", () => {
  const spread = (count: number): number[] => Array.from({ length: count }, (_, index) => 100 + ((index * 37) % 41));
  const few = ratioOfMedians(spread(5), spread(9));
  const many = ratioOfMedians(spread(200), spread(200));
  expect(ratioOfMedians(spread(5), spread(9))).toEqual(few);
  for (const { value, low, high } of [few, many]) {
    expect(low).toBeLessThanOrEqual(value);
    expect(high).toBeGreaterThanOrEqual(value);
  }
  expect(many.high - many.low).toBeLessThan(few.high - few.low);
  expect(ratioOfMedians([1, 1], [4, 4])).toEqual({ value: 0.25, low: 0.25, high: 0.25 });
});
