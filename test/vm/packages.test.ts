import { expect, test } from "bun:test";
import { closure, mirror, parseDepends, parseList, sources } from "./packages.ts";

const depends = `iproute2
 |Depends: debconf
  Depends: <debconf-2.0>
    cdebconf
    debconf
  Depends: libc6
    libc6-udeb
kernel
  PreDepends: base
 |Depends: first
  Depends: <virtual>
    second
  Depends: <other-virtual>
    provider
    provider-2
<virtual>
libc6
  Depends: libgcc-s1
libgcc-s1
  Depends: libc6
debconf
`;

test("reads dependencies, the first of alternatives and of providers", () => {
  const graph = parseDepends(depends);
  expect(graph.get("iproute2")).toEqual(["debconf", "libc6"]);
  expect(graph.get("kernel")).toEqual(["base", "first", "provider"]);
  expect(graph.get("debconf")).toEqual([]);
});

test("walks circles, and leaves out what is skipped", () => {
  expect(closure(parseDepends(depends), ["iproute2"], new Set(["debconf"]))).toEqual([
    "iproute2",
    "libc6",
    "libgcc-s1",
  ]);
});

test("lists have comments", () => {
  expect(parseList("# head\na\n\n b # why\n")).toEqual(["a", "b"]);
});

test("finds this machine's mirror", () => {
  const known = "http://x/debian-security/ Debian-Security\nhttp://m/mirror/ Debian\nhttp://n/debian/ Debian\n";
  expect(mirror(known)).toBe("http://m/mirror/");
  expect(mirror("http://x/node/ \nhttp://y/debian-security/ \nhttp://y/debian/ \n")).toBe("http://y/debian/");
  expect(mirror("http://archive/ubuntu/ Ubuntu\n")).toBeUndefined();
});

test("writes a sources file", () => {
  expect(sources("http://m/debian/", "trixie", "/k.gpg")).toBe(
    "Types: deb\nURIs: http://m/debian/\nSuites: trixie\nComponents: main\nSigned-By: /k.gpg\n",
  );
});
