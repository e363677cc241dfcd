import { describe, expect, test } from "bun:test";
import { proxyFor, proxyFromEnvironment } from "./proxy.ts";
import { inRange, parseRange } from "./range.ts";

describe("proxyFor", () => {
  const settings = { http: "http://plain:3128", https: "proxy.test:8443" };
  const through = (url: string, no = "") => proxyFor(new URL(url), { ...settings, no })?.href;

  test("chooses by scheme", () => {
    expect(through("http://a.test/")).toBe("http://plain:3128/");
    expect(through("https://a.test/")).toBe("http://proxy.test:8443/");
    expect(proxyFor(new URL("https://a.test/"), { http: "http://plain:3128" })).toBeUndefined();
  });

  test("leaves loopback alone", () => {
    for (const host of ["localhost:5000", "127.0.0.1", "127.9.9.9:1", "[::1]:5000"]) {
      expect(through(`https://${host}/`)).toBeUndefined();
    }
  });

  const exempt: [string, string, boolean][] = [
    ["*", "https://a.test/", true],
    ["a.test", "https://a.test/", true],
    ["a.test", "https://b.a.test/", true],
    ["a.test", "https://ba.test/", false],
    [".a.test", "https://a.test/", false],
    [".a.test", "https://b.a.test/", true],
    ["*.a.test", "https://b.a.test/", true],
    ["a.test:443", "https://a.test/", true],
    ["a.test:5000", "https://a.test/", false],
    [" x , A.Test ", "https://a.test/", true],
    ["10.0.0.0/8", "https://10.1.2.3/", true],
    ["10.0.0.0/8", "https://11.1.2.3/", false],
    ["10.1.2.3:443", "https://10.1.2.3/", true],
    ["fd00::/8", "https://[fd00::1]/", true],
    ["", "https://a.test/", false],
  ];
  for (const [no, url, expected] of exempt) {
    test(`NO_PROXY=${JSON.stringify(no)} and ${url}`, () => expect(through(url, no) === undefined).toBe(expected));
  }

  test("refuses other kinds of proxies without telling their password", () => {
    expect(() => proxyFor(new URL("https://a.test/"), { https: "socks5://me:secret@p:1" })).toThrow(
      /only http:\/\/ and https:\/\/ proxies/,
    );
    expect(() => proxyFor(new URL("https://a.test/"), { https: "socks5://me:secret@p:1" })).not.toThrow(/secret/);
    expect(() => proxyFor(new URL("https://a.test/"), { https: "http://a b" })).toThrow(/invalid proxy address/);
  });

  test("reads the environment", () => {
    expect(proxyFromEnvironment({ http_proxy: "a", HTTPS_PROXY: "b", no_proxy: "c", NO_PROXY: "" })).toEqual({
      http: "a",
      https: "b",
      no: "c",
    });
  });
});

describe("ranges", () => {
  const cases: [string, string, boolean][] = [
    ["127.0.0.0/8", "127.1.2.3", true],
    ["127.0.0.0/8", "128.0.0.1", false],
    ["0.0.0.0/0", "9.9.9.9", true],
    ["1.2.3.4", "1.2.3.4", true],
    ["1.2.3.4", "1.2.3.5", false],
    ["::1/128", "::1", true],
    ["::1/128", "::2", false],
    ["2001:db8::/32", "2001:db8:1::9", true],
    ["2001:db8::/32", "2001:db9::", false],
    ["127.0.0.0/8", "::ffff:127.0.0.1", true],
    ["::/0", "1.2.3.4", false],
    ["127.0.0.0/8", "localhost", false],
  ];
  for (const [range, address, expected] of cases) {
    test(`${address} in ${range}: ${expected}`, () => expect(inRange(address, parseRange(range)!)).toBe(expected));
  }
  for (const text of [
    "",
    "1.2.3",
    "1.2.3.256",
    "1.2.3.4/33",
    "1.2.3.4/x",
    ":::",
    "1::2::3",
    "g::",
    "::1/129",
    "host/8",
  ]) {
    test(`${JSON.stringify(text)} is none`, () => expect(parseRange(text)).toBeUndefined());
  }
});
