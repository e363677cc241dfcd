import { describe, expect, test } from "bun:test";
import { random } from "../lab/random.ts";
import { parseChallenges, scopesOf } from "./challenge.ts";

const parse = (text: string): Record<string, string>[] =>
  parseChallenges(text).map(({ scheme, parameters }) => ({ scheme, ...parameters }));

describe("parseChallenges", () => {
  test("reads Docker Hub's", () => {
    const text =
      'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/redis:pull"';
    expect(parse(text)).toEqual([
      {
        scheme: "bearer",
        realm: "https://auth.docker.io/token",
        service: "registry.docker.io",
        scope: "repository:library/redis:pull",
      },
    ]);
  });

  test("reads several schemes in one header", () => {
    expect(parse('Negotiate, Basic realm="a, b", Bearer realm="c" , service=d,Digest nonce="x=,y"')).toEqual([
      { scheme: "negotiate" },
      { scheme: "basic", realm: "a, b" },
      { scheme: "bearer", realm: "c", service: "d" },
      { scheme: "digest", nonce: "x=,y" },
    ]);
    expect(parse('Negotiate YWJjZA==, Basic realm="x"')).toEqual([
      { scheme: "negotiate" },
      { scheme: "basic", realm: "x" },
    ]);
  });

  test("reads quoted pairs, blanks and capitals", () => {
    expect(parse('BEARER Realm = "a\\"b\\\\c" ,\tSERVICE="d"')).toEqual([
      { scheme: "bearer", realm: 'a"b\\c', service: "d" },
    ]);
    expect(parse("Bearer realm=https://x/token,scope=repository:a:pull")).toEqual([
      { scheme: "bearer", realm: "https://x/token", scope: "repository:a:pull" },
    ]);
  });

  test("keeps the first of two values, and knows no prototype", () => {
    expect(parse('Bearer realm="a",realm="b",__proto__="c"')[0]).toHaveProperty("realm", "a");
    expect(({} as Record<string, unknown>).c).toBeUndefined();
  });

  test("stops where the text breaks off", () => {
    expect(parse('Bearer realm="a",service="b')).toEqual([{ scheme: "bearer", realm: "a" }]);
    expect(parse("")).toEqual([]);
    expect(parse("=")).toEqual([]);
    expect(parse(",,, ,")).toEqual([]);
  });

  test("splits scopes", () => {
    const [challenge] = parseChallenges('Bearer scope="repository:a:pull  repository:b:pull,push"');
    expect(scopesOf(challenge!)).toEqual(["repository:a:pull", "repository:b:pull,push"]);
  });

  test("10,000 random headers end, bounded", () => {
    const source = random(3);
    const pieces = [
      "Bearer",
      "Basic",
      " ",
      ",",
      "=",
      '"',
      "\\",
      "realm",
      "scope",
      "a",
      "é",
      "==",
      "\t",
      ";",
      '"x"',
      "\u0000",
    ];
    for (let i = 0; i < 10_000; i++) {
      const text = Array.from({ length: source.int(30) }, () => source.pick(pieces)).join("");
      const found = parseChallenges(text);
      expect(found.length).toBeLessThanOrEqual(16);
      for (const one of found) expect(one.scheme).toMatch(/^[!#$%&'*+.^_`|~0-9a-z-]+$/);
    }
  });

  test("10,000 well-formed headers are read as they were written", () => {
    const source = random(4);
    for (let i = 0; i < 10_000; i++) {
      const wanted = Array.from({ length: 1 + source.int(3) }, () => ({
        scheme: source.pick(["basic", "bearer", "negotiate"]),
        parameters: Object.fromEntries(
          ["realm", "service", "scope"]
            .filter(() => source.int(2))
            .map((name) => [name, source.text('ab "\\,=:/', 1 + source.int(12))]),
        ),
      }));
      const text = wanted
        .map(({ scheme, parameters }) => {
          const values = Object.entries(parameters).map(
            ([name, value]) => `${name}="${value.replace(/["\\]/g, "\\$&")}"`,
          );
          return values.length === 0 ? scheme : `${scheme} ${values.join(source.pick([",", ", ", " ,\t"]))}`;
        })
        .join(", ");
      expect(parse(text)).toEqual(wanted.map(({ scheme, parameters }) => ({ scheme, ...parameters })));
    }
  });

  test("a megabyte of it costs nothing", () => {
    expect(parseChallenges("Bearer a=".repeat(1 << 17)).length).toBeLessThanOrEqual(16);
    expect(parseChallenges(`Bearer realm="${"\\".repeat(1 << 20)}`)).toHaveLength(1);
  });
});
