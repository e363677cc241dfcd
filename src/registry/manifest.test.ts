import { describe, expect, test } from "bun:test";
import type { Platform } from "../storage/content/content.ts";
import { linux } from "./lab/lab.ts";
import { random } from "./lab/random.ts";
import { chooseEntries, ManifestError, mediaTypes, type ParsedIndex, parseManifest } from "./manifest.ts";

const digest = `sha256:${"a".repeat(64)}`;
const bytes = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const config = { mediaType: mediaTypes.ociConfig, digest, size: 2 };
const layer = { mediaType: mediaTypes.ociLayer, digest, size: 3 };
const manifest = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config, layers: [layer] };
const index = { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] as unknown[] };
const parse = (value: unknown, type: string | null = null) => parseManifest(bytes(value), type, "a:1");

describe("parseManifest", () => {
  test("takes OCI's and Docker's, with and without types inside", () => {
    expect(parse(manifest, mediaTypes.ociManifest)).toMatchObject({ kind: "manifest", layers: [layer], config });
    expect(parse({ ...manifest, mediaType: undefined }, `${mediaTypes.ociManifest}; charset=utf-8`).kind).toBe(
      "manifest",
    );
    expect(parse({ ...manifest, mediaType: undefined }).kind).toBe("manifest");
    expect(parse(manifest, "application/json").kind).toBe("manifest");
    expect(parse({ ...manifest, mediaType: mediaTypes.dockerManifest }, mediaTypes.dockerManifest).kind).toBe(
      "manifest",
    );
    expect(parse(index, mediaTypes.ociIndex).kind).toBe("index");
    expect(parse({ ...index, mediaType: undefined }).kind).toBe("index");
    expect(parse({ ...index, mediaType: mediaTypes.dockerList }, mediaTypes.dockerList).kind).toBe("index");
  });

  const refused: [string, unknown, string | null, RegExp][] = [
    ["what is not JSON", "<html>", null, /the manifest of a:1 is not JSON/],
    ["a list", [], null, /not a JSON object/],
    ["null", "null", null, /not a JSON object/],
    [
      "schema 1 by its type",
      { schemaVersion: 1 },
      "application/vnd.docker.distribution.manifest.v1+prettyjws",
      /schema 1/,
    ],
    ["schema 1 by its version", { schemaVersion: 1, fsLayers: [] }, "application/json", /schema 1/],
    ["another version", { ...manifest, schemaVersion: 3 }, null, /schemaVersion 3, not 2/],
    ["two types", manifest, mediaTypes.ociIndex, /came as .*index.* and says that it is .*manifest/],
    ["a manifest that is an index, too", { ...manifest, manifests: [] }, null, /field of another kind: manifests/],
    ["an index that is a manifest, too", { ...index, layers: [] }, null, /field of another kind: layers/],
    ["a page", "{}", "text/html", /unsupported media type text\/html/],
    ["no config", { ...manifest, config: undefined }, null, /the config of a:1: not a descriptor/],
    [
      "another kind of config",
      { ...manifest, config: { ...config, mediaType: "application/vnd.cncf.helm.config.v1+json" } },
      null,
      /encountered remote "application\/vnd.cncf.helm.config.v1\+json"/,
    ],
    [
      "encrypted layers",
      { ...manifest, layers: [{ ...layer, mediaType: `${mediaTypes.ociLayer}+encrypted` }] },
      null,
      /unsupported media type/,
    ],
    [
      "a short digest",
      { ...manifest, layers: [{ ...layer, digest: "sha256:aa" }] },
      null,
      /entry 0.*invalid digest "sha256:aa"/,
    ],
    [
      "a path as digest",
      { ...manifest, layers: [{ ...layer, digest: `sha256:../../${"a".repeat(58)}` }] },
      null,
      /invalid digest/,
    ],
    ["a negative size", { ...manifest, layers: [{ ...layer, size: -1 }] }, null, /invalid size -1/],
    ["a size that is text", { ...manifest, layers: [{ ...layer, size: "3" }] }, null, /invalid size "3"/],
    ["a size beyond counting", { ...manifest, layers: [{ ...layer, size: 1e300 }] }, null, /invalid size/],
    ["layers that are no list", { ...manifest, layers: {} }, null, /not a list/],
    ["thousands of layers", { ...manifest, layers: Array(2000).fill(layer) }, null, /2000 entries, at most 1024/],
    ["an index of nothing", { ...index, manifests: [null] }, null, /not a descriptor/],
    ["a million brackets", "[".repeat(1 << 20), null, /is not JSON/],
  ];
  for (const [what, value, type, message] of refused) {
    test(`refuses ${what}`, () => {
      expect(() => parse(value, type)).toThrow(ManifestError);
      expect(() => parse(value, type)).toThrow(message);
    });
  }

  test("10,000 random changes of a right one are taken or refused, never more", () => {
    const source = random(7);
    const values = [null, true, -1, 1e308, "", "x", [], {}, [null], { digest }, digest, [layer], mediaTypes.ociIndex];
    for (let i = 0; i < 10_000; i++) {
      const changed = structuredClone(source.int(2) ? manifest : { ...index, manifests: [layer] }) as Record<
        string,
        unknown
      >;
      for (let n = source.int(4); n >= 0; n--) {
        let place = changed;
        for (let depth = source.int(3); depth > 0; depth--) {
          const inner = place[source.pick(Object.keys(place).concat("x"))];
          if (typeof inner === "object" && inner !== null) place = inner as Record<string, unknown>;
        }
        place[source.pick([...Object.keys(place), "manifests", "layers", "platform"])] = structuredClone(
          source.pick<unknown>(values),
        );
      }
      try {
        const parsed = parse(changed, source.pick([null, mediaTypes.ociManifest, mediaTypes.ociIndex, "text/plain"]));
        if (parsed.kind === "index") chooseEntries(parsed, linux, "a:1");
      } catch (error) {
        expect(error).toBeInstanceOf(ManifestError);
      }
    }
  });
});

describe("chooseEntries", () => {
  const entry = (platform: Platform | undefined, more: object = {}) => ({
    mediaType: mediaTypes.ociManifest,
    digest,
    size: 1,
    ...(platform ? { platform } : {}),
    ...more,
  });
  const choose = (entries: object[], platform: Platform) =>
    chooseEntries(parse({ ...index, manifests: entries }) as ParsedIndex, platform, "a:1");
  const amd64 = entry(linux);
  const v7 = entry({ os: "linux", architecture: "arm", variant: "v7" });
  const v6 = entry({ os: "linux", architecture: "arm", variant: "v6" });
  const arm64 = entry({ os: "linux", architecture: "arm64", variant: "v8" });
  const attestation = entry(
    { os: "unknown", architecture: "unknown" },
    { annotations: { "vnd.docker.reference.type": "attestation-manifest" } },
  );

  test("takes the best for the platform, and the first of equals", () => {
    const all = [v6, attestation, amd64, v7, arm64, { ...amd64, size: 9 }];
    expect(choose(all, linux)[0]).toMatchObject(amd64);
    expect(choose(all, { os: "linux", architecture: "arm", variant: "v7" })[0]).toMatchObject(v7);
    expect(choose(all, { os: "linux", architecture: "arm64" })[0]).toMatchObject(arm64);
    expect(choose([v6, v7], { os: "linux", architecture: "arm64" })[0]).toMatchObject(v7);
  });

  test("says which platforms there are", () => {
    expect(() => choose([amd64, v7, attestation, amd64], { os: "linux", architecture: "s390x" })).toThrow(
      "no matching manifest for linux/s390x in the manifest list entries: a:1 is there for linux/amd64, linux/arm/v7",
    );
    expect(() => choose([attestation], linux)).toThrow(/is there for no platform$/);
  });

  test("takes one that names no platform only when none fits", () => {
    const nameless = entry(undefined, { size: 5 });
    expect(choose([nameless, amd64], linux)[0]).toMatchObject(amd64);
    expect(choose([nameless, v7], linux)[0]).toMatchObject(nameless);
  });
});
