import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type BuiltImage,
  busyboxImage,
  describeNeeding,
  digestOf,
  fakeRegistry,
  incompressibleImage,
  needing,
  type Peer,
  pty,
  realRegistry,
  run,
  startPeer,
  type TestRegistry,
} from "./harness.ts";
import { makeHome } from "./home.ts";
import { leftovers, processes, removeHome } from "./sweep.ts";

describe("a terminal", () => {
  test("shows, takes keys, is resized, and ends", async () => {
    const terminal = pty(["sh", "-c", "stty size; read word; echo got $word; stty size; exit 3"], {
      rows: 11,
      columns: 77,
    });
    await terminal.see("11 77");
    terminal.resize(20, 100);
    terminal.type("hello\n");
    await terminal.see(/got hello\s+20 100/);
    expect(await terminal.ended).toBe(3);
  });

  test("says what it saw when the program ends without showing it", async () => {
    const terminal = pty(["sh", "-c", "echo something else"]);
    await expect(terminal.see("what we want")).rejects.toThrow(/never showed what we want.*something else/);
  });
});

describe("a home", () => {
  needing(
    "root",
    "ip",
    "nft",
  )("is swept whatever is left in it", async () => {
    const home = makeHome();
    const child = Bun.spawn(["sleep", "1000"], { cwd: home.path });
    try {
      await run(["mkdir", join(home.path, "mount point")]);
      await run(["mount", "-t", "tmpfs", "none", join(home.path, "mount point")]);
      await run(["ip", "link", "add", home.bridge, "type", "bridge"]);
      await run(["nft", "add", "table", "inet", `gantry_${home.bridge}`]);
      expect(leftovers(home)).toEqual([`process ${child.pid} (sleep 1000)`, `mount ${join(home.path, "mount point")}`]);
    } finally {
      await removeHome(home);
    }
    expect(await child.exited).not.toBe(0);
    expect(processes(home)).toEqual([]);
    expect(existsSync(home.path)).toBe(false);
    expect(existsSync(`/sys/class/net/${home.bridge}`)).toBe(false);
    expect((await run(["nft", "list", "tables"])).stdout).not.toContain(home.bridge);
  });
});

test("an image is the same each time it is built", () => {
  expect(incompressibleImage(2, 1000, 7).digest).toBe(incompressibleImage(2, 1000, 7).digest);
  expect(incompressibleImage(2, 1000, 7).digest).not.toBe(incompressibleImage(2, 1000, 8).digest);
});

test("the registry in memory serves, records and can be bent", async () => {
  const image = incompressibleImage(1, 1000);
  const registry = fakeRegistry();
  try {
    await registry.push(image, "a/b", "1");
    const base = `http://${registry.host}/v2/a/b`;
    const manifest = await fetch(`${base}/manifests/1`);
    expect(digestOf(await manifest.bytes())).toBe(image.digest);
    const layer = image.layers[0]!;
    const rest = await fetch(`${base}/blobs/${layer.digest}`, { headers: { Range: "bytes=100-" } });
    expect(rest.status).toBe(206);
    expect((await rest.bytes()).length).toBe(layer.size - 100);
    expect((await fetch(`${base}/manifests/2`)).status).toBe(404);
    registry.intercept = () => new Response(null, { status: 429 });
    expect((await fetch(`${base}/manifests/1`)).status).toBe(429);
    expect(registry.requests.at(-1)).toBe("GET /v2/a/b/manifests/1");
  } finally {
    await registry.cleanup();
  }
});

needing("docker-registry")("Debian's registry asks who it is", async () => {
  const registry = await realRegistry({ user: { name: "me", password: "secret" } });
  try {
    await registry.push(incompressibleImage(1, 1000), "a/b");
    const url = `http://${registry.host}/v2/a/b/manifests/latest`;
    const headers = {
      Authorization: `Basic ${btoa("me:secret")}`,
      Accept: "application/vnd.oci.image.manifest.v1+json",
    };
    expect((await fetch(url)).status).toBe(401);
    expect((await fetch(url, { headers })).status).toBe(200);
  } finally {
    await registry.cleanup();
  }
});

describeNeeding(
  "root",
  "dockerd",
  "docker",
  "docker-registry",
  "busybox",
)("Debian's dockerd beside us", () => {
  let registry: TestRegistry;
  let peer: Peer;
  let image: BuiltImage;
  beforeAll(async () => {
    image = await busyboxImage();
    registry = await realRegistry();
    peer = await startPeer();
  }, 90_000);
  afterAll(async () => {
    await peer?.cleanup();
    await registry?.cleanup();
  }, 60_000);

  test("runs an image of ours from the registry", async () => {
    const reference = await registry.push(image, "busybox");
    const result = await peer.docker(["run", "--rm", "--network", "none", reference, "echo", "hello"]);
    expect(result.stderr).toContain(`Status: Downloaded newer image for ${reference}`);
    expect(result).toMatchObject({ code: 0, stdout: "hello\n" });
  });
});
