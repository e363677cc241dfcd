/** The client against the registry that everybody runs: distribution, from Debian's package docker-registry. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import {
  digestOf,
  freePort,
  type LabImage,
  labRegistry,
  linux,
  makeLabImage,
  pullAll,
  readAll,
  refusalOf,
} from "./lab/lab.ts";
import { parseReference } from "./reference/reference.ts";

const program = Bun.which("docker-registry");
const password = "secret";
/** bcrypt of it; the registry takes nothing else. */
const htpasswd = () =>
  `me:${Bun.password.hashSync(password, { algorithm: "bcrypt", cost: 4 }).replace(/^\$2b\$/, "$2y$")}\n`;

interface Running {
  host: string;
  stop(): Promise<void>;
}

async function start(guarded: boolean): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), "gantry-registry-"));
  const port = await freePort();
  const host = `127.0.0.1:${port}`;
  writeFileSync(join(folder, "htpasswd"), htpasswd());
  const config = {
    version: 0.1,
    log: { level: "error", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, "data") } },
    http: { addr: host, secret: "of the test" },
    ...(guarded ? { auth: { htpasswd: { realm: "lab", path: join(folder, "htpasswd") } } } : {}),
  };
  // JSON is YAML.
  writeFileSync(join(folder, "config.yml"), JSON.stringify(config));
  const child = Bun.spawn([program!, "serve", join(folder, "config.yml")], { stdout: "ignore", stderr: "ignore" });
  const stop = async () => {
    child.kill();
    await child.exited;
    rmSync(folder, { recursive: true });
  };
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`http://${host}/v2/`).catch(() => undefined);
    if (answer) break;
    if (tries > 200) {
      await stop();
      throw new Error("docker-registry does not answer");
    }
    await Bun.sleep(25);
  }
  return { host, stop };
}

async function push(host: string, name: string, tag: string, image: LabImage, headers: Record<string, string> = {}) {
  for (const [digest, bytes] of image.blobs) {
    const begun = await fetch(`http://${host}/v2/${name}/blobs/uploads/`, { method: "POST", headers });
    const target = new URL(begun.headers.get("location")!, `http://${host}`);
    target.searchParams.set("digest", digest);
    const put = await fetch(target, {
      method: "PUT",
      body: new Uint8Array(bytes),
      headers: { ...headers, "Content-Type": "application/octet-stream" },
    });
    expect(put.status).toBe(201);
  }
  await putManifest(host, name, tag, image.manifest, headers);
}

async function putManifest(
  host: string,
  name: string,
  target: string,
  manifest: LabImage["manifest"],
  headers: Record<string, string> = {},
) {
  const put = await fetch(`http://${host}/v2/${name}/manifests/${target}`, {
    method: "PUT",
    body: new Uint8Array(manifest.bytes),
    headers: { ...headers, "Content-Type": manifest.mediaType },
  });
  expect(put.status).toBe(201);
}

describe.skipIf(program === null)("distribution", () => {
  const image = makeLabImage([gzipSync(Buffer.alloc(3 << 20, "gantry")), Buffer.from("two")]);
  const arm = makeLabImage([Buffer.from("arm")], { os: "linux", architecture: "arm64" });
  let open: Running;
  let guarded: Running;
  beforeAll(async () => {
    [open, guarded] = await Promise.all([start(false), start(true)]);
  });
  afterAll(async () => {
    await Promise.all([open?.stop(), guarded?.stop()]);
  });

  test("gives back what was pushed, by tag and by digest", async () => {
    await push(open.host, "some/image", "1", image);
    const registry = labRegistry();
    for (const text of [`${open.host}/some/image:1`, `${open.host}/some/image@${image.manifest.digest}`]) {
      const { image: found, blobs } = await pullAll(registry, text);
      expect(found.digest).toBe(image.manifest.digest);
      expect(blobs.map(digestOf)).toEqual([image.config.digest, ...image.layers.map((one) => one.digest)]);
    }
  });

  test("serves the platform that was asked for from an index, in OCI's types and Docker's", async () => {
    await push(open.host, "multi", "amd64", image);
    await push(open.host, "multi", "arm64", arm);
    const entry = ({ manifest }: LabImage, platform: object) => ({
      mediaType: manifest.mediaType,
      digest: manifest.digest,
      size: manifest.bytes.length,
      platform,
    });
    for (const mediaType of [
      "application/vnd.oci.image.index.v1+json",
      "application/vnd.docker.distribution.manifest.list.v2+json",
    ]) {
      const manifests = [entry(image, linux), entry(arm, { os: "linux", architecture: "arm64", variant: "v8" })];
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
      await putManifest(open.host, "multi", "latest", { bytes, digest: digestOf(bytes), mediaType });
      const reference = parseReference(`${open.host}/multi`);
      const registry = labRegistry();
      const found = await registry.resolve(reference, { os: "linux", architecture: "arm64" });
      expect(found).toMatchObject({ digest: digestOf(bytes), manifest: { digest: arm.manifest.digest } });
      const [layer] = found.manifest.layers;
      expect(Buffer.from(await readAll(registry.blob(reference, found, layer!))).toString()).toBe("arm");
    }
  });

  test("says what it has not, in Docker's words", async () => {
    const registry = labRegistry();
    await push(open.host, "some/image", "1", image);
    expect((await refusalOf(pullAll(registry, `${open.host}/some/image:2`))).message).toBe(
      `manifest for ${open.host}/some/image:2 not found: manifest unknown: manifest unknown`,
    );
    expect((await refusalOf(pullAll(registry, `${open.host}/nothing`))).message).toBe(
      `manifest for ${open.host}/nothing:latest not found: manifest unknown: manifest unknown`,
    );
  });

  test("wants a name and a password", async () => {
    const authorization = { Authorization: `Basic ${Buffer.from(`me:${password}`).toString("base64")}` };
    await push(guarded.host, "private", "1", image, authorization);
    const text = `${guarded.host}/private:1`;
    const registry = labRegistry();
    const { image: found } = await pullAll(registry, text, { credentials: { username: "me", password } });
    expect(found.digest).toBe(image.manifest.digest);
    const wrong = await refusalOf(pullAll(registry, text, { credentials: { username: "me", password: "wrong" } }));
    expect(wrong).toMatchObject({ kind: "unauthorized" });
    expect(wrong.message).toStartWith("unauthorized: authentication required");
    expect((await refusalOf(pullAll(registry, text))).message).toContain("no basic auth credentials");
  });
});
