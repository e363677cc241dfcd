/** When the embedded hub serves, and when it must not. */
import { describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { createEmbeddedHub } from "../hub/embedded.ts";
import {
  digestOf,
  fail,
  freePort,
  type LabHandler,
  labRegistry,
  labsOfTests,
  linux,
  makeLabImage,
  pullAll,
  refusalOf,
  send,
  serveImage,
} from "./lab/lab.ts";
import { parseReference } from "./reference/reference.ts";
import type { Limits, RegistryOptions, Transport } from "./registry.ts";

const { lab, raw } = labsOfTests();

const image = makeLabImage([Buffer.from("official")]);

function withHub(
  dockerHub: string,
  mode: "fallback" | "only" = "fallback",
  more: Partial<RegistryOptions> = {},
  limits: Partial<Limits> = {},
) {
  const asked: string[] = [];
  const hub = createEmbeddedHub();
  const transport: Transport = (request, options) => {
    asked.push(`${request.method} ${new URL(request.url).pathname}`);
    return hub(request, options);
  };
  return { asked, registry: labRegistry({ dockerHub, hub: { mode, transport }, ...more, limits }) };
}

const pull = async (registry: ReturnType<typeof labRegistry>, text: string) => {
  const notices: string[] = [];
  const pulled = await pullAll(registry, text, { onNotice: (message) => notices.push(message) });
  return { ...pulled, notices };
};

const unreachable = async () => `http://127.0.0.1:${await freePort()}`;

describe("fallback", () => {
  test("serves hello-world when Docker Hub refuses the connection, and says so in one line", async () => {
    const { registry } = withHub(await unreachable());
    const { image: found, blobs, notices } = await pull(registry, "hello-world");
    expect(found.origin).toBe("embedded-hub");
    expect(notices).toEqual([
      "Docker Hub cannot be reached (connection refused): hello-world:latest comes from the hub embedded in this server, it is not the official image",
    ]);
    for (const [index, one] of [found.manifest.config, ...found.manifest.layers].entries()) {
      expect(digestOf(blobs[index]!)).toBe(one.digest);
    }
  });

  test("serves when Docker Hub has no address", async () => {
    const { registry } = withHub("https://registry.invalid");
    const { notices } = await pull(registry, "docker.io/library/hello-world:latest");
    expect(notices[0]).toMatch(/^Docker Hub cannot be reached \(.+\): hello-world:latest comes from/);
  });

  test("serves when no connection comes about in time", async () => {
    const full = await startFull();
    try {
      const { registry } = withHub(`http://127.0.0.1:${full.port}`, "fallback", {}, { reach: 100 });
      const { notices } = await pull(registry, "hello-world");
      expect(notices[0]).toStartWith("Docker Hub cannot be reached (no connection within 0.1 s): hello-world:latest");
      // For what the hub has not, the longer limit counts.
      const patient = withHub(`http://127.0.0.1:${full.port}`, "fallback", {}, { reach: 1, connect: 150 });
      expect((await refusalOf(pull(patient.registry, "redis"))).message).toStartWith(
        `Get "http://127.0.0.1:${full.port}/v2/": dial tcp 127.0.0.1:${full.port}: i/o timeout`,
      );
    } finally {
      full.close();
    }
  });

  test("serves when the proxy is not there", async () => {
    const { registry } = withHub("https://registry.test", "fallback", {
      proxy: { https: await unreachable() },
    });
    expect((await pull(registry, "hello-world")).image.origin).toBe("embedded-hub");
  });

  test("does not ask Docker Hub again for a moment, and then does", async () => {
    const port = await freePort();
    const { registry } = withHub(`http://127.0.0.1:${port}`, "fallback", {}, { unreachable: 200 });
    await pull(registry, "hello-world");
    let connections = 0;
    const ok = serveImage(image);
    const { createServer } = await import("node:http");
    const server = createServer((request, response) => {
      connections++;
      ok(request, response, undefined as never);
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    try {
      expect((await pull(registry, "hello-world")).image.origin).toBe("embedded-hub");
      expect(connections).toBe(0);
      await Bun.sleep(250);
      const { image: found, notices } = await pull(registry, "hello-world");
      expect(found).toMatchObject({ origin: "registry", digest: image.manifest.digest });
      expect(notices).toEqual([]);
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  test("goes by Docker Hub alone: mirrors that answer change nothing", async () => {
    const mirror = await lab((_, response) => send(response, 500, ""));
    const { registry } = withHub(await unreachable(), "fallback", { mirrors: [mirror.url] });
    expect((await pull(registry, "hello-world")).image.origin).toBe("embedded-hub");
  });

  const never: [string, string][] = [
    ["an image that it has not", "redis"],
    ["a tag that it has not", "hello-world:other"],
    ["somebody's repository", "someone/hello-world"],
    ["a digest", `hello-world@sha256:${"0".repeat(64)}`],
    ["a tag with a digest", `hello-world:latest@sha256:${"0".repeat(64)}`],
  ];
  for (const [what, text] of never) {
    test(`does not serve ${what}: Docker's text`, async () => {
      const hub = await unreachable();
      const { registry } = withHub(hub);
      const error = await refusalOf(pull(registry, text));
      expect(error.message).toStartWith(`Get "${hub}/v2/": dial tcp ${new URL(hub).host}: connect: connection refused`);
    });
  }

  test("does not serve in another registry's place", async () => {
    const { registry, asked } = withHub(await unreachable());
    const port = await freePort();
    await refusalOf(pull(registry, `127.0.0.1:${port}/library/hello-world`));
    expect(asked).toEqual([]);
  });

  const answers: [string, LabHandler][] = [
    ["no such image", (_, r) => fail(r, 404, "MANIFEST_UNKNOWN", "manifest unknown")],
    ["no", (_, r) => fail(r, 403, "DENIED", "requested access to the resource is denied")],
    ["a server error", (_, r) => send(r, 503, "")],
    ["too many requests", (_, r) => fail(r, 429, "TOOMANYREQUESTS", "too many")],
    ["nonsense", (_, r) => send(r, 200, "<html>")],
    ["a redirect to where nobody is", (_, r) => send(r, 307, "", { Location: "http://127.0.0.1:1/" })],
    ["a redirect to a host that is not", (_, r) => send(r, 307, "", { Location: "http://nobody.invalid/" })],
    ["a cut", (request) => request.socket.destroy()],
  ];
  for (const [what, handler] of answers) {
    test(`does not serve when Docker Hub says ${what}`, async () => {
      const { url } = await lab(handler);
      const { registry, asked } = withHub(url);
      await refusalOf(pull(registry, "hello-world"));
      expect(asked.filter((one) => one.startsWith("GET"))).toEqual([]);
    });
  }

  test("does not serve after a TLS failure", async () => {
    const { port } = await lab(serveImage(image), { tls: true });
    // Through a tunnel, for a name that is not loopback's.
    const proxy = await raw((socket) => {
      socket.once("data", () => {
        const onward = connect(port, "127.0.0.1");
        onward.on("error", () => {});
        onward.on("close", () => socket.destroy());
        socket.on("close", () => onward.destroy());
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(onward);
        onward.pipe(socket);
      });
    });
    const { registry, asked } = withHub("https://registry.test", "fallback", { proxy: { https: proxy.url } });
    expect((await refusalOf(pull(registry, "hello-world"))).message).toMatch(
      /x509: certificate signed by unknown authority/,
    );
    expect(asked.filter((one) => one.startsWith("GET"))).toEqual([]);
  });

  test("does not serve when a connection stays silent", async () => {
    const mute = await raw(() => {});
    const { registry, asked } = withHub(mute.url, "fallback", {}, { idle: 50, retries: 0, reach: 20 });
    await refusalOf(pull(registry, "hello-world"));
    expect(asked.filter((one) => one.startsWith("GET"))).toEqual([]);
  });

  test("leaves Docker Hub's image alone when it is there", async () => {
    const { url } = await lab(serveImage(image));
    const { registry } = withHub(url);
    const { image: found, notices } = await pull(registry, "hello-world");
    expect(found).toMatchObject({ origin: "registry", digest: image.manifest.digest });
    expect(notices).toEqual([]);
  });
});

describe("only", () => {
  test("serves instead of Docker Hub and its mirrors, and says so", async () => {
    const hub = await lab(serveImage(image));
    const { registry } = withHub(hub.url, "only", { mirrors: [hub.url] });
    const { image: found, notices } = await pull(registry, "hello-world");
    expect(found.origin).toBe("embedded-hub");
    expect(notices).toHaveLength(1);
    expect(notices[0]).toMatch(
      /hello-world:latest comes from the hub embedded in this server, it is not the official image$/,
    );
    expect(hub.requests).toHaveLength(0);
    const byDigest = await pull(registry, `hello-world@${found.digest}`);
    expect(byDigest.image.manifest.digest).toBe(found.manifest.digest);
  });

  test("has Docker's words for what it has not, and leaves other registries alone", async () => {
    const other = await lab(serveImage(image));
    const { registry } = withHub("http://127.0.0.1:1", "only");
    expect((await refusalOf(pull(registry, "redis"))).message).toBe(
      "repository redis not found: name unknown: repository name not known to registry",
    );
    expect((await refusalOf(pull(registry, "hello-world:x"))).message).toBe(
      "manifest for hello-world:x not found: manifest unknown: manifest unknown",
    );
    expect((await pull(registry, `${other.host}/a`)).image.origin).toBe("registry");
  });

  test("has both platforms", async () => {
    const { registry } = withHub("http://127.0.0.1:1", "only");
    const reference = parseReference("hello-world");
    const digests = new Set<string>();
    for (const platform of [
      linux,
      { os: "linux", architecture: "arm64" },
      { os: "linux", architecture: "arm64", variant: "v8" },
    ]) {
      digests.add((await registry.resolve(reference, platform)).manifest.digest);
    }
    expect(digests.size).toBe(2);
    const error = await refusalOf(registry.resolve(reference, { os: "linux", architecture: "s390x" }));
    expect(error.message).toBe(
      "no matching manifest for linux/s390x in the manifest list entries: hello-world:latest is there for linux/amd64, linux/arm64/v8",
    );
  });
});

/** A port that neither takes nor refuses connections: its process stands still and its queue is full. */
async function startFull(): Promise<{ port: number; close(): void }> {
  const script = `
    const server = require("node:net").createServer();
    server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(server.address().port));
  `;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "ignore" });
  const queued: Socket[] = [];
  const close = () => {
    for (const socket of queued) socket.destroy();
    child.kill("SIGKILL");
  };
  try {
    const { value } = await child.stdout.getReader().read();
    const port = Number(new TextDecoder().decode(value));
    child.kill("SIGSTOP");
    for (let taken = true; taken; ) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      queued.push(socket);
      taken = await Promise.race([
        new Promise<boolean>((resolve) => socket.once("connect", () => resolve(true))),
        Bun.sleep(300).then(() => false),
      ]);
    }
    return { port, close };
  } catch (error) {
    close();
    throw error;
  }
}
