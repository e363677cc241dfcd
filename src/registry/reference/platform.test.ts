import { describe, expect, test } from "bun:test";
import { formatPlatform, hostPlatform, matchPlatform, normalizePlatform, rankPlatform } from "./platform.ts";

describe("normalizePlatform", () => {
  const taken: [string, string][] = [
    ["linux/amd64", "linux/amd64"],
    ["linux/x86_64", "linux/amd64"],
    ["Linux/X86-64", "linux/amd64"],
    ["linux/amd64/v1", "linux/amd64"],
    ["linux/amd64/v3", "linux/amd64/v3"],
    ["linux/arm64", "linux/arm64"],
    ["linux/arm64/v8", "linux/arm64"],
    ["linux/arm64/8", "linux/arm64"],
    ["linux/aarch64", "linux/arm64"],
    ["linux/arm64/v9", "linux/arm64/v9"],
    ["linux/arm", "linux/arm/v7"],
    ["linux/arm/6", "linux/arm/v6"],
    ["linux/armhf", "linux/arm/v7"],
    ["linux/armel", "linux/arm/v6"],
    ["linux/i386", "linux/386"],
    ["arm64", "linux/arm64"],
    ["s390x", "linux/s390x"],
    ["macos/arm64", "darwin/arm64"],
    ["windows/amd64", "windows/amd64"],
    ["linux", `linux/${hostPlatform().architecture}`],
  ];
  for (const [text, expected] of taken) {
    test(`takes ${text}`, () => expect(formatPlatform(normalizePlatform(text))).toBe(expected));
  }

  const refused: [string, RegExp][] = [
    ["", /^"": cannot parse platform specifier: invalid argument$/],
    ["a/b/c/d", /cannot parse platform specifier/],
    ["linux/", /^"" is an invalid component of "linux\/": platform specifier component must match/],
    ["li*nux/amd64", /^"li\*nux" is an invalid component/],
    ["linux/amd64\n", /invalid component/],
    ["nonsense", /^"nonsense": unknown operating system or architecture: invalid argument$/],
  ];
  for (const [text, message] of refused) {
    test(`refuses ${JSON.stringify(text)}`, () => expect(() => normalizePlatform(text)).toThrow(message));
  }
});

describe("rankPlatform", () => {
  const rank = (wanted: string, candidate: string) =>
    rankPlatform(normalizePlatform(wanted), normalizePlatform(candidate));
  test("is best for the same", () => {
    for (const one of ["linux/amd64", "linux/arm64/v8", "linux/arm/v5", "windows/amd64"])
      expect(rank(one, one)).toBe(0);
  });

  test("takes what an older machine could run, the newest first", () => {
    expect(rank("linux/arm/v7", "linux/arm/v6")).toBe(1);
    expect(rank("linux/arm/v7", "linux/arm/v5")).toBe(2);
    expect(rank("linux/arm/v6", "linux/arm/v7")).toBeUndefined();
    expect(rank("linux/arm64", "linux/arm/v7")! > rank("linux/arm64", "linux/arm64")!).toBe(true);
    expect(rank("linux/amd64/v3", "linux/amd64/v2")! < rank("linux/amd64/v3", "linux/amd64")!).toBe(true);
    expect(rank("linux/amd64", "linux/386")).toBe(1);
    expect(rank("linux/amd64", "linux/amd64/v3")).toBeUndefined();
    expect(rank("linux/arm64/v9", "linux/arm64/v8.5")).toBeDefined();
    expect(rank("linux/arm64/v9", "linux/arm64")).toBeDefined();
    expect(rank("linux/arm64", "linux/arm64/v9")).toBeUndefined();
    expect(rank("linux/arm/v7", "linux/arm64")).toBeUndefined();
  });

  test("tells systems and architectures apart", () => {
    expect(matchPlatform({ os: "linux", architecture: "amd64" }, { os: "windows", architecture: "amd64" })).toBe(false);
    expect(matchPlatform({ os: "linux", architecture: "amd64" }, { os: "linux", architecture: "s390x" })).toBe(false);
    expect(
      matchPlatform({ os: "linux", architecture: "arm64" }, { os: "linux", architecture: "arm64", variant: "v8" }),
    ).toBe(true);
  });

  test("bounds the levels that a hostile variant names", () => {
    expect(
      rankPlatform({ os: "linux", architecture: "arm", variant: "v999999999" }, { os: "linux", architecture: "arm" }),
    ).toBeDefined();
  });
});
