import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createCatalogue } from "./catalogue/catalogue.ts";
import { helloWorld } from "./catalogue/hello-world/hello-world.ts";
import { createHub, type Handler } from "./hub.ts";
import { type Served, serveHub } from "./serve.ts";

const image = helloWorld();
const hub = createHub(createCatalogue({ "library/hello-world": helloWorld }));
const base = "/v2/library/hello-world";
const layer = image.blobs[1]!;

const ask = (path: string, method = "GET", headers: Record<string, string> = {}) =>
  hub(new Request(`http://hub${path}`, { method, headers }));
const codes = async (response: Response) =>
  ((await response.json()) as { errors: { code: string }[] }).errors.map((one) => one.code);

describe("the protocol", () => {
  test("is announced", async () => {
    for (const path of ["/v2/", "/v2"]) {
      const answer = await ask(path);
      expect(answer.status).toBe(200);
      expect(answer.headers.get("docker-distribution-api-version")).toBe("registry/2.0");
      expect(await answer.json()).toEqual({});
    }
  });

  test("gives manifests by tag and digest, also only their heads", async () => {
    for (const target of ["latest", image.index.digest]) {
      for (const method of ["GET", "HEAD"]) {
        const answer = await ask(`${base}/manifests/${target}`, method);
        expect(answer.status).toBe(200);
        expect(answer.headers.get("content-type")).toBe("application/vnd.oci.image.index.v1+json");
        expect(answer.headers.get("docker-content-digest")).toBe(image.index.digest);
        expect(answer.headers.get("content-length")).toBe(String(image.index.bytes.length));
        const body = new Uint8Array(await answer.arrayBuffer());
        expect(Buffer.from(body)).toEqual(Buffer.from(method === "HEAD" ? [] : image.index.bytes));
      }
    }
    const inner = await ask(`${base}/manifests/${image.manifests[1]!.digest}`);
    expect(await inner.json()).toMatchObject({ config: { digest: image.blobs[2]!.digest } });
  });

  const ranges: [string | undefined, number, number, number][] = [
    [undefined, 200, 0, layer.bytes.length],
    ["bytes=0-0", 206, 0, 1],
    ["bytes=10-19", 206, 10, 20],
    ["bytes=10-", 206, 10, layer.bytes.length],
    ["bytes=-7", 206, layer.bytes.length - 7, layer.bytes.length],
    ["bytes=10-999999999", 206, 10, layer.bytes.length],
    ["bytes=-999999999", 206, 0, layer.bytes.length],
    ["bytes=5-2", 200, 0, layer.bytes.length],
    ["bytes=0-1,3-4", 200, 0, layer.bytes.length],
    ["lines=1-2", 200, 0, layer.bytes.length],
    ["bytes=-", 200, 0, layer.bytes.length],
  ];
  for (const [range, status, from, to] of ranges) {
    test(`gives a blob's ${range ?? "whole"}`, async () => {
      const answer = await ask(`${base}/blobs/${layer.digest}`, "GET", range ? { Range: range } : {});
      expect(answer.status).toBe(status);
      expect(new Uint8Array(await answer.arrayBuffer())).toEqual(layer.bytes.slice(from, to));
      const expected = status === 206 ? `bytes ${from}-${to - 1}/${layer.bytes.length}` : null;
      expect(answer.headers.get("content-range")).toBe(expected);
    });
  }
  test("has no bytes behind the end", async () => {
    for (const range of [`bytes=${layer.bytes.length}-`, "bytes=-0"]) {
      const answer = await ask(`${base}/blobs/${layer.digest}`, "GET", { Range: range });
      expect(answer.status).toBe(416);
      expect(answer.headers.get("content-range")).toBe(`bytes */${layer.bytes.length}`);
    }
  });

  test("lists tags in pages", async () => {
    const tags = ["c", "a", "b", "d"];
    const paged = createHub(createCatalogue({ x: () => ({ ...image, name: "x", tags }) }));
    const list = async (query: string) => {
      const answer = await paged(new Request(`http://hub/v2/x/tags/list${query}`));
      return { body: (await answer.json()) as unknown, link: answer.headers.get("link") };
    };
    expect(await list("")).toEqual({ body: { name: "x", tags: ["a", "b", "c", "d"] }, link: null });
    expect(await list("?n=2")).toEqual({
      body: { name: "x", tags: ["a", "b"] },
      link: '</v2/x/tags/list?n=2&last=b>; rel="next"',
    });
    expect(await list("?n=2&last=b")).toEqual({ body: { name: "x", tags: ["c", "d"] }, link: null });
    expect(await list("?n=0")).toEqual({ body: { name: "x", tags: [] }, link: null });
    expect((await paged(new Request("http://hub/v2/x/tags/list?n=x"))).status).toBe(400);
  });

  const zeros = `sha256:${"0".repeat(64)}`;
  const refused: [string, string, number, string][] = [
    ["GET", "/v2/library/other/manifests/latest", 404, "NAME_UNKNOWN"],
    ["GET", "/v2/constructor/manifests/latest", 404, "NAME_UNKNOWN"],
    ["GET", "/v2/Library/x/manifests/latest", 400, "NAME_INVALID"],
    ["GET", `/v2/${"a".repeat(300)}/tags/list`, 400, "NAME_INVALID"],
    ["GET", "/v2/a%2F..%2Fb/tags/list", 400, "NAME_INVALID"],
    ["GET", `${base}/manifests/other`, 404, "MANIFEST_UNKNOWN"],
    ["GET", `${base}/manifests/${zeros}`, 404, "MANIFEST_UNKNOWN"],
    ["GET", `${base}/manifests/sha256:00`, 400, "DIGEST_INVALID"],
    ["GET", `${base}/manifests/%00`, 400, "TAG_INVALID"],
    ["GET", `${base}/manifests/%zz`, 400, "TAG_INVALID"],
    ["GET", `${base}/blobs/${zeros}`, 404, "BLOB_UNKNOWN"],
    ["GET", `${base}/blobs/latest`, 400, "DIGEST_INVALID"],
    ["GET", `${base}/blobs/${image.index.digest}`, 404, "BLOB_UNKNOWN"],
    ["POST", `${base}/blobs/uploads/`, 405, "UNSUPPORTED"],
    ["PUT", `${base}/manifests/latest`, 405, "UNSUPPORTED"],
    ["DELETE", `${base}/manifests/latest`, 405, "UNSUPPORTED"],
    ["GET", "/", 404, "UNSUPPORTED"],
    ["GET", "/v2/x", 404, "UNSUPPORTED"],
  ];
  for (const [method, path, status, code] of refused) {
    test(`refuses ${method} ${path.slice(0, 60)}`, async () => {
      const answer = await ask(path, method);
      expect(answer.status).toBe(status);
      expect(await codes(answer)).toEqual([code]);
    });
  }
});

describe("serveHub", () => {
  const served: Served[] = [];
  afterEach(async () => {
    await Promise.all(served.splice(0).map((one) => one.close()));
  });
  const serve = async (handler: Handler = hub) => {
    const one = await serveHub(handler, { host: "127.0.0.1", port: 0 });
    served.push(one);
    return one;
  };

  test("puts it on a port", async () => {
    const { url } = await serve();
    const answer = await fetch(`${url}${base}/blobs/${layer.digest}`, { headers: { Range: "bytes=0-9" } });
    expect(answer.status).toBe(206);
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(layer.bytes.slice(0, 10));
    const head = await fetch(`${url}${base}/manifests/latest`, { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe(String(image.index.bytes.length));
    expect((await fetch(`${url}${base}/manifests/latest`, { method: "DELETE" })).status).toBe(405);
  });

  test("ends a body whose reader goes", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const endless = new ReadableStream<Uint8Array>(
      { pull: (controller) => controller.enqueue(new Uint8Array(1 << 16)), cancel: () => resolve() },
      { highWaterMark: 0 },
    );
    const { url } = await serve(async () => new Response(endless));
    const answer = await fetch(url);
    const reader = answer.body!.getReader();
    await reader.read();
    await reader.cancel();
    await promise;
  });

  test("says when it cannot listen", async () => {
    const { port } = await serve();
    expect(serveHub(hub, { host: "127.0.0.1", port })).rejects.toThrow(/EADDRINUSE|in use/);
  });
});

test("every digest of the catalogue is right", () => {
  for (const { digest, bytes } of [image.index, ...image.manifests, ...image.blobs]) {
    expect(`sha256:${createHash("sha256").update(bytes).digest("hex")}`).toBe(digest);
  }
});
