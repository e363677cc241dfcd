/** Registries that lie, break off, refuse and hang; layers that want to get out, or to fill the disk. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import {
  type BuiltImage,
  buildImage,
  busyboxImage,
  clients,
  describeNeeding,
  digestOf,
  type Entry,
  eventually,
  type FakeRegistry,
  fakeRegistry,
  incompressibleImage,
  needing,
  program,
  type Result,
  run,
  type Server,
  startServer,
} from "./harness/harness.ts";
import { type Home, makeHome } from "./harness/home.ts";
import { removeHome } from "./harness/sweep.ts";

const needs = ["root", "crun", "conmon", "nft"];

/** Everything of a pull that could be left on the disk. */
function kept(dataRoot: string): string[] {
  const folders = ["content/blobs/sha256", "content/ingest", "snapshots/layers/sha256", "snapshots/layers/ingest"];
  return [...folders, "snapshots/chains"].flatMap((folder) =>
    existsSync(join(dataRoot, folder)) ? readdirSync(join(dataRoot, folder)).map((name) => `${folder}/${name}`) : [],
  );
}

/** The image with its manifest changed and named anew. */
function relabel(image: BuiltImage, change: (manifest: ManifestDocument) => unknown): BuiltImage {
  const document = JSON.parse(image.manifest.toString()) as ManifestDocument;
  const manifest = Buffer.from(JSON.stringify(change(document) ?? document));
  return { ...image, manifest, digest: digestOf(manifest) };
}

interface ManifestDocument {
  schemaVersion: number;
  mediaType: string;
  config: { digest: string; size: number; mediaType: string };
  layers: { digest: string; size: number; mediaType: string }[];
}

/** The image with its config changed, and everything that names it. */
function reconfigure(image: BuiltImage, change: (config: Record<string, unknown>) => unknown): BuiltImage {
  const config = JSON.parse(image.blobs.get(image.config.digest)!.toString()) as Record<string, unknown>;
  const changed = change(config);
  const bytes = Buffer.from(typeof changed === "string" ? changed : JSON.stringify(changed ?? config));
  const descriptor = { ...image.config, digest: digestOf(bytes), size: bytes.length };
  const blobs = new Map([...image.blobs, [descriptor.digest, bytes]]);
  return relabel({ ...image, config: descriptor, blobs }, (manifest) => {
    manifest.config = { ...manifest.config, digest: descriptor.digest, size: bytes.length };
  });
}

function setDiffId(config: Record<string, unknown>, diffId: string): void {
  (config.rootfs as { diff_ids: string[] }).diff_ids[1] = diffId;
}

/** gzip of the same content, with another time in its header (RFC 1952, section 2.3). */
function otherBytes(gzip: Buffer): Buffer {
  const bytes = Buffer.from(gzip);
  bytes.writeUInt32LE(bytes.readUInt32LE(4) + 1, 4);
  return bytes;
}

/** Passes on to `target` and cuts each connection behind so many bytes of answers. Resolves with its address. */
async function cutter(target: string, bytes: number): Promise<{ host: string; cuts: () => number; close(): void }> {
  let cuts = 0;
  const sockets = new Set<Socket>();
  const [hostname = "", port] = target.split(":");
  const proxy = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const socket of [client, upstream]) sockets.add(socket.on("error", () => {}));
    let left = bytes;
    client.on("data", (data) => upstream.write(data)).on("close", () => upstream.destroy());
    upstream.on("close", () => client.destroy());
    upstream.on("data", (data: Buffer) => {
      if (left <= 0) return;
      client.write(data.subarray(0, left));
      left -= data.length;
      if (left > 0) return;
      cuts++;
      client.end(() => client.destroy());
    });
  });
  await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
  return {
    host: `127.0.0.1:${(proxy.address() as { port: number }).port}`,
    cuts: () => cuts,
    close() {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    },
  };
}

/** Bytes without end, as fast as they are taken. */
const endless = (): ReadableStream<Uint8Array> =>
  new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65536)) });

describeNeeding(...needs)("a hostile registry", () => {
  let server: Server;
  let registry: FakeRegistry;
  const good = incompressibleImage(2, 200_000);
  const layer = good.layers[1]!;
  const isLayer = ({ url }: Request) => url.endsWith(layer.digest);
  const isManifest = ({ url }: Request) => url.includes("/manifests/");

  beforeAll(async () => {
    server = await startServer({ args: ["--embedded-hub", "off"] });
  }, 60_000);
  beforeEach(() => {
    registry = fakeRegistry();
  });
  afterEach(() => registry.cleanup());
  afterAll(async () => {
    // After all that, it works as ever.
    const fine = fakeRegistry();
    try {
      const reference = await fine.push(good, "thing");
      expect(await server.cli(["pull", reference])).toMatchObject({ code: 0 });
    } finally {
      await fine.cleanup();
      await server?.cleanup();
    }
  }, 60_000);

  /** A pull that fails: its text names registry and image, and nothing of it is kept. */
  async function refused(reference: string, client = clients[0]!): Promise<Result> {
    const result = await client.call(server, ["pull", reference]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(registry.host);
    expect(result.stderr).toContain(reference.slice(reference.indexOf("/") + 1).replace(/:.*$/, ""));
    expect((await server.cli(["images", "-aq"])).stdout).toBe("");
    await eventually(() => expect(kept(server.dataRoot)).toEqual([]));
    return result;
  }

  const bodies: [what: string, answer: (request: Request) => Response | undefined, words: RegExp][] = [
    [
      "a layer with other bytes than its digest says",
      (request) => (isLayer(request) ? new Response(otherBytes(good.blobs.get(layer.digest)!)) : undefined),
      /digest/i,
    ],
    [
      "a layer that ends too early, every time",
      (request) => (isLayer(request) ? new Response(good.blobs.get(layer.digest)!.subarray(0, 1000)) : undefined),
      /EOF|ended|bytes|short/i,
    ],
    [
      "a layer without end",
      (request) => (isLayer(request) ? new Response(endless()) : undefined),
      /more than|longer|bytes/i,
    ],
    ["a manifest without end", (request) => (isManifest(request) ? new Response(endless()) : undefined), /longer than/],
    [
      "a config without end",
      (request) => (request.url.endsWith(good.config.digest) ? new Response(endless()) : undefined),
      /more than|longer|bytes/i,
    ],
    [
      "a config with other bytes",
      (request) =>
        request.url.endsWith(good.config.digest) ? new Response(new Uint8Array(good.config.size)) : undefined,
      /digest/,
    ],
    [
      "a manifest that is not what its header says",
      (request) =>
        isManifest(request)
          ? new Response(good.manifest, {
              headers: { "Content-Type": good.mediaType, "Docker-Content-Digest": good.config.digest },
            })
          : undefined,
      /manifest verification failed for digest/,
    ],
    [
      "HTML for a manifest",
      (request) =>
        isManifest(request) ? new Response("<html>", { headers: { "Content-Type": "text/html" } }) : undefined,
      /not JSON|media type/,
    ],
  ];
  for (const [what, intercept, words] of bodies) {
    test(`sends ${what}`, async () => {
      const reference = await registry.push(good, "thing");
      registry.intercept = intercept;
      expect((await refused(reference)).stderr).toMatch(words);
    }, 30_000);
  }

  const lies: [what: string, image: () => BuiltImage, words: RegExp][] = [
    ["names a layer larger than it is", () => relabel(good, ({ layers }) => void layers[1]!.size++), /bytes|EOF|ended/],
    ["names a layer smaller than it is", () => relabel(good, ({ layers }) => void layers[1]!.size--), /bytes|more/],
    ["names more layers than the config", () => relabel(good, (one) => void one.layers.push(one.layers[0]!)), /layers/],
    ["names fewer layers than the config", () => relabel(good, (one) => void one.layers.pop()), /layers/],
    [
      "names a layer that is not there",
      () => relabel(good, ({ layers }) => void Object.assign(layers[1]!, { digest: digestOf(Buffer.from("x")) })),
      /blob unknown|not found/,
    ],
    [
      "names a digest that is none",
      () => relabel(good, ({ layers }) => void Object.assign(layers[1]!, { digest: "sha256:../../etc" })),
      /sha256:\.\.\/\.\.\/etc/,
    ],
    [
      "has a layer of a type that nobody knows",
      () => relabel(good, ({ layers }) => void Object.assign(layers[1]!, { mediaType: "application/x-rar" })),
      /application\/x-rar/,
    ],
    [
      "has a config of eight gigabytes",
      () => relabel(good, ({ config }) => void Object.assign(config, { size: 2 ** 33 })),
      /config|bytes/,
    ],
    ["is a list", () => relabel(good, () => []), /not a JSON object/],
    ["has layers that are no list", () => relabel(good, (one) => ({ ...one, layers: {} })), /layers/],
    ["has a config that is no JSON", () => reconfigure(good, () => "{"), /not JSON/],
    [
      "has a config without layers",
      () => reconfigure(good, () => ({ os: "linux", architecture: "amd64" })),
      /rootfs|diff_ids/,
    ],
    [
      "has a config that names other content",
      () => reconfigure(good, (config) => setDiffId(config, digestOf(Buffer.from("y")))),
      /diff ID/,
    ],
    [
      "has a config with a diff ID that is none",
      () => reconfigure(good, (config) => setDiffId(config, "sha256:../../../tmp/x")),
      /diff_ids/,
    ],
  ];
  for (const [what, make, words] of lies) {
    test(`has a manifest that ${what}`, async () => {
      expect((await refused(await registry.push(make(), "thing"))).stderr).toMatch(words);
    }, 30_000);
  }

  for (const client of clients) {
    describeNeeding(...client.needs)(`by ${client.name}, refuses`, () => {
      const answers: [status: number, words: RegExp][] = [
        [401, /unauthorized: authentication required/],
        [403, /denied: requested access to the resource is denied/],
        [404, /not found: manifest unknown/],
        [429, /toomanyrequests: /],
        [500, /received unexpected HTTP status: 500 Internal Server Error/],
      ];
      for (const [status, words] of answers) {
        test(`the manifest with ${status}`, async () => {
          const reference = await registry.push(good, "thing");
          registry.intercept = (request) => (isManifest(request) ? new Response(null, { status }) : undefined);
          const result = await refused(reference, client);
          expect(result.stdout.replace(/^Using default tag.*\n/, "")).toBe("");
          expect(result.stderr).toMatch(/^Error response from daemon: /);
          expect(result.stderr).toMatch(words);
        }, 30_000);
      }
    });
  }

  for (const status of [401, 404, 500]) {
    test(`refuses a layer with ${status}`, async () => {
      const reference = await registry.push(good, "thing");
      registry.intercept = (request) => (isLayer(request) ? new Response(null, { status }) : undefined);
      await refused(reference);
    }, 30_000);
  }

  test("breaks off again and again: the rest is asked for by Range, and the pull succeeds", async () => {
    await registry.push(good, "thing");
    const between = await cutter(registry.host, 60_000);
    try {
      const result = await server.cli(["pull", `${between.host}/thing`]);
      expect(result).toMatchObject({ code: 0 });
      expect(between.cuts()).toBeGreaterThanOrEqual(4);
      await server.cli(["rmi", `${between.host}/thing`]);
    } finally {
      between.close();
    }
  }, 30_000);

  test("redirects in a ring", async () => {
    const reference = await registry.push(good, "thing");
    registry.intercept = (request) =>
      isLayer(request) ? new Response(null, { status: 307, headers: { Location: request.url } }) : undefined;
    expect((await refused(reference)).stderr).toMatch(/redirect/);
  }, 30_000);

  for (const client of clients) {
    for (const [what, at] of [
      ["a manifest", isManifest],
      ["a layer", isLayer],
    ] as const) {
      describeNeeding(...client.needs)(client.name, () => {
        test(`hangs at ${what}: Ctrl-C ends it, here and there`, async () => {
          const reference = await registry.push(good, "thing");
          const came = Promise.withResolvers<void>();
          const gone = Promise.withResolvers<void>();
          registry.intercept = (request) => {
            if (!at(request)) return undefined;
            came.resolve();
            request.signal.addEventListener("abort", () => gone.resolve());
            return new Promise(() => {});
          };
          const pulling = server.live(client.name, ["pull", reference]);
          await came.promise;
          // Nobody else waits for it.
          expect(await server.cli(["ps", "-q"])).toMatchObject({ code: 0 });
          pulling.kill("SIGINT");
          await pulling.ended;
          await gone.promise;
          await eventually(() => expect(kept(server.dataRoot)).toEqual([]));
        });
      });
    }
  }

  test("is not there", async () => {
    const { host } = registry;
    await registry.cleanup();
    const result = await server.cli(["pull", `${host}/thing`]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(host);
    expect(result.stderr).toContain("connection refused");
  });

  /** Only addresses that are not loopback are asked for a good certificate. */
  async function bridgeAddress(): Promise<string> {
    const [bridge] = (await (await server.request("/networks?filters={%22name%22:[%22bridge%22]}")).json()) as {
      IPAM: { Config: { Gateway: string }[] };
    }[];
    return bridge!.IPAM.Config[0]!.Gateway;
  }

  needing("openssl")(
    "shows a certificate that nobody signed: no byte goes to it, least of all in the clear",
    async () => {
      const home = makeHome();
      const address = await bridgeAddress();
      const files = ["-keyout", `${home.path}/key`, "-out", `${home.path}/cert`, "-subj", "/CN=x"];
      await run([program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", ...files]);
      let requests = 0;
      const tls = { key: Bun.file(`${home.path}/key`), cert: Bun.file(`${home.path}/cert`) };
      const liar = Bun.serve({
        hostname: address,
        port: 0,
        tls,
        fetch() {
          requests++;
          return new Response("{}");
        },
      });
      try {
        const result = await server.cli(["pull", `${address}:${liar.port}/thing`]);
        expect(result.code).toBe(1);
        expect(result.stderr).toContain(`${address}:${liar.port}`);
        expect(result.stderr).toMatch(/certificate|x509/i);
        expect(requests).toBe(0);
      } finally {
        await liar.stop(true);
        await removeHome(home);
      }
    },
  );

  test("speaks no TLS where it must", async () => {
    const address = await bridgeAddress();
    const heard: string[] = [];
    const sockets = new Set<Socket>();
    const liar = createServer((socket) => {
      sockets.add(socket);
      socket.on("data", (data) => {
        heard.push(data.toString("latin1"));
        socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
      });
      socket.on("error", () => {});
    });
    await new Promise<void>((done) => liar.listen(0, address, done));
    try {
      const { port } = liar.address() as { port: number };
      const result = await server.cli(["pull", `${address}:${port}/thing`]);
      expect(result.code).toBe(1);
      expect(result.stderr).toContain("server gave HTTP response to HTTPS client");
      expect(heard.some((text) => text.includes("HTTP/1.1"))).toBe(false);
    } finally {
      for (const socket of sockets) socket.destroy();
      liar.close();
    }
  });
});

describeNeeding(...needs, "busybox")("a hostile layer", () => {
  let server: Server;
  let registry: FakeRegistry;
  let outside: string;
  beforeAll(async () => {
    registry = fakeRegistry();
    server = await startServer({ args: ["--embedded-hub", "off"] });
    outside = join(server.home.path, "outside");
    mkdirSync(outside);
  }, 60_000);
  afterAll(async () => {
    await server?.cleanup();
    await registry?.cleanup();
  }, 60_000);

  // So many steps up that it is the host's root, wherever the layer lies.
  const up = "../".repeat(30);
  const escapes: [what: string, layers: () => Entry[][]][] = [
    ["a name with ..", () => [[{ name: `${up}${outside.slice(1)}/file`, data: "x" }]]],
    ["a name with .. inside", () => [[{ name: `a/${up}${outside.slice(1)}/file`, data: "x" }]]],
    ["an absolute name", () => [[{ name: `${outside}/file`, data: "x" }]]],
    [
      "a file behind a link out",
      () => [
        [
          { name: "out", type: "symlink", target: outside },
          { name: "out/file", data: "x" },
        ],
      ],
    ],
    [
      "a file behind a link out of the layer below",
      () => [[{ name: "out", type: "symlink", target: `${up}${outside.slice(1)}` }], [{ name: "out/file", data: "x" }]],
    ],
    [
      "a directory behind a link out",
      () => [
        [
          { name: "out", type: "symlink", target: outside },
          { name: "out/directory/", type: "directory" },
        ],
      ],
    ],
    [
      "a file over a link out",
      () => [
        [
          { name: "file", type: "symlink", target: `${outside}/file` },
          { name: "file", data: "x" },
        ],
      ],
    ],
    ["a hard link to the host's", () => [[{ name: "stolen", type: "hardlink", target: "/etc/hostname" }]]],
    ["a hard link with ..", () => [[{ name: "stolen", type: "hardlink", target: `${up}etc/passwd` }]]],
    [
      "a hard link through a link out",
      () => [
        [
          { name: "out", type: "symlink", target: "/etc" },
          { name: "stolen", type: "hardlink", target: "out/passwd" },
        ],
      ],
    ],
    [
      "a whiteout behind a link out",
      () => [
        [
          { name: "out", type: "symlink", target: outside },
          { name: "out/.wh.file", data: "" },
        ],
      ],
    ],
    ["a whiteout of ..", () => [[{ name: ".wh...", data: "" }]]],
    ["a name with a NUL's worth of nothing", () => [[{ name: "", data: "x" }]]],
  ];
  for (const [what, layers] of escapes) {
    test(`with ${what} stays inside or is refused`, async () => {
      const { blobs, layers: own } = await busyboxImage();
      const bottom = new Uint8Array(Bun.gunzipSync(new Uint8Array(blobs.get(own[0]!.digest)!)));
      const image = buildImage([bottom, ...layers()], { config: { Cmd: ["true"] } });
      const reference = await registry.push(image, "escape");
      const pulled = await server.cli(["pull", reference]);
      expect(readdirSync(outside)).toEqual([]);
      if (pulled.code === 0) {
        // It may also be an image like another: then its container sees nothing of the host.
        const look = ["sh", "-c", `cat /stolen ${outside}/file /file 2>/dev/null; true`];
        const seen = await server.cli(["run", "--rm", reference, ...look]);
        expect(seen.stdout).not.toContain("daemon:");
        expect(readdirSync(outside)).toEqual([]);
        await server.cli(["rmi", reference]);
      } else {
        expect(pulled.code).toBe(1);
        expect(pulled.stderr).toContain("escape");
      }
      await eventually(() => expect(kept(server.dataRoot).filter((path) => !path.includes("chains"))).toEqual([]));
    });
  }

  const broken: [what: string, archive: () => Uint8Array][] = [
    ["is no archive", () => Buffer.from("this is no archive, ".repeat(100))],
    ["breaks off in a file", () => buildTar([{ name: "file", data: "x".repeat(5000) }]).subarray(0, 2048)],
  ];
  for (const [what, archive] of broken) {
    test(`that ${what} is refused`, async () => {
      const reference = await registry.push(buildImage([archive()]), "broken");
      const result = await server.cli(["pull", reference]);
      expect(result.code).toBe(1);
      expect(result.stderr).toContain("broken");
      await eventually(() => expect(kept(server.dataRoot)).toEqual([]));
    });
  }
});

function buildTar(entries: Entry[]): Uint8Array {
  const image = buildImage([entries], { compression: "none" });
  return image.blobs.get(image.layers[0]!.digest)!;
}

describeNeeding(...needs)("a disk that runs full", () => {
  let home: Home;
  let server: Server;
  let registry: FakeRegistry;
  beforeAll(async () => {
    home = makeHome();
    registry = fakeRegistry();
    mkdirSync(join(home.path, "small"));
    const made = await run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", join(home.path, "small")]);
    expect(made).toMatchObject({ code: 0 });
    const root = join(home.path, "small/data");
    server = await startServer({ args: ["--embedded-hub", "off", "--data-root", root] });
  }, 60_000);
  afterAll(async () => {
    await server?.cleanup();
    await registry?.cleanup();
    if (home) await removeHome(home);
  }, 60_000);

  test("by a layer that unpacks to a thousand times its size: it is told, removed, and the server goes on", async () => {
    const root = join(home.path, "small/data");
    const bomb = buildImage([[{ name: "zeros", data: new Uint8Array(400 << 20) }]]);
    expect(bomb.layers[0]!.size).toBeLessThan(4 << 20);
    const reference = await registry.push(bomb, "bomb");
    const result = await server.cli(["pull", reference]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/no space left|ENOSPC/i);
    expect(result.stderr).toContain("bomb");
    await eventually(() => expect(kept(root)).toEqual([]));
    const small = await registry.push(incompressibleImage(1, 1_000_000), "small");
    expect(await server.cli(["pull", small])).toMatchObject({ code: 0 });
  }, 60_000);
});
