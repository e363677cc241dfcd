import { describe, expect, test } from "bun:test";
import { random } from "../lab/random.ts";
import {
  canonicalString,
  familiarName,
  familiarString,
  InvalidReferenceError,
  parseReference,
  type Reference,
  withDefaultTag,
} from "./reference.ts";

const hex = "0123456789abcdef".repeat(4);
const digest = `sha256:${hex}`;

describe("parseReference", () => {
  const whole: [string, string][] = [
    ["redis", "docker.io/library/redis"],
    ["redis:7", "docker.io/library/redis:7"],
    ["a/b", "docker.io/a/b"],
    ["a/b/c", "docker.io/a/b/c"],
    ["docker.io/redis", "docker.io/library/redis"],
    ["index.docker.io/redis", "docker.io/library/redis"],
    ["index.docker.io/a/b", "docker.io/a/b"],
    ["docker.io/library/redis", "docker.io/library/redis"],
    ["localhost/redis", "localhost/redis"],
    ["localhost:5000/redis:Tag_1.x-y", "localhost:5000/redis:Tag_1.x-y"],
    ["local/redis", "docker.io/local/redis"],
    ["LOCALHOST/redis", "LOCALHOST/redis"],
    ["Host/redis", "Host/redis"],
    ["foo.com", "docker.io/library/foo.com"],
    ["foo.com/bar", "foo.com/bar"],
    [`foo.com:8080/a/b@${digest}`, `foo.com:8080/a/b@${digest}`],
    [`redis:7@${digest}`, `docker.io/library/redis:7@${digest}`],
    ["[::1]:5000/x", "[::1]:5000/x"],
    ["[2001:db8::1]/x", "[2001:db8::1]/x"],
    ["xn--n3h.com/myimage:v1", "xn--n3h.com/myimage:v1"],
    ["a__b/c.d/e---f", "docker.io/a__b/c.d/e---f"],
    [`x@sha512:${hex}${hex}`, `docker.io/library/x@sha512:${hex}${hex}`],
    [`${hex}:x`, `docker.io/library/${hex}:x`],
    [`a:${"t".repeat(128)}`, `docker.io/library/a:${"t".repeat(128)}`],
    [hex.slice(1), `docker.io/library/${hex.slice(1)}`],
  ];
  for (const [text, expected] of whole) {
    test(`takes ${text.slice(0, 40)}`, () => expect(canonicalString(parseReference(text))).toBe(expected));
  }

  const refused: [string, string][] = [
    ["", "invalid reference format"],
    [" redis", "invalid reference format"],
    ["redis ", "invalid reference format"],
    ["re dis", "invalid reference format"],
    ["redis:", "invalid reference format"],
    ["redis:a b", "invalid reference format"],
    ["redis:.x", "invalid reference format"],
    [`redis:${"t".repeat(129)}`, "invalid reference format"],
    ["redis@", "invalid reference format"],
    ["redis@sha256:abc", "invalid reference format"],
    ["redis@sha256", "invalid reference format"],
    [`redis@sha256:${hex.slice(2)}`, "invalid checksum digest length"],
    [`redis@sha256:${hex.slice(1)}g`, "invalid reference format"],
    [`redis@sha256:${hex.toUpperCase()}`, "invalid checksum digest format"],
    [`redis@md5:${hex.slice(32)}`, "unsupported digest algorithm"],
    [`redis@${digest}:tag`, "invalid reference format"],
    ["a//b", "invalid reference format"],
    ["/a", "invalid reference format"],
    ["a/", "invalid reference format"],
    ["-a", "invalid reference format"],
    ["a_", "invalid reference format"],
    ["a___b", "invalid reference format"],
    ["a..b", "invalid reference format"],
    ["../a", "invalid reference format"],
    ["https://foo.com/a", "invalid reference format"],
    ["foo.com:x/a", "invalid reference format"],
    ["foo_bar.com/a", "invalid reference format"],
    ["-foo.com/a", "invalid reference format"],
    ["[::1/a", "invalid reference format"],
    ["a\n", "invalid reference format"],
    ["a:b\n", "invalid reference format"],
    ["é", "invalid reference format"],
    ["Redis", "invalid reference format: repository name (library/Redis) must be lowercase"],
    ["Redis:7", "invalid reference format: repository name (library/Redis) must be lowercase"],
    ["a/B", "invalid reference format: repository name (a/B) must be lowercase"],
    ["foo.com/A", "invalid reference format: repository name (A) must be lowercase"],
    [hex, `invalid repository name (${hex}), cannot specify 64-byte hexadecimal strings`],
    ["a".repeat(256), "repository name must not be more than 255 characters"],
    ["a".repeat(1 << 20), "invalid reference format"],
  ];
  for (const [text, message] of refused) {
    test(`refuses ${JSON.stringify(text.slice(0, 40))}`, () => {
      expect(() => parseReference(text)).toThrow(InvalidReferenceError);
      expect(() => parseReference(text)).toThrow(new InvalidReferenceError(message));
    });
  }

  test("counts the path, not the domain", () => {
    const path = "a".repeat(255);
    expect(parseReference(`foo.com/${path}`).path).toBe(path);
    expect(() => parseReference(`foo.com/${path}a`)).toThrow("255 characters");
  });
});

describe("names", () => {
  const familiar: [string, string, string][] = [
    ["redis", "redis", "redis"],
    ["docker.io/library/redis:7", "redis", "redis:7"],
    ["a/b", "a/b", "a/b"],
    ["docker.io/library/a/b:1", "library/a/b", "library/a/b:1"],
    [`localhost:5000/a@${digest}`, "localhost:5000/a", `localhost:5000/a@${digest}`],
    [`a:1@${digest}`, "a", `a:1@${digest}`],
  ];
  for (const [text, name, string] of familiar) {
    test(`shows ${text.slice(0, 40)}`, () => {
      expect(familiarName(parseReference(text))).toBe(name);
      expect(familiarString(parseReference(text))).toBe(string);
    });
  }

  test("adds latest only where there is neither tag nor digest", () => {
    expect(withDefaultTag(parseReference("a")).tag).toBe("latest");
    expect(withDefaultTag(parseReference("a:1")).tag).toBe("1");
    expect(withDefaultTag(parseReference(`a@${digest}`)).tag).toBeUndefined();
  });
});

describe("10,000 random texts", () => {
  test("are refused as references, or survive being written and read again", () => {
    const source = random(1);
    const pieces = [
      "a",
      "b0",
      "A",
      ".",
      "..",
      "-",
      "_",
      "__",
      "/",
      "//",
      ":",
      "@",
      "localhost",
      "foo.com",
      "docker.io",
    ];
    const more = ["library", "5000", digest, hex, " ", "\u0000", "é", "[::1]", "sha256:", "latest", "index.docker.io"];
    let taken = 0;
    for (let i = 0; i < 10_000; i++) {
      const text = Array.from({ length: 1 + source.int(7) }, () => source.pick([...pieces, ...more])).join("");
      const reference = attempt(text);
      if (!reference) continue;
      taken++;
      expect(parseReference(canonicalString(reference))).toEqual(reference);
      const short = familiarString(reference);
      // 64 hex digits alone are an ID, never a name.
      if (!/^[a-f0-9]{64}$/.test(short)) expect(parseReference(short)).toEqual(reference);
    }
    expect(taken).toBeGreaterThan(500);
  });

  test("that follow the grammar are taken", () => {
    const source = random(2);
    const small = "abcdefghijklmnopqrstuvwxyz0123456789";
    const word = () => source.text(small, 1 + source.int(8));
    const component = () =>
      word() + Array.from({ length: source.int(3) }, () => source.pick([".", "_", "__", "-", "---"]) + word()).join("");
    for (let i = 0; i < 10_000; i++) {
      const domain = source.pick(["foo.com", "a.b.c:1", "localhost", "localhost:5000", "[fe80::1]:443", "1.2.3.4"]);
      const path = Array.from({ length: 1 + source.int(4) }, component).join("/");
      const tag = source.int(2)
        ? `:${source.text(`${small}_`, 1)}${source.text(`${small}ABC_.-`, source.int(20))}`
        : "";
      const sum = source.int(3) ? "" : `@sha256:${source.text("0123456789abcdef", 64)}`;
      expect(canonicalString(parseReference(`${domain}/${path}${tag}${sum}`))).toBe(`${domain}/${path}${tag}${sum}`);
    }
  });
});

function attempt(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidReferenceError);
    return undefined;
  }
}
