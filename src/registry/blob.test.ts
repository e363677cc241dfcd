/** Blobs over lines that break, from registries that count wrong. */
import { describe, expect, test } from "bun:test";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Descriptor } from "../storage/content/content.ts";
import {
  digestOf,
  type LabHandler,
  labRegistry,
  labsOfTests,
  makeLabImage,
  readAll,
  refusalOf,
  send,
  serveImage,
} from "./lab/lab.ts";
import { random } from "./lab/random.ts";
import { parseReference } from "./reference/reference.ts";
import { type ImageManifest, type Registry, RegistryError } from "./registry.ts";

const { lab } = labsOfTests();

const bytes = Buffer.from(random(8).text("abcdefghijklmnopqrstuvwxyz", 300_000));
const image = makeLabImage([bytes]);
const layer = image.layers[0]!;

function fetchBlob(
  registry: Registry,
  host: string,
  descriptor: Descriptor = layer,
  origin: ImageManifest["origin"] = "registry",
  signal?: AbortSignal,
): ReadableStream<Uint8Array> {
  const { mediaType, digest } = image.manifest;
  const manifest = { mediaType, digest, config: image.config, layers: [descriptor] };
  const found: ImageManifest = { origin, digest, documents: [], manifest };
  return registry.blob(parseReference(`${host}/a`), found, descriptor, signal ? { signal } : {});
}

const startOf = (request: IncomingMessage) => Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);

/** Sends up to `until` of what was asked for, and then cuts the connection. */
function sendCut(request: IncomingMessage, response: ServerResponse, until: number): void {
  const start = startOf(request);
  const range = { "Content-Range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(start ? 206 : 200, { "Content-Length": String(bytes.length - start), ...(start ? range : {}) });
  const part = bytes.subarray(start, until);
  // The cut comes when the part is out.
  if (until >= bytes.length) response.end(part);
  else response.write(part, () => setTimeout(() => request.socket.destroy(), 5));
}

describe("a blob", () => {
  test("comes whole, and asks for no range", async () => {
    const { host, requests } = await lab(serveImage(image));
    expect(digestOf(await readAll(fetchBlob(labRegistry(), host)))).toBe(layer.digest);
    expect(requests).toHaveLength(1);
    expect(requests[0]?.headers.range).toBeUndefined();
  });

  test("that is empty needs no request", async () => {
    const empty = { mediaType: layer.mediaType, digest: digestOf(new Uint8Array(0)), size: 0 };
    expect(await readAll(fetchBlob(labRegistry(), "127.0.0.1:1", empty))).toHaveLength(0);
  });

  test("goes on where it broke off, as often as it breaks", async () => {
    const { host, requests } = await lab((request, response) =>
      sendCut(request, response, Math.min(bytes.length, startOf(request) + 90_000)),
    );
    const whole = await readAll(fetchBlob(labRegistry({ limits: { retries: 5 } }), host));
    expect(digestOf(whole)).toBe(layer.digest);
    expect(requests).toHaveLength(4);
    for (const request of requests.slice(1)) expect(request.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
  });

  test("gives up after bounded tries", async () => {
    const { host, requests } = await lab((request, response) => sendCut(request, response, startOf(request) + 10));
    const error = await refusalOf(readAll(fetchBlob(labRegistry(), host)));
    expect(error).toBeInstanceOf(RegistryError);
    expect(error.message).toContain(host);
    expect(requests).toHaveLength(4);
  });

  test("comes whole from a registry that ignores ranges", async () => {
    const { host, requests } = await lab((request, response, self) => {
      if (self.requests.length === 1) sendCut(request, response, 100_000);
      else send(response, 200, bytes);
    });
    expect(digestOf(await readAll(fetchBlob(labRegistry(), host)))).toBe(layer.digest);
    expect(requests).toHaveLength(2);
  });

  test("is refused when another part comes than was asked for", async () => {
    for (const range of [`bytes 5-${bytes.length - 1}/${bytes.length}`, "bytes 0-9/10", "nonsense"]) {
      const { host } = await lab((request, response, self) => {
        if (self.requests.length === 1) sendCut(request, response, 100_000);
        else send(response, 206, bytes.subarray(5), { "Content-Range": range });
      });
      expect((await refusalOf(readAll(fetchBlob(labRegistry(), host)))).message).toMatch(/another part came/);
    }
  });

  const wrong: [string, LabHandler, RegExp][] = [
    ["says fewer bytes", (_, r) => send(r, 200, bytes.subarray(1)), /has 299999 bytes, its manifest says 300000/],
    ["says more bytes", (_, r) => send(r, 200, Buffer.concat([bytes, bytes])), /has 600000 bytes, its manifest says/],
    ["ends early", (_, r) => void r.writeHead(200).end(bytes.subarray(9)), /ended after 299991 of 300000 bytes/],
    ["has no body", (_, r) => void r.writeHead(200, { "Content-Length": "0" }).end(), /says 300000|is empty/],
    ["is not there", (_, r) => send(r, 404, ""), /^blob unknown: blob unknown to registry \(pulling/],
    ["is denied", (_, r) => send(r, 403, ""), /^pull access denied/],
  ];
  for (const [what, handler, message] of wrong) {
    test(`is refused when it ${what}`, async () => {
      const { host } = await lab(handler);
      const error = await refusalOf(readAll(fetchBlob(labRegistry(), host)));
      expect(error).toBeInstanceOf(RegistryError);
      expect(error.message).toMatch(message);
      expect(error.message).toContain(`${host}/a`);
    });
  }

  test("without an end is left at its size", async () => {
    let closed = false;
    const { host } = await lab((_, response) => {
      response.on("close", () => {
        closed = true;
      });
      response.writeHead(200);
      const more = (): void => {
        while (!response.destroyed && response.write(bytes));
        response.once("drain", more);
      };
      more();
    });
    const error = await refusalOf(readAll(fetchBlob(labRegistry(), host)));
    expect(error.message).toMatch(/is longer than the 300000 bytes that its manifest says/);
    while (!closed) await Bun.sleep(5);
  });

  test("that stalls goes on by another connection", async () => {
    const { host, requests } = await lab((request, response, self) => {
      if (self.requests.length > 1) return sendCut(request, response, bytes.length);
      response.writeHead(200, { "Content-Length": String(bytes.length) });
      response.write(bytes.subarray(0, 1000));
    });
    expect(digestOf(await readAll(fetchBlob(labRegistry({ limits: { idle: 100 } }), host)))).toBe(layer.digest);
    expect(requests).toHaveLength(2);
  });

  test("lets go of the connection when its reader goes, and when it is aborted", async () => {
    for (const way of ["cancel", "abort"]) {
      let closed = false;
      const { host } = await lab((_, response) => {
        response.on("close", () => {
          closed = true;
        });
        response.writeHead(200, { "Content-Length": String(bytes.length) });
        response.write(bytes.subarray(0, 1000));
      });
      const gone = new AbortController();
      const reader = fetchBlob(labRegistry(), host, layer, "registry", gone.signal).getReader();
      await reader.read();
      if (way === "cancel") await reader.cancel();
      else {
        const rest = reader.read();
        gone.abort(new Error("enough"));
        expect((await refusalOf(rest)).message).toBe("enough");
      }
      while (!closed) await Bun.sleep(5);
    }
  });

  test("is not read ahead of its reader", async () => {
    const size = 64 << 20;
    let written = 0;
    const block = Buffer.alloc(1 << 20);
    const { host } = await lab((_, response) => {
      response.writeHead(200, { "Content-Length": String(size) });
      const more = (): void => {
        while (written < size) {
          written += block.length;
          if (!response.write(block)) return void response.once("drain", more);
        }
        response.end();
      };
      more();
    });
    const reader = fetchBlob(labRegistry(), host, { ...layer, size }).getReader();
    await reader.read();
    for (let before = -1; before !== written; ) {
      before = written;
      await Bun.sleep(200);
    }
    expect(written).toBeLessThan(32 << 20);
    await reader.cancel();
  });
});
