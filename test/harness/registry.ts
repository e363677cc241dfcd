/** Registries of the test's own on loopback: Debian's docker-registry, and one in memory whose answers a test can bend. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Digest } from "../../src/storage/content/content.ts";
import { makeHome } from "./home.ts";
import type { BuiltImage } from "./image.ts";
import { program } from "./programs.ts";
import { removeHome } from "./sweep.ts";

export interface TestRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Puts the image there as `name:tag` and returns the reference to pull. */
  push(image: BuiltImage, name: string, tag?: string): Promise<string>;
  cleanup(): Promise<void>;
}

/** With `user`, it asks for basic authentication. `env`: further settings of the registry (REGISTRY_…). */
export async function realRegistry(
  options: { user?: { name: string; password: string }; env?: Record<string, string> } = {},
): Promise<TestRegistry> {
  const home = makeHome();
  const env: Record<string, string> = { ...options.env };
  if (options.user) {
    const { name, password } = options.user;
    const hash = await Bun.password.hash(password, { algorithm: "bcrypt", cost: 4 });
    writeFileSync(join(home.path, "htpasswd"), `${name}:${hash}\n`);
    env.REGISTRY_AUTH_HTPASSWD_REALM = "test";
    env.REGISTRY_AUTH_HTPASSWD_PATH = join(home.path, "htpasswd");
  }
  mkdirSync(join(home.path, "registry"));
  const configuration = join(home.path, "config.json"); // JSON is YAML
  writeFileSync(
    configuration,
    JSON.stringify({
      version: "0.1",
      log: { level: "info" },
      storage: { filesystem: { rootdirectory: join(home.path, "registry") }, delete: { enabled: true } },
      http: { addr: "127.0.0.1:0" },
    }),
  );
  const child = Bun.spawn([program("docker-registry"), "serve", configuration], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    env: { PATH: process.env.PATH, OTEL_TRACES_EXPORTER: "none", ...env },
  });
  try {
    const host = await listening(child.stderr, child.exited);
    const authorization = options.user && `Basic ${btoa(`${options.user.name}:${options.user.password}`)}`;
    return {
      host,
      push: (image, name, tag = "latest") => push(`http://${host}`, image, name, tag, authorization),
      async cleanup() {
        child.kill("SIGKILL");
        await child.exited;
        await removeHome(home);
      },
    };
  } catch (error) {
    child.kill("SIGKILL");
    await child.exited;
    await removeHome(home);
    throw error;
  }
}

/** The address that docker-registry says it listens on. What it says later is read and forgotten. */
async function listening(stream: ReadableStream<Uint8Array>, exited: Promise<number>): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let said = "";
  void (async () => {
    const decoder = new TextDecoder();
    let found = false;
    for await (const chunk of stream) {
      if (found) continue;
      said += decoder.decode(chunk, { stream: true });
      const address = /listening on (127\.0\.0\.1:\d+)/.exec(said)?.[1];
      if (address === undefined) continue;
      found = true;
      resolve(address);
    }
  })();
  void exited.then((code) => reject(new Error(`docker-registry ended with ${code}:\n${said}`)));
  return promise;
}

async function push(
  base: string,
  image: BuiltImage,
  name: string,
  tag: string,
  authorization?: string,
): Promise<string> {
  const headers: Record<string, string> = authorization ? { Authorization: authorization } : {};
  const send = async (url: string, init: RequestInit): Promise<Response> => {
    const answer = await fetch(url, { ...init, headers: { ...headers, ...(init.headers as Record<string, string>) } });
    if (!answer.ok) throw new Error(`${init.method} ${url}: ${answer.status} ${await answer.text()}`);
    await answer.body?.cancel();
    return answer;
  };
  for (const [digest, bytes] of image.blobs) {
    const started = await send(`${base}/v2/${name}/blobs/uploads/`, { method: "POST" });
    const location = new URL(started.headers.get("Location")!, base);
    location.searchParams.set("digest", digest);
    await send(location.href, {
      method: "PUT",
      body: bytes,
      headers: { "Content-Type": "application/octet-stream" },
    });
  }
  await send(`${base}/v2/${name}/manifests/${tag}`, {
    method: "PUT",
    body: image.manifest,
    headers: { "Content-Type": image.mediaType },
  });
  return `${new URL(base).host}/${name}:${tag}`;
}

export interface FakeRegistry extends TestRegistry {
  /** `METHOD /path` of every request that came. */
  readonly requests: string[];
  /** Answers a request instead of the registry; undefined lets the registry answer. */
  intercept: ((request: Request) => Response | undefined | Promise<Response | undefined>) | undefined;
}

/** Serves images from memory over the pull half of the protocol (distribution-spec 1.1). */
export function fakeRegistry(): FakeRegistry {
  const blobs = new Map<Digest, Buffer>();
  const manifests = new Map<string, { bytes: Buffer; mediaType: string; digest: Digest }>();
  const requests: string[] = [];
  const error = (status: number, code: string): Response =>
    Response.json({ errors: [{ code, message: code.toLowerCase().replaceAll("_", " ") }] }, { status });

  function answer(request: Request): Response {
    const { pathname } = new URL(request.url);
    const bodiless = request.method === "HEAD";
    if (pathname === "/v2/" || pathname === "/v2") return Response.json({});
    const listed = /^\/v2\/(.+)\/tags\/list$/.exec(pathname)?.[1];
    if (listed !== undefined) {
      const names = [...manifests.keys()].filter((key) => key.startsWith(`${listed}:`));
      const tags = names.map((key) => key.slice(listed.length + 1)).filter((tag) => !tag.includes(":"));
      return tags.length === 0 ? error(404, "NAME_UNKNOWN") : Response.json({ name: listed, tags });
    }
    const [, name, kind, reference] = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(pathname) ?? [];
    if (kind === "manifests") {
      const found = manifests.get(`${name}:${reference}`);
      if (!found) return error(404, "MANIFEST_UNKNOWN");
      const headers = {
        "Content-Type": found.mediaType,
        "Content-Length": String(found.bytes.length),
        "Docker-Content-Digest": found.digest,
      };
      return new Response(bodiless ? null : found.bytes, { headers });
    }
    const blob = kind === "blobs" ? blobs.get(reference as Digest) : undefined;
    if (!blob) return error(404, "BLOB_UNKNOWN");
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.get("Range") ?? "")?.[1] ?? 0);
    const part = blob.subarray(from);
    const headers: Record<string, string> = { "Content-Type": "application/octet-stream", "Accept-Ranges": "bytes" };
    if (from > 0) headers["Content-Range"] = `bytes ${from}-${blob.length - 1}/${blob.length}`;
    return new Response(bodiless ? null : part, { status: from > 0 ? 206 : 200, headers });
  }

  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    idleTimeout: 0,
    async fetch(request) {
      requests.push(`${request.method} ${new URL(request.url).pathname}`);
      return (await fake.intercept?.(request)) ?? answer(request);
    },
  });
  const fake: FakeRegistry = {
    host: `127.0.0.1:${server.port}`,
    requests,
    intercept: undefined,
    async push(image, name, tag = "latest") {
      for (const [digest, bytes] of image.blobs) blobs.set(digest, bytes);
      const kept = { bytes: image.manifest, mediaType: image.mediaType, digest: image.digest };
      manifests.set(`${name}:${tag}`, kept).set(`${name}:${image.digest}`, kept);
      return `${fake.host}/${name}:${tag}`;
    },
    async cleanup() {
      await server.stop(true);
    },
  };
  return fake;
}
