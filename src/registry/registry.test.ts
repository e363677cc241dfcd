/** The client against registries that do everything wrong. */
import { describe, expect, test } from "bun:test";
import type { ServerResponse } from "node:http";
import {
  digestOf,
  fail,
  freePort,
  type Lab,
  type LabHandler,
  type LabImage,
  labRegistry,
  labsOfTests,
  linux,
  makeLabImage,
  pullAll,
  refusalOf,
  send,
  sendManifest,
  serveImage,
} from "./lab/lab.ts";
import { parseReference } from "./reference/reference.ts";
import { RegistryError } from "./registry.ts";

const { lab, raw } = labsOfTests();

const image = makeLabImage([Buffer.from("layer one"), Buffer.from("layer two")]);
const resolve = (text: string, registry = labRegistry(), platform = linux) =>
  registry.resolve(parseReference(text), platform);
const refused = async (text: string, registry = labRegistry()) => {
  const error = await refusalOf(resolve(text, registry));
  expect(error).toBeInstanceOf(RegistryError);
  return error as RegistryError;
};

/** Serves this as every manifest. */
const manifestOf = (bytes: Uint8Array | string, headers: Record<string, string> = {}): LabHandler => {
  return (_, response) => send(response, 200, bytes, { "Content-Type": image.manifest.mediaType, ...headers });
};

describe("resolve", () => {
  test("brings manifest, documents and blobs", async () => {
    const { host, requests } = await lab(serveImage(image));
    const pulled = await pullAll(labRegistry(), `${host}/a/b:1`);
    expect(pulled.image).toMatchObject({ origin: "registry", digest: image.manifest.digest });
    expect(pulled.image.documents).toHaveLength(1);
    expect(Buffer.from(pulled.image.documents[0]!.bytes).equals(image.manifest.bytes)).toBe(true);
    expect(pulled.blobs.map((blob) => Buffer.from(blob).toString()).slice(1)).toEqual(["layer one", "layer two"]);
    expect(requests[0]).toMatchObject({ method: "GET", path: "/v2/a/b/manifests/1" });
    expect(requests[0]?.headers.accept).toContain("application/vnd.oci.image.index.v1+json");
  });

  test("asks by digest when there is one, and for latest when there is nothing", async () => {
    const { host, requests } = await lab(serveImage(image));
    await resolve(`${host}/a:tag@${image.manifest.digest}`);
    await resolve(`${host}/a`);
    expect(requests.map((one) => one.path)).toEqual([
      `/v2/a/manifests/${image.manifest.digest}`,
      "/v2/a/manifests/latest",
    ]);
  });

  test("walks an index, and indexes within it", async () => {
    const arm = makeLabImage([Buffer.from("arm")], { os: "linux", architecture: "arm64" });
    const inner = makeIndex([entryOf(image.manifest, linux)]);
    const outer = makeIndex([entryOf(arm.manifest, { os: "linux", architecture: "arm64" }), entryOf(inner)]);
    const { host } = await lab(serveAll([outer, inner, image.manifest, arm.manifest]));
    const found = await resolve(`${host}/a`);
    expect(found.digest).toBe(outer.digest);
    expect(found.documents.map((one) => one.digest)).toEqual([outer.digest, inner.digest, image.manifest.digest]);
    expect(found.manifest).toMatchObject({ digest: image.manifest.digest, layers: image.layers });
    const other = await resolve(`${host}/a`, labRegistry(), { os: "linux", architecture: "arm64" });
    expect(other.manifest.digest).toBe(arm.manifest.digest);
  });

  test("says which platforms there are", async () => {
    const index = makeIndex([entryOf(image.manifest, linux)]);
    const { host } = await lab(serveAll([index, image.manifest]));
    const error = await refusalOf(resolve(`${host}/a`, labRegistry(), { os: "linux", architecture: "s390x" }));
    expect(error).toMatchObject({ kind: "not-found", status: 404 });
    expect(error.message).toBe(
      `no matching manifest for linux/s390x in the manifest list entries: ${host}/a:latest is there for linux/amd64`,
    );
  });

  test("ends in indexes without end", async () => {
    let index = makeIndex([entryOf(image.manifest, linux)]);
    const all = [index];
    for (let i = 0; i < 20; i++) {
      index = makeIndex([entryOf(index)]);
      all.unshift(index);
    }
    const { host, requests } = await lab(serveAll(all));
    expect((await refused(`${host}/a`)).message).toContain("holds indexes more than 3 deep");
    expect(requests.length).toBeLessThan(6);
  });
});

describe("a registry that lies", () => {
  const lies: [string, LabHandler, RegExp][] = [
    [
      "about the digest of a tag",
      manifestOf(image.manifest.bytes, { "Docker-Content-Digest": `sha256:${"0".repeat(64)}` }),
      /^manifest verification failed for digest sha256:0{64}/,
    ],
    ["with what is no manifest", manifestOf("<html>login</html>"), /is not JSON/],
    [
      "with a type that the document contradicts",
      manifestOf(image.manifest.bytes, { "Content-Type": "application/vnd.oci.image.index.v1+json" }),
      /says that it is/,
    ],
    [
      "with schema 1",
      manifestOf('{"schemaVersion":1,"fsLayers":[]}', {
        "Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws",
      }),
      /schema 1, which is not supported/,
    ],
    ["with a manifest of five megabytes", manifestOf(" ".repeat(5 << 20)), /is longer than 4194304 bytes/],
  ];
  for (const [what, handler, message] of lies) {
    test(what, async () => {
      const { host } = await lab(handler);
      const error = await refused(`${host}/some/image:1`);
      expect(error).toMatchObject({ kind: "invalid", status: 500 });
      expect(error.message).toMatch(message);
      expect(error.message).toContain(`${host}/some/image:1`);
      expect(error.message).toEndWith(`from ${host})`);
    });
  }

  test("about the manifest that a digest names", async () => {
    const { host } = await lab(manifestOf("{}"));
    const error = await refused(`${host}/a@${image.manifest.digest}`);
    expect(error.message).toStartWith(`manifest verification failed for digest ${image.manifest.digest}`);
  });

  test("about the size of a manifest in its index", async () => {
    const index = makeIndex([{ ...entryOf(image.manifest, linux), size: 7 }]);
    const { host } = await lab(serveAll([index, image.manifest]));
    expect((await refused(`${host}/a`)).message).toMatch(/has \d+ bytes, its index says 7/);
  });

  test("with a manifest without end, in bounded memory", async () => {
    let sent = 0;
    const { host } = await lab((_, response) => {
      response.writeHead(200, { "Content-Type": image.manifest.mediaType });
      const block = Buffer.alloc(1 << 20, " ");
      const more = (): void => {
        while (!response.destroyed && response.write(block)) sent += block.length;
        response.once("drain", more);
      };
      more();
    });
    expect((await refused(`${host}/a`)).message).toContain("is longer than 4194304 bytes");
    expect(sent).toBeLessThan(64 << 20);
  });

  test("with control characters for the terminal", async () => {
    const { host } = await lab((_, response) => fail(response, 404, "MANIFEST_UNKNOWN", "\u001b[2Jgone\r\nand more"));
    expect((await refused(`${host}/a`)).message).toBe(
      `manifest for ${host}/a:latest not found: manifest unknown: [2Jgone and more`,
    );
  });
});

describe("refusals, in Docker's words", () => {
  const cases: [string, LabHandler, Partial<RegistryError>, string][] = [
    [
      "no such tag",
      (_, r) => fail(r, 404, "MANIFEST_UNKNOWN", "manifest unknown"),
      { kind: "not-found", status: 404 },
      "manifest for HOST/x:1 not found: manifest unknown: manifest unknown",
    ],
    [
      "no such repository",
      (_, r) => fail(r, 404, "NAME_UNKNOWN", "repository name not known to registry"),
      { kind: "not-found", status: 404 },
      "repository HOST/x not found: name unknown: repository name not known to registry",
    ],
    [
      "denied",
      (_, r) => fail(r, 403, "DENIED", "requested access to the resource is denied"),
      { kind: "denied", status: 404 },
      "pull access denied for HOST/x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
    ],
    [
      "a 404 without a body",
      (_, r) => send(r, 404, ""),
      { kind: "not-found", status: 404 },
      "manifest for HOST/x:1 not found: manifest unknown: manifest unknown",
    ],
    [
      "a scope that does not suffice",
      (_, r) =>
        fail(r, 401, "UNAUTHORIZED", "authentication required", {
          "WWW-Authenticate": 'Bearer service="x",error="insufficient_scope"',
        }),
      { kind: "denied", status: 404 },
      "pull access denied for HOST/x, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
    ],
    [
      "unauthorized",
      (_, r) => fail(r, 401, "UNAUTHORIZED", "authentication required"),
      { kind: "unauthorized", status: 500 },
      "unauthorized: authentication required (pulling HOST/x:1 from HOST)",
    ],
    [
      "basic authentication without a name",
      (_, r) => send(r, 401, "", { "WWW-Authenticate": 'Basic realm="x"' }),
      { kind: "unauthorized", status: 500 },
      'Get "http://HOST/v2/x/manifests/1": no basic auth credentials (pulling HOST/x:1 from HOST)',
    ],
    [
      "too many requests",
      (_, r) => fail(r, 429, "TOOMANYREQUESTS", "You have reached your pull rate limit."),
      { kind: "rate-limited", status: 500 },
      "toomanyrequests: You have reached your pull rate limit. (pulling HOST/x:1 from HOST)",
    ],
    [
      "a server error",
      (_, r) => send(r, 500, "<html>"),
      { kind: "other", status: 500 },
      "received unexpected HTTP status: 500 Internal Server Error (pulling HOST/x:1 from HOST)",
    ],
  ];
  for (const [what, handler, fields, message] of cases) {
    test(what, async () => {
      const { host } = await lab(handler);
      const error = await refused(`${host}/x:1`);
      expect(error).toMatchObject(fields);
      expect(error.message).toBe(message.replaceAll("HOST", host));
    });
  }

  test("nobody listens", async () => {
    const port = await freePort();
    const error = await refused(`127.0.0.1:${port}/x`);
    expect(error).toMatchObject({ kind: "unreachable" });
    expect(error.message).toStartWith(
      `Get "http://127.0.0.1:${port}/v2/": dial tcp 127.0.0.1:${port}: connect: connection refused`,
    );
  });

  test("no such host, and hosts that are none", async () => {
    expect((await refused("registry.invalid/x")).message).toMatch(
      /^Get "https:\/\/registry\.invalid\/v2\/": dial tcp: lookup registry\.invalid: /,
    );
    expect((await refused("localhost:99999/x")).message).toContain("invalid address localhost:99999");
  });

  test("a certificate that nobody trusts, also for the loopback's own name", async () => {
    const { port } = await lab(serveImage(image), { tls: true });
    const registry = labRegistry({ dockerHub: `https://registry.test:${port}` });
    // The name is not looked up: the proxy leads it here.
    const proxied = labRegistry({ dockerHub: "https://registry.test", proxy: { https: (await tunnelTo(port)).url } });
    expect((await refused("x", proxied)).message).toStartWith(
      'Get "https://registry.test/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority',
    );
    expect((await refused("x", registry)).kind).toBe("unreachable");
  });
});

describe("retries", () => {
  test("after server errors, as often as the limit says", async () => {
    let left = 3;
    const ok = serveImage(image);
    const { host, requests } = await lab((request, response, self) => {
      if (left-- > 0) send(response, 503, "");
      else ok(request, response, self);
    });
    await resolve(`${host}/a`);
    expect(requests).toHaveLength(4);
    left = 100;
    requests.length = 0;
    await refused(`${host}/a`);
    expect(requests).toHaveLength(4);
  });

  test("after Retry-After, and not when it is too long or absent", async () => {
    const answers = ["0", "1", ""];
    const ok = serveImage(image);
    const { host, requests } = await lab((request, response, self) => {
      const after = answers.shift();
      if (after) fail(response, 429, "TOOMANYREQUESTS", "slow down", { "Retry-After": after });
      else ok(request, response, self);
    });
    await resolve(`${host}/a`);
    expect(requests).toHaveLength(3);
    answers.push("2");
    requests.length = 0;
    expect((await refused(`${host}/a`, labRegistry({ limits: { retryAfter: 1000 } }))).kind).toBe("rate-limited");
    expect(requests).toHaveLength(1);
  });

  test("after a cut in the middle of a manifest's head", async () => {
    let cuts = 2;
    const ok = serveImage(image);
    const { host } = await lab((request, response, self) => {
      if (cuts-- > 0) request.socket.destroy();
      else ok(request, response, self);
    });
    await resolve(`${host}/a`);
  });

  test("never beyond the time for a document", async () => {
    const mute = await raw(() => {});
    const hangs = labRegistry({ limits: { document: 100, tls: 20_000 } });
    expect((await refused(`${mute.host}/a`, hangs)).message).toMatch(/no whole answer within 0\.1 s/);
    // A byte now and then does not help.
    const { host } = await lab((_, response) => {
      response.writeHead(200, { "Content-Type": image.manifest.mediaType });
      const drip = setInterval(() => response.write(" "), 10);
      response.on("close", () => clearInterval(drip));
    });
    expect((await refused(`${host}/a`, labRegistry({ limits: { document: 300 } }))).message).toMatch(/no whole answer/);
  });

  test("end when the caller goes", async () => {
    const { host } = await lab((_, response) => send(response, 503, ""));
    const registry = labRegistry({ limits: { backoff: 60_000 } });
    const error = await refusalOf(
      registry.resolve(parseReference(`${host}/a`), linux, { signal: AbortSignal.timeout(50) }),
    );
    expect(error.name).toBe("TimeoutError");
  });
});

describe("redirects", () => {
  const to =
    (location: string): LabHandler =>
    (_, response) =>
      send(response, 307, "", { Location: location });

  test("are followed, without the authorization when they lead elsewhere", async () => {
    const ok = serveImage(image);
    const elsewhere = await lab(ok);
    const { host, requests } = await lab((request, response, self) => {
      if (!request.headers.authorization) send(response, 401, "", { "WWW-Authenticate": 'Basic realm="x"' });
      else if (request.url?.includes("/blobs/")) to(`${elsewhere.url}${request.url}?signed=1`)(request, response, self);
      else if (request.url?.includes("/v2/a/")) to(request.url.replace("/v2/a/", "/v2/b/"))(request, response, self);
      else ok(request, response, self);
    });
    const credentials = { username: "me", password: "secret" };
    await pullAll(labRegistry(), `${host}/a`, { credentials });
    const own = requests.filter((one) => one.path.startsWith("/v2/b/"));
    expect(own[0]?.headers.authorization).toBe(`Basic ${Buffer.from("me:secret").toString("base64")}`);
    expect(elsewhere.requests.length).toBe(3);
    for (const request of elsewhere.requests) expect(request.headers.authorization).toBeUndefined();
  });

  test("in a ring end", async () => {
    const { host, requests } = await lab((request, response, self) => to(`${request.url}`)(request, response, self));
    expect((await refused(`${host}/a`)).message).toContain("stopped after 10 redirects");
    expect(requests).toHaveLength(11);
  });

  test("from TLS to plain HTTP are refused", async () => {
    const plain = await lab(serveImage(image));
    const { port } = await lab((request, response, self) => to(`${plain.url}${request.url}`)(request, response, self), {
      tls: true,
    });
    expect((await refused(`localhost:${port}/a`)).message).toContain("refusing the redirect from https to http");
    expect(plain.requests).toHaveLength(0);
  });

  for (const location of ["file:///etc/passwd", "ftp://x/", "gopher://x", "http://[bad", ""]) {
    test(`to ${JSON.stringify(location)} are refused`, async () => {
      const { host } = await lab(to(location));
      expect((await refused(`${host}/a`)).kind).toBe("invalid");
    });
  }
});

describe("plain HTTP", () => {
  test("is spoken to loopback and to registries that were named insecure, only", async () => {
    const { port, host } = await lab(serveImage(image));
    await resolve(`${host}/a`);
    await resolve(`localhost:${port}/a`);
    const through = { http: (await tunnelTo(port)).url, https: (await tunnelTo(port)).url };
    const named = labRegistry({ insecure: [`registry.test:${port}`], proxy: through });
    await resolve(`registry.test:${port}/a`, named);
    const byName = labRegistry({ insecure: [`http://REGISTRY.test:${port}`], proxy: through });
    await resolve(`registry.test:${port}/a`, byName);
    const secure = labRegistry({ insecure: ["registry.test", "10.0.0.0/8"], proxy: through });
    expect((await refused(`registry.test:${port}/a`, secure)).message).toStartWith(
      `Get "https://registry.test:${port}/v2/": http: server gave HTTP response to HTTPS client`,
    );
  });

  test("is not tried again and again, and given up when the registry has TLS by then", async () => {
    const plain = await lab(serveImage(image));
    const registry = labRegistry();
    await resolve(`localhost:${plain.port}/a`, registry);
    await resolve(`localhost:${plain.port}/a`, registry);
    expect(plain.requests).toHaveLength(2);
  });
});

describe("mirrors of Docker Hub", () => {
  for (const mirror of ["nonsense", "ftp://a.test", "https://a.test/?x", ""]) {
    test(`are refused when they are no address: ${JSON.stringify(mirror)}`, () => {
      expect(() => labRegistry({ mirrors: [mirror] })).toThrow(/^invalid mirror: /);
    });
  }

  test("are tried in order; what fails gives way", async () => {
    const broken = await lab((_, response) => send(response, 500, ""));
    const empty = await lab((_, response) => fail(response, 404, "MANIFEST_UNKNOWN", "manifest unknown"));
    const full = await lab(serveImage(image));
    const hub = await lab(serveImage(image));
    const absent = `http://127.0.0.1:${await freePort()}`;
    const registry = labRegistry({ mirrors: [absent, broken.url, empty.url, `${full.url}/`], dockerHub: hub.url });
    const { image: found } = await pullAll(registry, "redis");
    expect(found.origin).toEqual({ mirror: `${full.url}/` });
    expect(full.requests[0]?.path).toBe("/v2/library/redis/manifests/latest");
    expect(broken.requests).toHaveLength(1);
    expect(hub.requests).toHaveLength(0);
  });

  test("leave the last word to Docker Hub, and serve nobody else", async () => {
    const mirror = await lab((_, response) => send(response, 500, ""));
    const hub = await lab((_, response) => fail(response, 404, "MANIFEST_UNKNOWN", "manifest unknown"));
    const registry = labRegistry({ mirrors: [mirror.url], dockerHub: hub.url });
    expect((await refused("redis", registry)).message).toBe(
      "manifest for redis:latest not found: manifest unknown: manifest unknown",
    );
    const other = await lab(serveImage(image));
    mirror.requests.length = 0;
    await resolve(`${other.host}/redis`, registry);
    expect(mirror.requests).toHaveLength(0);
  });

  test("never see Docker Hub's credentials", async () => {
    const challenge = { "WWW-Authenticate": 'Basic realm="x"' };
    const mirror = await lab((_, response) => send(response, 401, "", challenge));
    const ok = serveImage(image);
    const hub = await lab((request, response, self) => {
      if (request.headers.authorization) ok(request, response, self);
      else send(response, 401, "", challenge);
    });
    const registry = labRegistry({ mirrors: [mirror.url], dockerHub: hub.url });
    await pullAll(registry, "redis", { credentials: { username: "me", password: "secret" } });
    for (const request of mirror.requests) expect(request.headers.authorization).toBeUndefined();
  });

  test("that lack a blob give way in the middle of a pull", async () => {
    const whole = serveImage(image);
    const mirror = await lab((request, response, self) => {
      if (request.url?.endsWith(image.layers[1]!.digest)) send(response, 404, "");
      else whole(request, response, self);
    });
    const hub = await lab(whole);
    const { blobs } = await pullAll(labRegistry({ mirrors: [mirror.url], dockerHub: hub.url }), "redis");
    expect(Buffer.from(blobs[2]!).toString()).toBe("layer two");
    expect(hub.requests).toHaveLength(1);
  });
});

type Document = LabImage["manifest"];

function makeIndex(manifests: object[]): Document {
  const mediaType = "application/vnd.oci.image.index.v1+json";
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }));
  return { bytes, digest: digestOf(bytes), mediaType };
}

const entryOf = ({ mediaType, digest, bytes }: Document, platform?: object) => ({
  mediaType,
  digest,
  size: bytes.length,
  ...(platform ? { platform } : {}),
});

/** The first under every tag, all under their digests. */
function serveAll(documents: Document[]): LabHandler {
  return (request, response: ServerResponse) => {
    const target = request.url?.split("/").at(-1) ?? "";
    const found = documents.find((one) => one.digest === target) ?? (target.includes(":") ? undefined : documents[0]);
    if (found) sendManifest(response, found);
    else fail(response, 404, "MANIFEST_UNKNOWN", "manifest unknown");
  };
}

/** A proxy that leads every name to one port on loopback. */
async function tunnelTo(port: number): Promise<Lab> {
  const { connect } = await import("node:net");
  const proxy = await raw((socket) => {
    socket.once("data", (first) => {
      const onward = connect(port, "127.0.0.1");
      onward.on("error", () => {});
      socket.on("close", () => onward.destroy());
      onward.on("close", () => socket.destroy());
      if (first.toString("latin1").startsWith("CONNECT")) socket.write("HTTP/1.1 200 OK\r\n\r\n");
      else onward.write(first.toString("latin1").replace(/^(\S+) http:\/\/[^/]+/, "$1 "), "latin1");
      socket.pipe(onward);
      onward.pipe(socket);
    });
  });
  return proxy;
}
