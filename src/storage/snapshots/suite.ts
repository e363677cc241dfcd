/** What every snapshot driver must do. A driver's test calls `testSnapshots` with a way to open it in a folder. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listMounts, unmount } from "../../sys/mount.ts";
import { toBytes } from "../../sys/names.ts";
import { getXattr, setXattr } from "../../sys/xattr.ts";
import type { Digest } from "../content/content.ts";
import { digestOf } from "../content/digest.ts";
import { capability, describeTree, makeRandomTree } from "../copy/example.ts";
import { archive, type Example, pax, seeded } from "../layers/tar/example.ts";
import type { Snapshots } from "./snapshots.ts";

export interface OpenedDriver {
  snapshots: Snapshots;
  /** Waits for what goes on in the background, and lets go of the folder; mounts stay. */
  close(): Promise<void>;
}

const bytes = (...parts: string[]) => toBytes(join(...parts));

/** Places that a driver may add to every root, as Docker does. */
const added = /^(?:\.dockerenv|dev|dev\/(?:console|pts|shm)|etc|etc\/(?:hostname|hosts|mtab|resolv\.conf)|proc|sys)$/;

export function testSnapshots(open: (folder: string) => OpenedDriver): void {
  let folder: string;
  let driver: OpenedDriver;
  let snapshots: Snapshots;
  const restart = async (): Promise<void> => {
    await driver.close();
    driver = open(folder);
    snapshots = driver.snapshots;
  };
  beforeEach(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), "gantry-snapshots-")));
    driver = open(folder);
    snapshots = driver.snapshots;
  });
  afterEach(async () => {
    await driver.close();
    for (const { target } of listMounts().toReversed()) if (target.startsWith(folder)) unmount(target, { lazy: true });
    rmSync(folder, { recursive: true });
  });

  const id = (n: number): string => n.toString(16).padStart(64, "0");
  const ingest = async (bytes: Uint8Array): Promise<Digest> => {
    const digest = digestOf(bytes);
    const descriptor = { mediaType: "application/vnd.oci.image.layer.v1.tar", digest, size: bytes.length };
    await snapshots.layers.ingest({ descriptor, diffId: digest }, new Blob([bytes]).stream());
    return digest;
  };
  const layer = (...entries: (Example | Uint8Array)[]) => ingest(archive(entries));
  const mountOf = async (n: number, chain: Digest[]): Promise<string> => {
    await snapshots.prepare(id(n), chain);
    return snapshots.mount(id(n));
  };
  const names = (path: string) =>
    readdirSync(path)
      .filter((name) => !added.test(name))
      .sort();

  describe("a root", () => {
    test("of no layers is empty but for the places of mounts, and can be written", async () => {
      const root = await mountOf(1, []);
      expect(names(root)).toEqual([]);
      expect(lstatSync(root)).toMatchObject({ uid: 0, gid: 0 });
      expect(lstatSync(root).mode & 0o7777).toBe(0o755);
      writeFileSync(join(root, "file"), "x");
      expect(await snapshots.changes(id(1))).toEqual([{ path: "/file", kind: "added" }]);
    });

    test("shows layers on top of each other, and takes writes that others do not see", async () => {
      const base = await layer({ name: "a", data: "base" }, { name: "d/", type: "5" }, { name: "d/x", data: "1" });
      const top = await layer({ name: "a", data: "top" }, { name: "d/", type: "5" }, { name: "d/y", data: "2" });
      const [one, two] = [await mountOf(1, [base, top]), await mountOf(2, [base])];
      expect(readFileSync(join(one, "a"), "utf8")).toBe("top");
      expect(readdirSync(join(one, "d")).sort()).toEqual(["x", "y"]);
      writeFileSync(join(one, "a"), "written");
      expect(readFileSync(join(two, "a"), "utf8")).toBe("base");
      expect(names(two)).toEqual(["a", "d"]);
      expect(snapshots.root(id(1))).toBe(one);
    });

    test("of a random tree is that tree", async () => {
      const source = join(folder, "source");
      mkdirSync(source);
      makeRandomTree(source, seeded(5), 150);
      const file = join(folder, "tar");
      const command = ["tar", "-S", "--format=posix", "--xattrs", "--xattrs-include=*", "-C", source, "-cf", file, "."];
      expect(Bun.spawnSync(command).exitCode).toBe(0);
      const root = await mountOf(1, [await ingest(readFileSync(file))]);
      const seen = Object.entries(await describeTree(root)).filter(([path]) => !added.test(path));
      const wanted = await describeTree(source);
      expect(Object.fromEntries(seen.filter(([path]) => path !== "."))).toEqual(
        Object.fromEntries(Object.entries(wanted).filter(([path]) => path !== ".")),
      );
    });

    test("has the root directory's owner and mode of the topmost layer that lists it", async () => {
      const base = await layer({ name: "./", type: "5", mode: 0o1711, uid: 3, gid: 4 });
      const top = await layer({ name: "x", data: "" });
      const root = await mountOf(1, [base, top]);
      expect(lstatSync(root)).toMatchObject({ uid: 3, gid: 4 });
      expect(lstatSync(root).mode & 0o7777).toBe(0o1711);
    });

    test("hides what whiteouts and opaque directories hide", async () => {
      const base = await layer(
        { name: "gone", data: "x" },
        { name: "d/", type: "5" },
        { name: "d/old", data: "x" },
        { name: "keep/", type: "5" },
        { name: "keep/a", data: "x" },
        { name: "keep/b", data: "x" },
      );
      const top = await layer(
        { name: ".wh.gone" },
        { name: "d/.wh..wh..opq" },
        { name: "d/new", data: "x" },
        { name: "keep/.wh.a" },
      );
      const root = await mountOf(1, [base, top]);
      expect(names(root)).toEqual(["d", "keep"]);
      expect(readdirSync(join(root, "d"))).toEqual(["new"]);
      expect(readdirSync(join(root, "keep"))).toEqual(["b"]);
      const cleared = await mountOf(2, [base, await layer({ name: ".wh..wh..opq" }, { name: "only", data: "x" })]);
      expect(names(cleared)).toEqual(["only"]);
    });

    test("of 127 layers is the 127 layers", async () => {
      const chain: Digest[] = [];
      for (let i = 0; i < 127; i++)
        chain.push(await layer({ name: `f${i}`, data: `${i}` }, { name: "last", data: `${i}` }));
      const root = await mountOf(1, chain);
      expect(names(root)).toHaveLength(128);
      expect(readFileSync(join(root, "last"), "utf8")).toBe("126");
      expect(readFileSync(join(root, "f0"), "utf8")).toBe("0");
      writeFileSync(join(root, "f0"), "new");
      expect(await snapshots.changes(id(1))).toEqual([{ path: "/f0", kind: "modified" }]);
    });

    test("can be mounted read-only", async () => {
      await snapshots.prepare(id(1), [await layer({ name: "a", data: "x" })]);
      const root = snapshots.mount(id(1), { readonly: true });
      expect(() => writeFileSync(join(root, "a"), "y")).toThrow(/read-only/);
    });

    test("has its IDs mapped when asked to, and can be written", async () => {
      const base = await layer(
        { name: "d/", type: "5", uid: 7, gid: 8, mode: 0o777 },
        { name: "d/f", data: "x", uid: 65_535, gid: 0 },
      );
      await snapshots.prepare(id(1), [base, await layer({ name: "g", data: "y" })]);
      const ids = (host: number) => [{ container: 0, host, size: 65_536 }];
      const root = snapshots.mount(id(1), { uids: ids(100_000), gids: ids(300_000) });
      expect(statSync(join(root, "d"))).toMatchObject({ uid: 100_007, gid: 300_008 });
      expect(statSync(join(root, "d/f"))).toMatchObject({ uid: 165_535, gid: 300_000 });
      expect(statSync(root)).toMatchObject({ uid: 100_000, gid: 300_000 });
      chownSync(join(root, "g"), 100_005, 300_006);
      chownSync(root, 100_009, 300_009);
      snapshots.unmount(id(1));
      snapshots.mount(id(1), { uids: ids(100_000), gids: ids(300_000) });
      expect(statSync(join(root, "g"))).toMatchObject({ uid: 100_005, gid: 300_006 });
      expect(statSync(root)).toMatchObject({ uid: 100_009, gid: 300_009 });
      expect(listMounts().filter(({ target }) => target.startsWith(folder))).toHaveLength(1);
    });
  });

  describe("directories that a layer implies but does not list", () => {
    const tmp: Example = { name: "tmp/", type: "5", mode: 0o1777, uid: 11, gid: 12, mtime: 1000 };

    test("keep what they are below", async () => {
      const value = Buffer.from("v").toString("latin1");
      const base = await layer(pax({ "SCHILY.xattr.user.k": value }), tmp, { name: "a/", type: "5", mode: 0o700 });
      const top = await layer({ name: "tmp/x", data: "1" }, { name: "a/b/c", data: "2" });
      const root = await mountOf(1, [base, top, await layer({ name: "tmp/y", data: "3" })]);
      const status = lstatSync(join(root, "tmp"));
      expect(status).toMatchObject({ uid: 11, gid: 12 });
      expect(status.mode & 0o7777).toBe(0o1777);
      expect(status.mtimeMs).toBe(1_000_000);
      expect(getXattr(bytes(root, "tmp"), "user.k")?.toString()).toBe("v");
      expect(lstatSync(join(root, "a")).mode & 0o7777).toBe(0o700);
      expect(lstatSync(join(root, "a/b")).mode & 0o7777).toBe(0o755);
      expect(readdirSync(join(root, "tmp")).sort()).toEqual(["x", "y"]);
      expect(readdirSync(join(root, "a/b"))).toEqual(["c"]);
      expect(await snapshots.changes(id(1))).toEqual([]);
    });

    test("differ from chain to chain, though the layer is shared", async () => {
      const shared = await layer({ name: "tmp/x", data: "1" });
      const one = await mountOf(1, [await layer(tmp), shared]);
      const two = await mountOf(2, [await layer({ ...tmp, mode: 0o711 }), shared]);
      const alone = await mountOf(3, [shared]);
      const mode = (root: string) => lstatSync(join(root, "tmp")).mode & 0o7777;
      expect([mode(one), mode(two), mode(alone)]).toEqual([0o1777, 0o711, 0o755]);
    });

    test("are new where a whiteout, a file, a link or an opaque directory is between", async () => {
      const base = await layer(tmp, { name: "tmp/old", data: "x" });
      const implied = await layer({ name: "tmp/x", data: "1" });
      const between: Example[][] = [
        [{ name: ".wh.tmp" }],
        [{ name: "tmp", data: "file" }],
        [{ name: "tmp", type: "2", link: "elsewhere" }],
        [{ name: ".wh..wh..opq" }],
      ];
      for (const [n, entries] of between.entries()) {
        const root = await mountOf(n + 1, [base, await layer(...entries), implied]);
        expect(lstatSync(join(root, "tmp")).mode & 0o7777).toBe(0o755);
        expect(readdirSync(join(root, "tmp"))).toEqual(["x"]);
      }
    });

    test("are what a layer above them lists", async () => {
      const chain = [await layer(tmp), await layer({ name: "tmp/x", data: "" }), await layer({ ...tmp, mode: 0o500 })];
      expect(lstatSync(join(await mountOf(1, chain), "tmp")).mode & 0o7777).toBe(0o500);
    });
  });

  describe("changes", () => {
    test("of every kind, as docker diff shows them", async () => {
      const base = await layer(
        { name: "etc/", type: "5" },
        { name: "etc/a", data: "a" },
        { name: "etc/b", data: "b" },
        { name: "gone/", type: "5" },
        { name: "gone/x", data: "x" },
        { name: "again/", type: "5" },
        { name: "again/x", data: "x" },
        { name: "again/y", data: "y" },
        { name: "deep/", type: "5" },
        { name: "deep/er/", type: "5" },
        { name: "deep/er/f", data: "f" },
        { name: "mode", data: "m" },
        { name: "touched", data: "t" },
        { name: "becomes", data: "file" },
        { name: "same", data: "s" },
        { name: "moved", data: "m" },
      );
      const root = await mountOf(1, [base]);
      expect(await snapshots.changes(id(1))).toEqual([]);
      const at = (path: string) => join(root, path);
      writeFileSync(at("etc/a"), "changed");
      unlinkSync(at("etc/b"));
      rmSync(at("gone"), { recursive: true });
      rmSync(at("again"), { recursive: true });
      mkdirSync(at("again"));
      writeFileSync(at("again/y"), "new");
      writeFileSync(at("deep/er/g"), "new");
      chmodSync(at("mode"), 0o600);
      utimesSync(at("touched"), 1, 1);
      unlinkSync(at("becomes"));
      mkdirSync(at("becomes"));
      writeFileSync(at("becomes/inside"), "");
      symlinkSync("x", at("link"));
      mkdirSync(at("new/dir"), { recursive: true });
      renameSync(at("moved"), at("new/moved"));
      writeFileSync(at("temporary"), "");
      unlinkSync(at("temporary"));
      expect((await snapshots.changes(id(1))).map(({ path, kind }) => `${kind} ${path}`)).toEqual([
        "modified /again",
        "deleted /again/x",
        "modified /again/y",
        "modified /becomes",
        "added /becomes/inside",
        "modified /deep",
        "modified /deep/er",
        "added /deep/er/g",
        "modified /etc",
        "modified /etc/a",
        "deleted /etc/b",
        "deleted /gone",
        "added /link",
        "modified /mode",
        "deleted /moved",
        "added /new",
        "added /new/dir",
        "added /new/moved",
        "modified /touched",
      ]);
    });

    test("take as many bytes as their files have", async () => {
      const root = await mountOf(1, [await layer({ name: "a", data: "x".repeat(1000) })]);
      expect(await snapshots.usage(id(1))).toBe(0);
      writeFileSync(join(root, "b"), "12345");
      mkdirSync(join(root, "d"));
      writeFileSync(join(root, "d/c"), "123");
      Bun.spawnSync(["ln", join(root, "b"), join(root, "d/b")]);
      expect(await snapshots.usage(id(1))).toBe(8);
      writeFileSync(join(root, "a"), "x");
      expect(await snapshots.usage(id(1))).toBe(9);
    });
  });

  describe("life", () => {
    test("mount and unmount can be repeated, what was written stays", async () => {
      const root = await mountOf(1, []);
      expect(snapshots.mount(id(1))).toBe(root);
      writeFileSync(join(root, "file"), "kept", { mode: 0o4755 });
      setXattr(bytes(root, "file"), "security.capability", capability);
      snapshots.unmount(id(1));
      snapshots.unmount(id(1));
      expect(existsSync(join(root, "file"))).toBe(false);
      expect(readFileSync(join(snapshots.mount(id(1)), "file"), "utf8")).toBe("kept");
      expect(getXattr(bytes(root, "file"), "security.capability")?.equals(capability)).toBe(true);
    });

    test("snapshots, and their mounts, outlive a restart", async () => {
      const base = await layer({ name: "a", data: "x" });
      const root = await mountOf(1, [base]);
      await snapshots.prepare(id(2), [base]);
      writeFileSync(join(root, "b"), "y");
      await restart();
      expect(snapshots.list().sort()).toEqual([id(1), id(2)]);
      expect(readFileSync(join(root, "b"), "utf8")).toBe("y");
      expect(snapshots.mount(id(1))).toBe(root);
      expect(names(snapshots.mount(id(2)))).toEqual(["a"]);
      expect(snapshots.layers.list()).toEqual([base]);
    });

    test("removal unmounts, and leaves layers and others", async () => {
      const base = await layer({ name: "a", data: "x" });
      const root = await mountOf(1, [base]);
      const other = await mountOf(2, [base]);
      await snapshots.remove(id(1));
      await snapshots.remove(id(1));
      expect(snapshots.has(id(1))).toBe(false);
      expect(snapshots.list()).toEqual([id(2)]);
      expect(existsSync(root)).toBe(false);
      expect(names(other)).toEqual(["a"]);
      expect(listMounts().filter(({ target }) => target === root)).toEqual([]);
      await snapshots.prepare(id(1), [base]);
      expect(snapshots.has(id(1))).toBe(true);
    });

    test("a layer that was removed and comes again works again", async () => {
      const entries: Example[] = [{ name: "tmp/x", data: "1" }];
      const base = await layer({ name: "tmp/", type: "5", mode: 0o1777 });
      const top = await layer(...entries);
      await mountOf(1, [base, top]);
      await snapshots.remove(id(1));
      await snapshots.layers.remove(top);
      await snapshots.layers.remove(base);
      expect(snapshots.layers.list()).toEqual([]);
      await expect(snapshots.prepare(id(2), [base, top])).rejects.toThrow(`the layer ${base} is not there`);
      await layer({ name: "tmp/", type: "5", mode: 0o1777 });
      await layer(...entries);
      expect(lstatSync(join(await mountOf(2, [base, top]), "tmp")).mode & 0o7777).toBe(0o1777);
    });

    test("a layer that is removed under a snapshot goes with it, or is revived", async () => {
      const entries: Example[] = [{ name: "a", data: "x" }];
      const base = await layer(...entries);
      const root = await mountOf(1, [base]);
      await snapshots.prepare(id(2), [base]);
      await snapshots.layers.remove(base);
      expect(snapshots.layers.has(base)).toBe(false);
      expect(snapshots.layers.list()).toEqual([]);
      expect(readFileSync(join(root, "a"), "utf8")).toBe("x");
      expect(names(snapshots.mount(id(2)))).toEqual(["a"]);
      await layer(...entries);
      expect(snapshots.layers.has(base)).toBe(true);
      await snapshots.remove(id(2));
      await snapshots.layers.remove(base);
      await restart();
      // A restart forgets what was unwanted; who sweeps says it again.
      expect(snapshots.layers.list()).toEqual([base]);
      await snapshots.layers.remove(base);
      expect(snapshots.layers.list()).toEqual([]);
      await snapshots.remove(id(1));
      await restart();
      expect(snapshots.layers.list()).toEqual([]);
    });

    test("many are made over one chain at once", async () => {
      const chain = [await layer({ name: "tmp/", type: "5", mode: 0o1777 }), await layer({ name: "tmp/x", data: "" })];
      await Promise.all(Array.from({ length: 10 }, (_, n) => snapshots.prepare(id(n + 1), chain)));
      for (let n = 1; n <= 10; n++) expect(lstatSync(join(snapshots.mount(id(n)), "tmp")).mode & 0o7777).toBe(0o1777);
    });

    test("what is no ID, unknown or there already is refused", async () => {
      await expect(snapshots.prepare("../x", [])).rejects.toThrow("is not a container's ID");
      expect(() => snapshots.mount(id(1))).toThrow(`no snapshot ${id(1)}`);
      const missing = `sha256:${"0".repeat(64)}` as const;
      await expect(snapshots.prepare(id(1), [missing])).rejects.toThrow(`the layer ${missing} is not there`);
      expect(snapshots.has(id(1))).toBe(false);
      await snapshots.prepare(id(1), []);
      await expect(snapshots.prepare(id(1), [])).rejects.toThrow("is there already");
    });
  });
}
