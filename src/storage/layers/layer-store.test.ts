import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { mount, unmount } from "../../sys/mount.ts";
import type { Digest } from "../content/content.ts";
import { type BlobFolder, createContentStore } from "../content/content-store.ts";
import { digestOf } from "../content/digest.ts";
import { describeTree } from "../copy/example.ts";
import { createLayerStore, type LayerFolder } from "./layer-store.ts";
import type { LayerSource } from "./layers.ts";
import { archive, type Example, seeded } from "./tar/example.ts";
import type { TarLimits } from "./tar/tar.ts";

const gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
const zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
const plain = "application/vnd.oci.image.layer.v1.tar";

let folder: string;
let content: BlobFolder;
let layers: LayerFolder;
const open = (limits: Partial<TarLimits> = {}) => {
  content = createContentStore(join(folder, "content"));
  layers = createLayerStore({ root: join(folder, "layers"), content, form: "trusted", limits });
};
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-layers-"));
  open();
});
afterEach(async () => {
  await layers.settled();
  layers.close();
  rmSync(folder, { recursive: true });
});

const tar = archive([
  { name: "etc/", type: "5" },
  { name: "etc/motd", data: "hello\n" },
  { name: "big", data: Buffer.alloc(3_000_000, "0123456789") },
]);

function sourceOf(blob: Uint8Array, mediaType = gzip, uncompressed: Uint8Array = tar): LayerSource {
  return { descriptor: { mediaType, digest: digestOf(blob), size: blob.length }, diffId: digestOf(uncompressed) };
}

/** A stream of small chunks; `between` is awaited between two. */
function body(bytes: Uint8Array, between?: () => Promise<void>, chunk = 50_001): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    async pull(controller) {
      await between?.();
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + chunk));
      at += chunk;
    },
  });
}

/** Nothing of the layer is there, nor anything half-made. */
async function expectNothing(): Promise<void> {
  await layers.settled();
  expect(layers.list()).toEqual([]);
  expect(await content.list()).toEqual([]);
  for (const name of ["content/ingest", "layers/ingest", "layers/sha256"])
    expect(readdirSync(join(folder, name))).toEqual([]);
}

async function expectWhole(source: LayerSource): Promise<void> {
  expect(layers.has(source.diffId)).toBe(true);
  const directory = layers.directory(source.diffId);
  expect(readFileSync(join(directory, "etc/motd"), "utf8")).toBe("hello\n");
  expect(readFileSync(join(directory, "big")).length).toBe(3_000_000);
  expect(layers.size(source.diffId)).toBe(3_000_006);
  const { digest } = source.descriptor;
  expect(digestOf(readFileSync(content.path(digest)), digest)).toBe(digest);
  await layers.settled();
  expect(readdirSync(join(folder, "layers/ingest"))).toEqual([]);
}

describe("a layer comes in", () => {
  test.each<[string, Uint8Array, string]>([
    ["gzip", gzipSync(tar), gzip],
    ["gzip in two members", Buffer.concat([gzipSync(tar.subarray(0, 700)), gzipSync(tar.subarray(700))]), gzip],
    ["zstd", zstdCompressSync(tar), zstd],
    [
      "zstd in two frames",
      Buffer.concat([zstdCompressSync(tar.subarray(0, 700)), zstdCompressSync(tar.subarray(700))]),
      zstd,
    ],
    ["plain", tar, plain],
    ["gzip, Docker's media type", gzipSync(tar), "application/vnd.docker.image.rootfs.diff.tar.gzip"],
    ["a media type that says nothing", zstdCompressSync(tar), "application/octet-stream"],
  ])("%s", async (_, blob, mediaType) => {
    const source = sourceOf(blob, mediaType);
    const progress: number[] = [];
    let downloaded = 0;
    await layers.ingest(source, body(blob), {
      onProgress: (bytes) => progress.push(bytes),
      onDownloaded: () => downloaded++,
    });
    await expectWhole(source);
    expect(downloaded).toBe(1);
    expect(progress.at(-1)).toBe(blob.length);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
  });

  test("and is there after a restart", async () => {
    const blob = gzipSync(tar);
    const source = sourceOf(blob);
    await layers.ingest(source, body(blob));
    layers.close();
    open();
    await expectWhole(source);
    expect(layers.describe(source.diffId)).toMatchObject({ implied: [""], entries: 3, opaque: false });
  });

  test("with nothing in it", async () => {
    for (const empty of [new Uint8Array(), Buffer.alloc(1024)]) {
      await layers.ingest(sourceOf(empty, plain, empty), body(empty));
      expect(readdirSync(layers.directory(digestOf(empty)))).toEqual([]);
    }
  });

  test("by a sha512 digest", async () => {
    const blob = gzipSync(tar);
    const source = sourceOf(blob);
    source.descriptor.digest = digestOf(blob, `sha512:${"0".repeat(128)}`);
    source.diffId = digestOf(tar, source.descriptor.digest);
    await layers.ingest(source, body(blob));
    await expectWhole(source);
  });

  test("from the blob that is there already, without its body", async () => {
    const blob = gzipSync(tar);
    const source = sourceOf(blob);
    await content.put(blob);
    let cancelled = false;
    const unread = new ReadableStream<Uint8Array>({
      cancel() {
        cancelled = true;
      },
    });
    await layers.ingest(source, unread);
    await expectWhole(source);
    expect(cancelled).toBe(true);
    await layers.remove(source.diffId);
    expect(layers.has(source.diffId)).toBe(false);
    expect(existsSync(layers.directory(source.diffId))).toBe(false);
    await layers.unpack(source);
    await expectWhole(source);
  });

  test("from its body when the blob went bad on the disk", async () => {
    const blob = gzipSync(tar);
    const source = sourceOf(blob);
    await content.put(blob);
    writeFileSync(content.path(source.descriptor.digest), Buffer.from(blob).fill(7, 1000, 2000));
    await expect(layers.unpack(source)).rejects.toThrow(source.descriptor.digest);
    await layers.ingest(source, body(blob));
    await expectWhole(source);
  });

  test("once for many who ask", async () => {
    const blob = gzipSync(tar);
    const source = sourceOf(blob);
    let started = 0;
    const ask = () =>
      layers.ingest(
        source,
        body(blob, async () => {
          started++;
        }),
      );
    await Promise.all([ask(), ask(), ask()]);
    const alone = started;
    await layers.remove(source.diffId);
    await content.remove(source.descriptor.digest);
    started = 0;
    await ask();
    // A stream reads ahead by one chunk before anybody asks.
    expect(alone).toBeLessThanOrEqual(started + 2);
    await expectWhole(source);
  });

  test("from the next who asks when the first one fails", async () => {
    const blob = gzipSync(tar);
    const source = sourceOf(blob);
    const broken = body(blob.subarray(0, 3000), undefined, 1000);
    const [first, second] = await Promise.allSettled([
      layers.ingest(source, broken),
      layers.ingest(source, body(blob)),
    ]);
    expect(first.status).toBe("rejected");
    expect(second.status).toBe("fulfilled");
    await expectWhole(source);
  });

  test("six at a time", async () => {
    const many = Array.from({ length: 6 }, (_, i) =>
      archive([
        { name: "etc/motd", data: "hello\n" },
        { name: "n", data: `${i}`.repeat(500_000) },
      ]),
    );
    await Promise.all(many.map((one) => layers.ingest(sourceOf(gzipSync(one), gzip, one), body(gzipSync(one)))));
    expect(layers.list().sort()).toEqual(many.map((one) => digestOf(one)).sort());
    for (const [i, one] of many.entries()) {
      expect(readFileSync(join(layers.directory(digestOf(one)), "n"), "latin1")).toBe(`${i}`.repeat(500_000));
    }
  });
});

describe("refused, and nothing is kept", () => {
  const blob = gzipSync(tar);
  const zero = `sha256:${"0".repeat(64)}` as Digest;
  const wrongDigest = { ...sourceOf(blob), descriptor: { ...sourceOf(blob).descriptor, digest: zero } };
  const other = gzipSync(Buffer.from("not a tar archive at all, whatever it may be".repeat(30)));
  const withGarbage = Buffer.concat([blob, Buffer.from("garbage")]);
  const zstdGarbage = Buffer.concat([zstdCompressSync(tar), Buffer.from("garbage")]);
  const tarGarbage = Buffer.concat([tar, Buffer.from("garbage")]);
  const half = gzipSync(tar.subarray(0, 5000));
  const cut = blob.subarray(0, blob.length - 100);
  const escaping = archive([{ name: "../x", data: "x" }]);

  test.each<[string, LayerSource, Uint8Array, RegExp]>([
    ["a wrong digest", wrongDigest, blob, /has the digest sha256:[0-9a-f]{64}, not sha256:000/],
    [
      "a wrong diff ID",
      { ...sourceOf(blob), diffId: zero },
      blob,
      /has the diff ID sha256:[0-9a-f]{64}, not sha256:000/,
    ],
    ["a blob that is cut off", sourceOf(blob), blob.subarray(0, blob.length - 1), /ends after \d+ bytes of the \d+/],
    ["a blob that goes on", sourceOf(blob), withGarbage, /longer than the \d+ bytes/],
    ["an empty blob", sourceOf(blob), new Uint8Array(), /ends after 0 bytes/],
    ["garbage behind gzip", sourceOf(withGarbage), withGarbage, /gzip data are broken/],
    ["garbage behind zstd", sourceOf(zstdGarbage, zstd), zstdGarbage, /something follows|are broken/],
    [
      "garbage behind the archive",
      sourceOf(tarGarbage, plain, tarGarbage),
      tarGarbage,
      /follows the end of the archive/,
    ],
    ["gzip data that are cut off", sourceOf(cut), cut, /gzip data are broken/],
    ["an archive that is cut off", sourceOf(half, gzip, tar.subarray(0, 5000)), half, /ends in the middle/],
    ["what is no archive", sourceOf(other), other, /checksum/],
    ["gzip that should be plain", sourceOf(blob, plain), blob, /it is gzip data, but its media type is/],
    ["plain that should be gzip", sourceOf(tar, gzip), tar, /it is not compressed, but its media type is/],
    ["a name that leads out", sourceOf(escaping, plain, escaping), escaping, /leads out of the layer/],
  ])("%s", async (_, source, bytes, message) => {
    const failure = await layers.ingest(source, body(bytes)).then(
      () => undefined,
      (error: Error) => error.message,
    );
    expect(failure).toMatch(message);
    expect(failure).toContain(source.descriptor.digest);
    await expectNothing();
  });

  test("what is no digest", async () => {
    const source = { ...sourceOf(blob), diffId: "sha256:../../../etc" as Digest };
    await expect(layers.ingest(source, body(blob))).rejects.toThrow("is not a digest");
    await expectNothing();
  });

  test("bombs", async () => {
    layers.close();
    open({ bytes: 1 << 20, entries: 100 });
    const large = archive([{ name: "zeros", data: Buffer.alloc(50 << 20) }]);
    const bomb = gzipSync(large);
    expect(bomb.length).toBeLessThan(100_000);
    await expect(layers.ingest(sourceOf(bomb, gzip, large), body(bomb))).rejects.toThrow("more than 1048576 bytes");
    const many = archive(Array.from({ length: 101 }, (_, i): Example => ({ name: `${i}` })));
    await expect(layers.ingest(sourceOf(many, plain, many), body(many))).rejects.toThrow("more than 100 entries");
    await expectNothing();
  });

  test("a body that fails: with its own error", async () => {
    const source = sourceOf(blob);
    let count = 0;
    const failing = body(
      blob,
      async () => {
        if (++count === 3) throw new Error("the registry hung up");
      },
      500,
    );
    await expect(layers.ingest(source, failing)).rejects.toThrow("the registry hung up");
    await expectNothing();
  });

  test("when it is given up, also while the body hangs", async () => {
    const controller = new AbortController();
    let count = 0;
    const hanging = body(blob, () => (++count < 3 ? Promise.resolve() : new Promise(() => {})), 500);
    const done = layers.ingest(sourceOf(blob), hanging, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("no more interest")), 20);
    await expect(done).rejects.toThrow("no more interest");
    await expectNothing();
    const before = AbortSignal.abort(new Error("never wanted"));
    await expect(layers.ingest(sourceOf(blob), body(blob), { signal: before })).rejects.toThrow("never wanted");
    await expectNothing();
  });

  test("an error is told while the body hangs", async () => {
    const bytes = gzipSync(Buffer.from(seededBytes(600_000)));
    let count = 0;
    const hanging = body(bytes, () => (++count < 8 ? Promise.resolve() : new Promise(() => {})), 50_000);
    await expect(layers.ingest(sourceOf(bytes), hanging)).rejects.toThrow("checksum");
    await expectNothing();
  });

  test("when the disk is full, by name", async () => {
    layers.close();
    const small = join(folder, "small");
    mkdirSync(small);
    mount("tmpfs", small, "tmpfs", 0, "size=8m");
    const outer = folder;
    try {
      folder = small;
      open();
      const data = archive([{ name: "big", data: Buffer.from(seededBytes(12 << 20)) }]);
      for (const bytes of [data, gzipSync(data)]) {
        const failure = layers.ingest(sourceOf(bytes, "", data), body(bytes));
        await expect(failure).rejects.toThrow(new RegExp(`${digestOf(bytes)}.*no space left on device`, "i"));
        await expectNothing();
      }
      await layers.ingest(sourceOf(blob), body(blob));
      await expectWhole(sourceOf(blob));
      layers.close();
    } finally {
      folder = outer;
      unmount(small, { lazy: true });
    }
    open();
  });
});

function seededBytes(length: number): Uint8Array {
  const random = seeded(3);
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

test("a process that is killed at any moment leaves nothing half-made", async () => {
  layers.close();
  const contents = [1, 2].map((n) =>
    archive(
      Array.from(
        { length: 700 },
        (_, i): Example => ({ name: `d${i % 20}/f${i}`, data: `${n}`.repeat(i * 3), uid: i }),
      ),
    ),
  );
  const blobs = contents.map((one) => gzipSync(one));
  const files = blobs.map((blob, i) => {
    const file = join(folder, `layer${i}`);
    writeFileSync(file, blob);
    return file;
  });
  open();
  for (const [i, blob] of blobs.entries()) await layers.ingest(sourceOf(blob, "", contents[i]), body(blob));
  const expected = await Promise.all(contents.map((one) => describeTree(layers.directory(digestOf(one)))));

  const random = seeded(11);
  for (let round = 0; round < 12; round++) {
    layers.close();
    const child = Bun.spawn([process.execPath, join(import.meta.dir, "ingest.example.ts"), folder, ...files], {
      stdout: "pipe",
      stderr: "inherit",
    });
    await child.stdout.getReader().read();
    await Bun.sleep(random() * 150);
    child.kill("SIGKILL");
    await child.exited;
    open();
    await layers.settled();
    for (const [i, one] of contents.entries()) {
      const diffId = digestOf(one);
      if (!layers.has(diffId)) continue;
      expect(layers.describe(diffId).entries).toBe(700);
      expect(await describeTree(layers.directory(diffId))).toEqual(expected[i] as Record<string, string>);
      // A layer never comes before its blob; they are removed in the other order.
      expect(content.has(digestOf(blobs[i] as Uint8Array))).toBe(true);
    }
    for (const digest of await content.list()) expect(digestOf(await content.read(digest))).toBe(digest);
    for (const name of ["content/ingest", "layers/ingest"]) expect(readdirSync(join(folder, name))).toEqual([]);
  }
}, 60_000);
