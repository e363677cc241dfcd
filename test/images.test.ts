/** Images from outside: pulled, listed, tagged, removed, with both clients and Docker's texts. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type BuiltImage,
  buildImage,
  type Client,
  clients,
  describeNeeding,
  digestOf,
  eventually,
  type FakeRegistry,
  fakeRegistry,
  incompressibleImage,
  realRegistry,
  type Server,
  startServer,
  type TestRegistry,
  watchEvents,
} from "./harness/harness.ts";

const needs = ["root", "crun", "conmon", "nft"];
const short = (digest: string): string => digest.slice("sha256:".length, "sha256:".length + 12);

/** Layers of one file each, so that images can have some in common. */
const image = (names: string[], config: Record<string, unknown> = {}, architecture?: string): BuiltImage =>
  buildImage(
    names.map((name) => [{ name, data: name.repeat(1000) }]),
    { config: { Cmd: ["/none"], ...config }, ...(architecture === undefined ? {} : { architecture }) },
  );

/** An index of images, as registries keep what exists for several platforms. */
function indexOf(...images: [architecture: string, image: BuiltImage][]): BuiltImage {
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const manifests = images.map(([architecture, { mediaType, digest, manifest }]) => ({
    mediaType,
    digest,
    size: manifest.length,
    platform: { os: "linux", architecture },
  }));
  const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  return { ...images[0]![1], manifest, mediaType, digest: digestOf(manifest) };
}

describeNeeding(...needs)("images", () => {
  let server: Server;
  let registry: FakeRegistry;
  beforeAll(async () => {
    server = await startServer({ args: ["--embedded-hub", "off"] });
  }, 60_000);
  beforeEach(() => {
    registry = fakeRegistry();
  });
  afterEach(async () => {
    const listed = (await (await server.request("/images/json?all=1")).json()) as { Id: string }[];
    for (const { Id } of listed) await server.request(`/images/${Id}?force=1`, { method: "DELETE" });
    await registry.cleanup();
    expect(kept()).toEqual([]);
  });
  afterAll(() => server?.cleanup(), 60_000);

  const kept = (): string[] => [
    ...readdirSync(join(server.dataRoot, "content/blobs/sha256")),
    ...readdirSync(join(server.dataRoot, "snapshots/layers/sha256")),
  ];
  const ids = async (...flags: string[]) => (await server.cli(["images", "-q", "--no-trunc", ...flags])).stdout;

  for (const client of clients) {
    describeNeeding(...client.needs)(`by ${client.name}`, () => {
      const call = (argv: string[]) => client.call(server, argv);
      pulling(client, call);
      removing(call);
    });
  }

  function pulling(client: Client, call: (argv: string[]) => ReturnType<Client["call"]>): void {
    test("a pull prints what Docker prints", async () => {
      const built = image(["a", "b"]);
      const reference = await registry.push(built, "some/thing", "1.0");
      const result = await call(["pull", reference]);
      expect(result).toMatchObject({ code: 0, stderr: "" });
      const lines = result.stdout.trimEnd().split("\n");
      expect(lines[0]).toBe("1.0: Pulling from some/thing");
      for (const { digest } of built.layers) {
        const own = lines.filter((line) => line.startsWith(`${short(digest)}: `)).map((line) => line.slice(14));
        expect(own[0]).toBe("Pulling fs layer");
        expect(own).toContain("Download complete");
        expect(own.at(-1)).toBe("Pull complete");
      }
      expect(lines.slice(-3)).toEqual([
        `Digest: ${built.digest}`,
        `Status: Downloaded newer image for ${reference}`,
        reference,
      ]);
    });

    test("-q prints the name alone", async () => {
      const reference = await registry.push(image(["a"]), "thing");
      expect(await call(["pull", "-q", reference])).toEqual({ code: 0, stdout: `${reference}\n`, stderr: "" });
    });

    test("without a tag it is latest", async () => {
      await registry.push(image(["a"]), "thing");
      const result = await call(["pull", `${registry.host}/thing`]);
      expect(result.stdout).toStartWith("Using default tag: latest\nlatest: Pulling from thing\n");
      expect(result.stdout).toEndWith(`${registry.host}/thing:latest\n`);
    });

    test("a second pull fetches no layer and says so", async () => {
      const built = image(["a", "b"]);
      const reference = await registry.push(built, "thing");
      await call(["pull", reference]);
      registry.requests.length = 0;
      const again = await call(["pull", reference]);
      expect(again.stdout).toContain(`Status: Image is up to date for ${reference}`);
      expect(again.stdout).toContain(`Digest: ${built.digest}`);
      expect(registry.requests.filter((request) => request.includes("/blobs/"))).toEqual([]);
    });

    test("layers that are there are not fetched", async () => {
      const [first, second] = [image(["a", "b"]), image(["a", "c"])];
      await call(["pull", await registry.push(first, "thing", "1")]);
      const reference = await registry.push(second, "thing", "2");
      registry.requests.length = 0;
      const result = await call(["pull", reference]);
      expect(result.stdout).toContain(`${short(second.layers[0]!.digest)}: Already exists`);
      expect(result.stdout).toContain(`${short(second.layers[1]!.digest)}: Pull complete`);
      expect(registry.requests.filter((request) => request.endsWith(second.layers[0]!.digest))).toEqual([]);
    });

    test("by digest: no tag, and only that content", async () => {
      const built = image(["a"]);
      await registry.push(built, "thing");
      const reference = `${registry.host}/thing@${built.digest}`;
      const result = await call(["pull", reference]);
      expect(result).toMatchObject({ code: 0 });
      expect(result.stdout).toStartWith(`${built.digest}: Pulling from thing\n`);
      expect(result.stdout).toContain(`Status: Downloaded newer image for ${reference}\n`);
      expect((await call(["images", "--digests", "--format", "{{.Tag}} {{.Digest}}"])).stdout).toBe(
        `<none> ${built.digest}\n`,
      );
      expect((await call(["inspect", "--format", "{{.Id}}", reference])).stdout).toBe(`${built.config.digest}\n`);
    });

    test("of the platform that was asked for, else of the server's", async () => {
      const native = process.arch === "arm64" ? "arm64" : "amd64";
      const foreign = native === "arm64" ? "amd64" : "arm64";
      const [mine, its] = [image(["mine"], {}, native), image(["its"], {}, foreign)];
      await registry.push(mine, "thing", "mine");
      await registry.push(its, "thing", "its");
      const index = indexOf([foreign, its], [native, mine]);
      const reference = await registry.push(index, "thing");
      expect((await call(["pull", reference])).stdout).toContain(`Digest: ${index.digest}`);
      const shown = ["inspect", "--format", "{{.Id}} {{.Architecture}}", reference];
      expect((await call(shown)).stdout).toBe(`${mine.config.digest} ${native}\n`);
      const other = await call(["pull", "--platform", `linux/${foreign}`, reference]);
      expect(other).toMatchObject({ code: 0 });
      expect(other.stdout).toContain(`Digest: ${index.digest}`);
      expect((await call(shown)).stdout).toBe(`${its.config.digest} ${foreign}\n`);
      const none = await call(["pull", "--platform", "linux/s390x", reference]);
      expect(none.code).toBe(1);
      expect(none.stderr).toMatch(/no match(ing manifest)? for (platform )?linux\/s390x/i);
    });

    test("an image that nobody has", async () => {
      const reference = `${registry.host}/nothing:1`;
      const result = await call(["pull", reference]);
      expect(result).toMatchObject({ code: 1, stdout: "" });
      expect(result.stderr).toStartWith("Error response from daemon: ");
      expect(result.stderr).toContain(`manifest for ${reference} not found: manifest unknown`);
    });

    test("-a takes every tag", async () => {
      const [one, two] = [image(["a"]), image(["a", "b"])];
      for (const [tag, built] of [
        ["1", one],
        ["1.0", one],
        ["2", two],
      ] as const) {
        await registry.push(built, "thing", tag);
      }
      const result = await call(["pull", "-a", `${registry.host}/thing`]);
      expect(result).toMatchObject({ code: 0, stderr: "" });
      for (const tag of ["1", "1.0", "2"]) expect(result.stdout).toContain(`${tag}: Pulling from thing\n`);
      expect(result.stdout.match(/^Digest: /gm)).toHaveLength(3);
      expect(result.stdout.match(/^Status: .*$/gm)).toEqual([
        `Status: Downloaded newer image for ${registry.host}/thing`,
      ]);
      expect(result.stdout).toEndWith(`\n${registry.host}/thing\n`);
      const names = await call(["images", "--format", "{{.Tag}}"]);
      expect(names.stdout.trimEnd().split("\n").sort()).toEqual(["1", "1.0", "2"]);
      const again = await call(["pull", "-a", "-q", `${registry.host}/thing`]);
      expect(again).toMatchObject({ code: 0, stdout: `${registry.host}/thing\n` });
      const none = await call(["pull", "-a", `${registry.host}/nothing`]);
      expect(none).toMatchObject({ code: 1 });
      expect(none.stderr).toContain("nothing not found: name unknown");
    });

    test("two pulls at once share the work, and see the same", async () => {
      const built = incompressibleImage(3, 300_000);
      const reference = await registry.push(built, "thing");
      const gate = Promise.withResolvers<void>();
      registry.intercept = async ({ url }) => {
        if (url.endsWith(built.layers[0]!.digest)) await gate.promise;
        return undefined;
      };
      const pulls = [1, 2].map(() => server.live(client.name, ["pull", reference]));
      for (const pull of pulls) await pull.see(`${short(built.layers[2]!.digest)}: Pull complete`);
      gate.resolve();
      for (const pull of pulls) {
        const result = await pull.ended;
        expect(result).toMatchObject({ code: 0, stderr: "" });
        expect(result.stdout).toContain(`${short(built.layers[0]!.digest)}: Pull complete`);
        expect(result.stdout).toContain(`Status: Downloaded newer image for ${reference}`);
      }
      for (const { digest } of built.layers) {
        expect(registry.requests.filter((request) => request === `GET /v2/thing/blobs/${digest}`)).toHaveLength(1);
      }
    });

    test("Ctrl-C of one of two leaves the other; of the last it ends the download", async () => {
      const built = incompressibleImage(2, 300_000);
      const reference = await registry.push(built, "thing");
      const slow = built.layers[1]!;
      let gate = Promise.withResolvers<void>();
      let gone = Promise.withResolvers<void>();
      registry.intercept = async ({ url, signal }) => {
        if (!url.endsWith(slow.digest)) return undefined;
        signal.addEventListener("abort", () => gone.resolve());
        await Promise.race([gate.promise, gone.promise]);
        return undefined;
      };
      const done = `${short(built.layers[0]!.digest)}: Pull complete`;
      const [first, second] = [1, 2].map(() => server.live(client.name, ["pull", reference])) as [
        ReturnType<Server["live"]>,
        ReturnType<Server["live"]>,
      ];
      await Promise.all([first.see(done), second.see(done)]);
      first.kill("SIGINT");
      const { code } = await first.ended;
      // The stock client's is now and then 0, when it takes the end of its stream for that of the pull.
      if (client.name === "gantry") expect(code).not.toBe(0);
      gate.resolve();
      expect(await second.ended).toMatchObject({ code: 0 });
      expect(await ids()).toBe(`${built.config.digest}\n`);
      await call(["rmi", reference]);

      gate = Promise.withResolvers();
      gone = Promise.withResolvers();
      const only = server.live(client.name, ["pull", reference]);
      await only.see(done);
      only.kill("SIGINT");
      await only.ended;
      await gone.promise;
      await eventually(() => expect(kept()).toEqual([]));
      expect(await ids()).toBe("");
      gate.resolve();
      registry.intercept = undefined;
      expect(await call(["pull", reference])).toMatchObject({ code: 0 });
    });
  }

  function removing(call: (argv: string[]) => ReturnType<Client["call"]>): void {
    test("a tag is another name; rmi takes names away, and the image with the last", async () => {
      const built = image(["a"]);
      const reference = await registry.push(built, "thing");
      await call(["pull", reference]);
      expect(await call(["tag", reference, "mine:2"])).toEqual({ code: 0, stdout: "", stderr: "" });
      expect(await call(["tag", built.config.digest.slice(7, 20), "other/one"])).toMatchObject({ code: 0 });
      const names = await call(["images", "--format", "{{.Repository}}:{{.Tag}}"]);
      expect(names.stdout.trimEnd().split("\n").sort()).toEqual([reference, "mine:2", "other/one:latest"].sort());
      expect(await call(["rmi", "mine:2"])).toEqual({ code: 0, stdout: "Untagged: mine:2\n", stderr: "" });
      const of = await call(["rmi", reference]);
      expect(of.stdout.split("\n").slice(0, 2)).toEqual([
        `Untagged: ${reference}`,
        `Untagged: ${registry.host}/thing@${built.digest}`,
      ]);
      const last = await call(["rmi", "other/one"]);
      expect(last.stdout).toStartWith(`Untagged: other/one:latest\nDeleted: ${built.config.digest}\nDeleted: sha256:`);
      expect(await ids()).toBe("");
    });

    test("rmi refuses in Docker's words, and -f does what can be forced", async () => {
      const built = image(["a"]);
      const reference = await registry.push(built, "thing");
      await call(["pull", reference]);
      const missing = await call(["rmi", "no-such"]);
      expect(missing).toMatchObject({ code: 1, stdout: "" });
      expect(missing.stderr).toContain("Error response from daemon: No such image: no-such:latest");
      expect(await call(["rmi", "-f", "no-such"])).toMatchObject({ code: 0 });

      await call(["tag", reference, "mine"]);
      const id = built.config.digest.slice(7, 19);
      const several = await call(["rmi", id]);
      expect(several.code).toBe(1);
      expect(several.stderr).toContain(
        `conflict: unable to delete ${id} (must be forced) - image is referenced in multiple repositories`,
      );
      await call(["rmi", "mine"]);

      const container = (await call(["create", reference])).stdout.trim();
      const used = await call(["rmi", reference]);
      expect(used.code).toBe(1);
      expect(used.stderr).toContain(
        `conflict: unable to remove repository reference "${reference}" (must force) - container ${container.slice(0, 12)} is using its referenced image ${id}`,
      );
      const usedById = await call(["rmi", id]);
      expect(usedById.code).toBe(1);
      expect(usedById.stderr).toContain(
        `conflict: unable to delete ${id} (must be forced) - image is being used by stopped container ${container.slice(0, 12)}`,
      );
      const forced = await call(["rmi", "-f", reference]);
      expect(forced).toMatchObject({ code: 0 });
      expect(forced.stdout).toContain(`Untagged: ${reference}`);
      expect(forced.stdout).not.toContain("Deleted:");
      expect(await call(["inspect", "--format", "{{.Image}}", container])).toMatchObject({
        stdout: `${built.config.digest}\n`,
      });
      await call(["rm", container]);
      expect((await call(["rmi", id])).stdout).toContain(`Deleted: ${built.config.digest}`);
    });

    test("several at once: each is tried", async () => {
      const [one, two] = [await registry.push(image(["a"]), "one"), await registry.push(image(["b"]), "two")];
      await call(["pull", one]);
      await call(["pull", two]);
      const result = await call(["rmi", one, "no-such", two]);
      expect(result.code).toBe(1);
      expect(result.stdout).toContain(`Untagged: ${one}`);
      expect(result.stdout).toContain(`Untagged: ${two}`);
      expect(result.stderr).toContain("No such image: no-such:latest");
    });

    test("layers that two images have go with the last of them", async () => {
      const [first, second] = [image(["a", "b"]), image(["a", "c"])];
      const one = await registry.push(first, "one");
      const two = await registry.push(second, "two");
      await call(["pull", one]);
      await call(["pull", two]);
      const deleted = (text: string) => text.match(/^Deleted: .*$/gm) ?? [];
      // The image and its own layer.
      expect(deleted((await call(["rmi", one])).stdout)).toHaveLength(2);
      expect(await call(["create", "--name", "shared", two])).toMatchObject({ code: 0 });
      await call(["rm", "shared"]);
      expect(deleted((await call(["rmi", two])).stdout)).toHaveLength(3);
    });

    test("what was moved away by a pull is dangling, and pruned", async () => {
      const [older, newer] = [image(["old"]), image(["new"])];
      const reference = await registry.push(older, "thing");
      await call(["pull", reference]);
      await registry.push(newer, "thing");
      expect((await call(["pull", reference])).stdout).toContain(`Downloaded newer image for ${reference}`);
      const dangling = ["images", "--no-trunc", "--filter", "dangling=true", "--format", "{{.ID}} {{.Tag}}"];
      expect((await call(dangling)).stdout).toBe(`${older.config.digest} <none>\n`);
      expect((await call(["images", "-q", "--no-trunc", "-f", "dangling=false"])).stdout).toBe(
        `${newer.config.digest}\n`,
      );
      const pruned = await call(["image", "prune", "-f"]);
      expect(pruned.stdout).toStartWith("Deleted Images:\n");
      expect(pruned.stdout).toContain(`deleted: ${older.config.digest}`);
      expect(pruned.stdout).toMatch(/\nTotal reclaimed space: [1-9][\d.]*k?B\n$/);
      expect(await ids()).toBe(`${newer.config.digest}\n`);
      const container = (await call(["create", reference])).stdout.trim();
      expect((await call(["image", "prune", "-a", "-f"])).stdout).toBe("Total reclaimed space: 0B\n");
      await call(["rm", container]);
      expect((await call(["image", "prune", "-a", "-f"])).stdout).toContain(`untagged: ${reference}`);
      expect(await ids()).toBe("");
    });
  }

  describe("listed", () => {
    test("by filters", async () => {
      const red = image(["a"], { Labels: { colour: "red", size: "big" } });
      const blue = image(["b"], { Labels: { colour: "blue" } });
      const one = await registry.push(red, "one", "1.0");
      const two = await registry.push(blue, "deep/two", "2.0");
      for (const reference of [one, two]) await server.cli(["pull", reference]);
      const found = async (...flags: string[]) => (await ids(...flags)).trimEnd().split("\n").filter(Boolean).sort();
      const [r, b] = [red.config.digest, blue.config.digest];
      expect(await found("-f", "label=colour")).toEqual([r, b].sort());
      expect(await found("-f", "label=colour=red")).toEqual([r]);
      expect(await found("-f", "label=colour=red", "-f", "label=size=big")).toEqual([r]);
      expect(await found("-f", "label=colour=green")).toEqual([]);
      expect(await found("-f", `reference=${registry.host}/one`)).toEqual([r]);
      expect(await found("-f", `reference=${registry.host}/*/two:2*`)).toEqual([b]);
      expect(await found("-f", "reference=*:9")).toEqual([]);
      expect(await found(`${registry.host}/one`)).toEqual([r]);
      expect(await found(one)).toEqual([r]);
      expect(await found("-f", "until=2024-06-01")).toEqual([r, b].sort());
      expect(await found("-f", "until=2023-06-01")).toEqual([]);
      expect(await found("-f", `before=${one}`)).toEqual([]);
      const wrong = await server.cli(["images", "-f", "colour=red"]);
      expect(wrong).toMatchObject({ code: 1, stdout: "" });
      expect(wrong.stderr).toContain("invalid filter 'colour'");
      expect((await server.cli(["images", "-f", "since=no-such"])).stderr).toContain("No such image: no-such:latest");
    });

    for (const client of clients) {
      describeNeeding(...client.needs)(`by ${client.name}`, () => {
        test("in formats", async () => {
          const built = image(["a"]);
          const reference = await registry.push(built, "one", "1.0");
          await client.call(server, ["pull", reference]);
          const show = async (...flags: string[]) => (await client.call(server, ["images", ...flags])).stdout;
          expect(await show("-q")).toBe(`${short(built.config.digest)}\n`);
          expect(await show()).toMatch(
            new RegExp(
              `^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\n${registry.host}/one +1\\.0 +${short(built.config.digest)} +\\d+ \\w+ ago +1kB\n$`,
            ),
          );
          const digests = await show("--digests", "--format", "{{.Repository}} {{.Digest}} {{.CreatedAt}} {{.Size}}");
          expect(digests).toMatch(
            new RegExp(`^${registry.host}/one ${built.digest} 2024-01-01 \\d\\d:00:00 [+-]\\d{4} \\S+ 1kB\n$`),
          );
          const json = JSON.parse(await show("--format", "json")) as Record<string, string>;
          expect(json).toMatchObject({
            Repository: `${registry.host}/one`,
            Tag: "1.0",
            ID: short(built.config.digest),
          });
        });

        test("history and inspect", async () => {
          const config = { Env: ["A=b"], Labels: { x: "y" }, WorkingDir: "/w", ExposedPorts: { "80/tcp": {} } };
          const built = image(["a", "b"], config);
          const reference = await registry.push(built, "one");
          await client.call(server, ["pull", reference]);
          const lines = await client.call(server, [
            "history",
            "--no-trunc",
            "--format",
            "{{.ID}}|{{.CreatedBy}}|{{.Size}}",
            reference,
          ]);
          expect(lines.stdout).toBe(`${built.config.digest}|layer 1|1kB\n<missing>|layer 0|1kB\n`);
          const [found] = JSON.parse((await client.call(server, ["image", "inspect", reference])).stdout) as object[];
          expect(found).toMatchObject({
            Id: built.config.digest,
            RepoTags: [reference],
            RepoDigests: [`${registry.host}/one@${built.digest}`],
            Created: "2024-01-01T00:00:00Z",
            Os: "linux",
            Config: { ...config, Cmd: ["/none"] },
            RootFS: { Type: "layers", Layers: [expect.any(String), expect.any(String)] },
          });
        });
      });
    }
  });

  test("every step is an event", async () => {
    const reference = await registry.push(image(["a"]), "thing");
    const events = await watchEvents(server, { type: ["image"] });
    await server.cli(["pull", reference]);
    await server.cli(["tag", reference, "mine"]);
    await server.cli(["rmi", reference]);
    await server.cli(["rmi", "mine"]);
    await events.until("image delete");
    expect(events.seen.map(({ Action }) => Action)).toEqual(["pull", "tag", "untag", "untag", "untag", "delete"]);
    await events.close();
  });

  test("bad names are refused with themselves", async () => {
    for (const [argv, words] of [
      [["pull", "UPPER"], "invalid reference format"],
      [["pull", "a:b:c"], "invalid reference format"],
      [["pull", "--platform", "a/b/c/d", "thing"], "a/b/c/d"],
      [["pull", "-a", `${registry.host}/thing:1`], "tag can't be used with --all-tags/-a"],
      [["tag", "no-such", "x"], "No such image: no-such:latest"],
      [["tag", "no-such", "UPPER"], "invalid"],
      [["rmi", " "], "image name cannot be blank"],
    ] as const) {
      const result = await server.cli([...argv]);
      expect(result.code).not.toBe(0);
      expect(result.stderr).toContain(words);
    }
  });
});

describeNeeding(...needs, "docker-registry")("a registry that asks who it is", () => {
  let server: Server;
  let registry: TestRegistry;
  let reference: string;
  beforeAll(async () => {
    registry = await realRegistry({ user: { name: "me", password: "secret" } });
    reference = await registry.push(image(["a"]), "private");
    server = await startServer({ args: ["--embedded-hub", "off"] });
  }, 60_000);
  afterEach(async () => {
    await server.cli(["rmi", "-f", reference]);
  });
  afterAll(async () => {
    await server?.cleanup();
    await registry?.cleanup();
  }, 60_000);

  const configure = (content: unknown): void => {
    mkdirSync(join(server.home.path, "docker-config"), { recursive: true });
    writeFileSync(join(server.home.path, "docker-config/config.json"), JSON.stringify(content));
  };
  const login = (password: string) => ({ auths: { [registry.host]: { auth: btoa(`me:${password}`) } } });

  for (const client of clients) {
    describeNeeding(...client.needs)(`by ${client.name}`, () => {
      test("lets nobody in without a login", async () => {
        configure({});
        const result = await client.call(server, ["pull", reference]);
        expect(result).toMatchObject({ code: 1, stdout: "" });
        expect(result.stderr).toMatch(/no basic auth credentials|unauthorized: authentication required/);
      });

      test("lets in whom the configuration file names", async () => {
        configure(login("secret"));
        const result = await client.call(server, ["pull", reference]);
        expect(result).toMatchObject({ code: 0, stderr: "" });
        expect(result.stdout).toContain(`Downloaded newer image for ${reference}`);
      });

      test("refuses a wrong password, and run says so", async () => {
        configure(login("wrong"));
        const result = await client.call(server, ["run", "--rm", reference]);
        expect(result).toMatchObject({ code: 125, stdout: "" });
        expect(result.stderr).toMatch(/unauthorized|401/);
        expect(result.stderr).toContain("private");
        expect(result.stderr).not.toContain("wrong");
      });
    });
  }

  test("takes X-Registry-Auth", async () => {
    const pull = (value: unknown) =>
      server.request(`/images/create?fromImage=${encodeURIComponent(reference)}`, {
        method: "POST",
        headers: { "X-Registry-Auth": Buffer.from(JSON.stringify(value)).toString("base64url") },
      });
    expect((await pull({ username: "me", password: "wrong", serveraddress: registry.host })).status).toBe(500);
    const answer = await pull({ username: "me", password: "secret", serveraddress: registry.host });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain("Downloaded newer image");
  });
});
