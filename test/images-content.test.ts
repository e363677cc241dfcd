/** What a container sees of its image's layers, whatever form a registry has them in. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  type BuiltImage,
  buildImage,
  busyboxImage,
  describeNeeding,
  digestOf,
  type Entry,
  type FakeRegistry,
  fakeRegistry,
  type ImageOptions,
  type Result,
  type Server,
  startServer,
} from "./harness/harness.ts";

/** The same image with Docker's media types instead of OCI's (Docker image manifest version 2, schema 2). */
function asDocker(image: BuiltImage): BuiltImage {
  const names: Record<string, string> = {
    "application/vnd.oci.image.manifest.v1+json": "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.config.v1+json": "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.layer.v1.tar+gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
  };
  let text = image.manifest.toString();
  for (const [from, to] of Object.entries(names)) text = text.replaceAll(from, to);
  const manifest = Buffer.from(text);
  return { ...image, manifest, mediaType: names[image.mediaType]!, digest: digestOf(manifest) };
}

describeNeeding(
  "root",
  "crun",
  "conmon",
  "nft",
  "busybox",
)("a container sees of its image", () => {
  let server: Server;
  let registry: FakeRegistry;
  let bottom: Uint8Array;
  let count = 0;
  beforeAll(async () => {
    registry = fakeRegistry();
    const { blobs, layers } = await busyboxImage();
    bottom = new Uint8Array(Bun.gunzipSync(new Uint8Array(blobs.get(layers[0]!.digest)!)));
    server = await startServer({ args: ["--embedded-hub", "off"] });
  }, 60_000);
  afterAll(async () => {
    await server?.cleanup();
    await registry?.cleanup();
  }, 60_000);

  const environment = { Env: ["PATH=/bin:/sbin"], Cmd: ["sh"] };
  const build = (layers: Entry[][], options: ImageOptions = {}): BuiltImage =>
    buildImage([bottom, ...layers], { ...options, config: { ...environment, ...options.config } });

  async function see(image: BuiltImage, script: string, ...flags: string[]): Promise<Result> {
    const reference = await registry.push(image, `image${count++}`);
    const result = await server.cli(["run", "--rm", ...flags, reference, "sh", "-c", script]);
    if (result.code === 125) throw new Error(result.stderr);
    return { ...result, stderr: result.stderr.replace(/^(Unable to find|.*: |Digest|Status).*\n/gm, "") };
  }

  const file: Entry[] = [{ name: "file", data: "content\n", mode: 0o640, uid: 12, gid: 34 }];
  for (const compression of ["gzip", "zstd", "none"] as const) {
    test(`layers as ${compression}`, async () => {
      const result = await see(build([file], { compression }), "cat /file; stat -c '%a %u %g %Y' /file");
      expect(result).toMatchObject({ code: 0, stdout: "content\n640 12 34 1700000000\n" });
    });
  }

  test("layers of Docker's own types", async () => {
    expect(await see(asDocker(build([file])), "cat /file")).toMatchObject({ stdout: "content\n" });
  });

  test("/tmp of the layer below, when one above has only a file in it", async () => {
    const result = await see(build([[{ name: "tmp/x", data: "x" }]]), "stat -c %a /tmp /tmp/x; ls /tmp");
    expect(result.stdout).toBe("1777\n644\nx\n");
  });

  test("not what a whiteout hides, and what comes again above it", async () => {
    const layers: Entry[][] = [
      [
        { name: "a/one", data: "1" },
        { name: "a/two", data: "2" },
        { name: "b/three", data: "3" },
        { name: "c", data: "c" },
        { name: "d", type: "symlink", target: "/a" },
      ],
      [
        { name: "a/.wh.one", data: "" },
        { name: ".wh.b", data: "" },
        { name: ".wh.c", data: "" },
        { name: ".wh.d", data: "" },
        { name: ".wh.never", data: "" },
      ],
      [{ name: "b/four", data: "4" }],
    ];
    const result = await see(build(layers), "ls /a /b; ls -d /c /d /never /.wh* /a/.wh* 2>/dev/null");
    expect(result.stdout).toBe("/a:\ntwo\n\n/b:\nfour\n");
  });

  test("of an opaque directory only what is in it, wherever its mark stands", async () => {
    const below: Entry[] = [
      { name: "x/old", data: "" },
      { name: "x/deep/old", data: "" },
      { name: "y/old", data: "" },
    ];
    const above: Entry[] = [
      { name: "x/.wh..wh..opq", data: "" },
      { name: "x/new", data: "" },
      { name: "y/new", data: "" },
      { name: "y/.wh..wh..opq", data: "" },
    ];
    expect((await see(build([below, above]), "find /x /y | sort")).stdout).toBe("/x\n/x/new\n/y\n/y/new\n");
  });

  test("a file that becomes a directory, and the other way", async () => {
    const below: Entry[] = [
      { name: "a", data: "file" },
      { name: "b/file", data: "" },
    ];
    const above: Entry[] = [
      { name: "a/file", data: "" },
      { name: "b", data: "now a file\n" },
    ];
    expect((await see(build([below, above]), "ls /a; cat /b")).stdout).toBe("file\nnow a file\n");
  });

  test("127 layers, each with its file, the topmost winning", async () => {
    const layers = Array.from({ length: 126 }, (_, at): Entry[] => [
      { name: `layers/${at}`, data: "" },
      { name: "top", data: `${at}\n` },
    ]);
    const result = await see(build(layers), "ls /layers | wc -l; cat /top; echo x > /layers/0 && cat /layers/0");
    expect(result).toMatchObject({ code: 0, stdout: "126\n125\nx\n" });
  }, 60_000);

  test("hard links, long names, names of other alphabets, links, times and special bits", async () => {
    const long = `${"directory-".repeat(9)}/${"very-long-name-".repeat(12)}`;
    const layers: Entry[][] = [
      [
        { name: long, data: "long" },
        { name: "linked", type: "hardlink", target: long },
        { name: "tür/日本", data: "ok" },
        { name: "soft", type: "symlink", target: `/${long}` },
        { name: "special", data: "", mode: 0o6755 },
        { name: "pipe", type: "fifo" },
        { name: "null", type: "character", major: 1, minor: 3, mode: 0o666 },
      ],
    ];
    const script = [
      `[ /linked -ef /${long} ] && stat -c %h /linked`,
      "cat /soft",
      "cat /t*r/*",
      "stat -c '%a' /special",
      "[ -p /pipe ] && echo pipe",
      "stat -c '%F %t %T' /null",
    ];
    const result = await see(build(layers), script.join("; echo; "));
    expect(result.stdout.split("\n").filter(Boolean)).toEqual([
      "2",
      "long",
      "ok",
      "6755",
      "pipe",
      "character special file 1 3",
    ]);
  });

  /** vfs_cap_data, revision 2 (linux/capability.h): effective, and CAP_NET_RAW permitted. */
  const netRaw = Buffer.alloc(20);
  netRaw.writeUInt32LE(0x02000001, 0);
  netRaw.writeUInt32LE(1 << 13, 4);

  test("file capabilities: a program that has one uses it as nobody", async () => {
    // A raw socket needs CAP_NET_RAW (raw(7)); busybox's ping opens one.
    const capability: Entry = {
      name: "with/busybox",
      data: await Bun.file(Bun.which("busybox")!).bytes(),
      mode: 0o755,
      pax: { "SCHILY.xattr.security.capability": netRaw.toString("latin1") },
    };
    const without: Entry = { ...capability, name: "without/busybox", pax: {} };
    const script = "for one in with without; do /$one/busybox ping -c 1 -w 2 127.0.0.1 > /dev/null 2>&1; echo $?; done";
    const image = build([[capability, without]]);
    const flags = ["-u", "nobody", "--sysctl", "net.ipv4.ping_group_range=1 0"];
    expect((await see(image, script, ...flags)).stdout).toBe("0\n1\n");
  });

  test("a sparse file's length and not its holes' blocks", async () => {
    // GNU's form 1.0: the map is in front of the data.
    const map = Buffer.alloc(512);
    map.write("1\n104857600\n4\n");
    const sparse: Entry = {
      name: "GNUSparseFile.0/sparse",
      data: Buffer.concat([map, Buffer.from("end\n")]),
      pax: {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "sparse",
        "GNU.sparse.realsize": "104857604",
      },
    };
    const result = await see(build([[sparse]]), "stat -c '%s %b' /sparse; tail -c 4 /sparse");
    const [, size, blocks] = /^(\d+) (\d+)\nend\n$/.exec(result.stdout) ?? [];
    expect(size).toBe("104857604");
    expect(Number(blocks)).toBeLessThan(1024);
  });

  test("for another platform than this machine's, as files at least", async () => {
    const foreign = process.arch === "arm64" ? "amd64" : "arm64";
    const reference = await registry.push(build([file], { architecture: foreign }), "foreign");
    expect(await server.cli(["pull", "--platform", `linux/${foreign}`, reference])).toMatchObject({ code: 0 });
    const shown = await server.cli(["inspect", "--format", "{{.Os}}/{{.Architecture}}", reference]);
    expect(shown.stdout).toBe(`linux/${foreign}\n`);
    // The files are this machine's: with the platform named it runs.
    const result = await server.cli(["run", "--rm", "--platform", `linux/${foreign}`, reference, "cat", "/file"]);
    expect(result).toMatchObject({ code: 0, stdout: "content\n" });
  });
});
