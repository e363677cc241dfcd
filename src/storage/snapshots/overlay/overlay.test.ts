import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listMounts, mount, unmount } from "../../../sys/mount.ts";
import { createContentStore } from "../../content/content-store.ts";
import { digestOf } from "../../content/digest.ts";
import { archive } from "../../layers/tar/example.ts";
import { type OpenedDriver, testSnapshots } from "../suite.ts";
import { checkDataRoot } from "./check.ts";
import { useSingleLayers } from "./merge.ts";
import { createOverlaySnapshots } from "./overlay.ts";

function open(
  folder: string,
  form: "trusted" | "user" = "trusted",
): OpenedDriver & { snapshots: ReturnType<typeof createOverlaySnapshots> } {
  const content = createContentStore(join(folder, "content"));
  const snapshots = createOverlaySnapshots({ root: join(folder, "overlay"), content, form });
  return {
    snapshots,
    async close() {
      await snapshots.settled();
      snapshots.close();
    },
  };
}

describe("overlay", () => testSnapshots((folder) => open(folder)));

describe("overlay with attributes of the user form", () => testSnapshots((folder) => open(folder, "user")));

describe("overlay by mount(2), as on kernels before 6.7", () => {
  beforeAll(() => useSingleLayers(false));
  afterAll(() => useSingleLayers(undefined));
  testSnapshots((folder) => open(folder));
});

// Long enough that no layer's name fits into one fsconfig(2), with what mount(2)'s options quote.
describe("overlay in a folder with a long and odd name", () => {
  const place = (folder: string) => open(join(folder, "a,b:c\\d é", "x".repeat(200)));
  describe("by the newer calls", () => testSnapshots(place));
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-overlay-"));
});
afterEach(() => {
  for (const { target } of listMounts().toReversed()) if (target.startsWith(folder)) unmount(target, { lazy: true });
  rmSync(folder, { recursive: true });
});

const id = "a".repeat(64);

describe("a data root", () => {
  test("on an overlay is refused by name", () => {
    const [lower, upper, work, merged] = ["lower", "upper", "work", "merged"].map((name) => {
      mkdirSync(join(folder, name));
      return join(folder, name);
    });
    mount("overlay", merged as string, "overlay", 0, `lowerdir=${lower},upperdir=${upper},workdir=${work}`);
    const inside = join(merged as string, "var/lib/gantry");
    expect(checkDataRoot(inside)).toMatch(/var\/lib\/gantry lies on overlayfs/);
    expect(() => open(inside)).toThrow(/lies on overlayfs .*--data-root/);
  });

  test("on an ordinary file system is fine, there or not", () => {
    expect(checkDataRoot(folder)).toBeUndefined();
    expect(checkDataRoot(join(folder, "not/there"))).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
  });
});

test("what a killed process left half-made is swept, mounts too", async () => {
  const first = open(folder);
  await first.snapshots.prepare(id, []);
  const root = first.snapshots.mount(id);
  writeFileSync(join(root, "file"), "kept");
  await first.close();
  const removed = join(folder, "overlay/removed");
  mkdirSync(join(removed, "half/merged"), { recursive: true });
  mount("tmpfs", join(removed, "half/merged"), "tmpfs");
  mkdirSync(join(folder, "overlay/snapshots", id, "mapped/0"), { recursive: true });
  mount("tmpfs", join(folder, "overlay/snapshots", id, "mapped/0"), "tmpfs");
  mkdirSync(join(folder, "overlay/layers/ingest/half/diff"), { recursive: true });
  const second = open(folder);
  await second.snapshots.settled();
  expect(readdirSync(removed)).toEqual([]);
  expect(readdirSync(join(folder, "overlay/layers/ingest"))).toEqual([]);
  const left = listMounts().filter(({ target }) => target.startsWith(folder));
  expect(left.map(({ target }) => target)).toEqual([root]);
  expect(readFileSync(join(root, "file"), "utf8")).toBe("kept");
  await second.close();
});

test("a tree deeper than a path can tell is measured, compared and removed", async () => {
  const { snapshots, close } = open(folder);
  await snapshots.prepare(id, []);
  const root = snapshots.mount(id);
  // As a container would make it: by a working directory that goes down.
  const script = `cd "$1" && for i in $(seq 60); do mkdir ${"d".repeat(200)} && cd ${"d".repeat(200)} || exit 1; done; echo x > f`;
  expect(Bun.spawnSync(["bash", "-c", script, "bash", root]).exitCode).toBe(0);
  expect((await snapshots.changes(id))[0]?.kind).toBe("added");
  expect(await snapshots.usage(id)).toBe(0);
  await snapshots.remove(id);
  await snapshots.settled();
  expect(readdirSync(join(folder, "overlay/removed"))).toEqual([]);
  await close();
});

test("describes itself as Docker's overlay2", async () => {
  const { snapshots, close } = open(folder);
  const bytes = archive([{ name: "a", data: "x" }]);
  const digest = digestOf(bytes);
  await snapshots.layers.ingest(
    { descriptor: { mediaType: "", digest, size: bytes.length }, diffId: digest },
    new Blob([bytes]).stream(),
  );
  await snapshots.prepare(id, [digest]);
  expect(snapshots.driver).toBe("overlay2");
  const { LowerDir, MergedDir, UpperDir, WorkDir } = snapshots.describe(id);
  expect(LowerDir?.split(":")).toHaveLength(2);
  for (const path of [...(LowerDir?.split(":") ?? []), MergedDir, UpperDir, WorkDir])
    expect(existsSync(path as string)).toBe(true);
  expect(MergedDir).toBe(snapshots.root(id));
  await close();
});
