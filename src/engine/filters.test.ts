import { describe, expect, test } from "bun:test";
import { booleanFilter, checkFilters, globMatches, labelsMatch, readDuration, readTime } from "./filters.ts";

describe("filters", () => {
  test("unknown keys are refused by name", () => {
    expect(() => checkFilters(new Map([["frob", ["1"]]]), ["label"])).toThrow("invalid filter 'frob'");
    checkFilters(new Map([["label", ["1"]]]), ["label"]);
  });

  test("booleans in every writing, others refused", () => {
    expect(booleanFilter(new Map([["dangling", ["1"]]]), "dangling")).toBe(true);
    expect(booleanFilter(new Map([["dangling", ["False"]]]), "dangling")).toBe(false);
    expect(booleanFilter(new Map(), "dangling")).toBeUndefined();
    expect(() => booleanFilter(new Map([["dangling", ["maybe"]]]), "dangling")).toThrow("dangling=[maybe]");
  });

  test("all labels must hold, none of the negated", () => {
    const labels = { a: "1", b: "" };
    expect(labelsMatch(new Map([["label", ["a=1", "b"]]]), labels)).toBe(true);
    expect(labelsMatch(new Map([["label", ["a=2"]]]), labels)).toBe(false);
    expect(labelsMatch(new Map([["label!", ["b"]]]), labels)).toBe(false);
    expect(labelsMatch(new Map([["label", ["c"]]]), undefined)).toBe(false);
  });

  test("durations and times", () => {
    expect(readDuration("1h30m")).toBe(5400);
    expect(readDuration("1.5s")).toBe(1.5);
    expect(readDuration("5 minutes")).toBeUndefined();
    expect(readTime("12.5")).toBe(12.5);
    expect(readTime("2026-01-01T00:00:00Z")).toBe(Date.UTC(2026, 0, 1) / 1000);
    expect(Math.abs(readTime("10m") - (Date.now() / 1000 - 600))).toBeLessThan(5);
    expect(() => readTime("yesterday")).toThrow('invalid time "yesterday"');
  });

  test("patterns match whole names and no slash", () => {
    expect(globMatches("redis*", "redis:7")).toBe(true);
    expect(globMatches("*", "a/b")).toBe(false);
    expect(globMatches("a.c", "abc")).toBe(false);
  });
});
