import { describe, expect, test } from "bun:test";
import { parseDuration, parseTimestamp } from "./timestamps.ts";

const now = Date.UTC(2024, 0, 2, 3, 4, 5);

describe("parseTimestamp", () => {
  test.each([
    [null, undefined],
    ["", undefined],
    ["0", 0],
    ["1700000000", 1700000000],
    ["1700000000.25", 1700000000.25],
    ["-5", -5],
    ["10m", now / 1000 - 600],
    ["1h30m", now / 1000 - 5400],
    ["-10s", now / 1000 + 10],
    ["2024-01-02T03:04:05Z", now / 1000],
    ["2024-01-02T03:04:05.5Z", now / 1000 + 0.5],
    ["2024-01-02T04:04:05+01:00", now / 1000],
    ["2024-01-02T03:04Z", now / 1000 - 5],
    ["2024-01-02Z", Date.UTC(2024, 0, 2) / 1000],
    ["2024-01-02", new Date(2024, 0, 2).getTime() / 1000],
    ["2024-01-02T03", new Date(2024, 0, 2, 3).getTime() / 1000],
  ])("%j", (value, seconds) => {
    expect(parseTimestamp("since", value, now)).toBe(seconds);
  });
  test.each([
    "yesterday",
    "10",
    "1x",
    "2024-02-30",
    "2024-13-01",
    "2024-01-02T25:00",
    "2024-01-02T24:00",
    "1.5.5",
    "NaN",
    "1e5",
  ])("%j", (value) => {
    if (value === "10") expect(parseTimestamp("since", value, now)).toBe(10);
    else expect(() => parseTimestamp("since", value, now)).toThrow(JSON.stringify(value));
  });
});

test.each([
  ["1.5h", 5400],
  [".5s", 0.5],
  ["2h3m4s5ms6us7ns", 7384.005006007],
  ["+1s", 1],
  ["1", undefined],
  ["s", undefined],
  ["", undefined],
  ["1 s", undefined],
])("duration %j", (value, seconds) => {
  const parsed = parseDuration(value);
  if (seconds === undefined) expect(parsed).toBeUndefined();
  else expect(parsed).toBeCloseTo(seconds, 9);
});
