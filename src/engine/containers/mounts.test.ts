import { describe, expect, test } from "bun:test";
import type { HostConfig, Mount } from "@docker/node-sdk";
import { readMounts } from "./mounts.ts";

const binds = (...specs: string[]) => readMounts({}, { Binds: specs });
const mounts = (mount: object) => readMounts({}, { Mounts: [mount as Mount] });

describe("readMounts", () => {
  test("reads a bind with its options", () => {
    expect(binds("/host/a/../b:/data:ro,rshared")).toMatchObject([
      { type: "bind", source: "/host/b", destination: "/data", readonly: true, propagation: "rshared", copy: false },
    ]);
  });

  test("reads a named volume, which copies unless told not to", () => {
    expect(binds("cache:/data")).toMatchObject([{ type: "volume", source: "cache", copy: true, anonymous: false }]);
    expect(binds("cache:/data:nocopy")).toMatchObject([{ copy: false }]);
  });

  test("makes anonymous volumes of -v /path and of the image's VOLUME, once for each place", () => {
    const found = readMounts({ Volumes: { "/a": {}, "/b/": {} } }, { Binds: ["/c", "x1:/a"] });
    expect(found.map((one) => [one.source, one.destination, one.anonymous])).toEqual([
      ["", "/c", true],
      ["x1", "/a", false],
      ["", "/b", true],
    ]);
  });

  test("reads the long form", () => {
    expect(mounts({ Type: "tmpfs", Target: "/t", TmpfsOptions: { SizeBytes: 1024, Mode: 0o700 } })).toMatchObject([
      { type: "tmpfs", destination: "/t", tmpfs: { size: 1024, mode: 0o700 } },
    ]);
    expect(mounts({ Type: "volume", Target: "/v" })).toMatchObject([{ type: "volume", source: "", anonymous: true }]);
    expect(mounts({ Type: "bind", Source: "/x", Target: "/y", ReadOnly: true })).toMatchObject([
      { type: "bind", readonly: true, propagation: "rprivate" },
    ]);
  });

  test.each([
    [{ Binds: ["a:b:c:d"] }, "invalid volume specification: 'a:b:c:d'"],
    [{ Binds: ["/a:relative"] }, "'relative' mount path must be absolute"],
    [{ Binds: ["/a:/b:frob"] }, "invalid mode: frob"],
    [{ Binds: ["/a:/"] }, "destination can't be '/'"],
    [{ Binds: ["/a:/b", "/c:/b/"] }, "Duplicate mount point: /b"],
    [{ Binds: ["not/a/name:/b"] }, "includes invalid characters for a local volume name"],
    [{ Binds: ["name:/b:rshared"] }, "invalid mode: rshared"],
    [{ Tmpfs: { "/t": "frob=1" } }, 'invalid tmpfs option "frob=1"'],
    [{ Mounts: [{ Type: "frob", Target: "/a" }] }, 'mount type unknown: "frob"'],
    [{ Mounts: [{ Type: "bind", Target: "/a" }] }, "field Source must not be empty"],
    [{ Mounts: [{ Type: "bind", Source: "x", Target: "/a" }] }, "mount path must be absolute"],
    [{ Mounts: [{ Type: "image", Source: "x", Target: "/a" }] }, "not there yet"],
  ])("refuses %j", (host, message) => {
    expect(() => readMounts({}, host as HostConfig)).toThrow(message);
  });
});
