/** Registries on loopback for the tests: they can do everything wrong that a real one could. */
import { afterEach } from "bun:test";
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Socket } from "node:net";
import type { Descriptor, Digest, Platform } from "../../storage/content/content.ts";
import { createRegistry } from "../create.ts";
import { parseReference } from "../reference/reference.ts";
import type { Registry, RegistryOptions } from "../registry.ts";
import { serverCertificate, serverKey } from "./certificates.ts";

export interface Lab {
  /** `http://127.0.0.1:40123` or `https://localhost:40123` */
  url: string;
  /** `127.0.0.1:40123`, as it stands in references. */
  host: string;
  port: number;
  requests: { method: string; path: string; headers: IncomingMessage["headers"] }[];
  close(): Promise<void>;
}

export type LabHandler = (request: IncomingMessage, response: ServerResponse, lab: Lab) => void;

export async function startLab(handler: LabHandler, options: { tls?: boolean; ca?: string } = {}): Promise<Lab> {
  const requests: Lab["requests"] = [];
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    requests.push({ method: request.method ?? "", path: request.url ?? "", headers: request.headers });
    response.on("error", () => {});
    handler(request, response, lab);
  };
  const trust = options.ca === undefined ? {} : { ca: options.ca, requestCert: true, rejectUnauthorized: true };
  const server = options.tls
    ? createTlsServer({ key: serverKey, cert: serverCertificate, ...trust }, listener)
    : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const host = `${options.tls ? "localhost" : "127.0.0.1"}:${port}`;
  const lab: Lab = {
    url: `${options.tls ? "https" : "http"}://${host}`,
    host,
    port,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return lab;
}

/** A bare TCP server, for what no HTTP server would send. */
export async function startRaw(handler: (socket: Socket, number: number) => void): Promise<Lab> {
  const open = new Set<Socket>();
  let number = 0;
  const server = createTcpServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => open.delete(socket));
    handler(socket, number++);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const host = `127.0.0.1:${port}`;
  return {
    url: `http://${host}`,
    host,
    port,
    requests: [],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}

/** `lab` and `raw` for a test file: what they start is closed after each test. */
export function labsOfTests() {
  const open: Lab[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((lab) => lab.close()));
  });
  const keep = (lab: Lab): Lab => {
    open.push(lab);
    return lab;
  };
  return {
    lab: async (...given: Parameters<typeof startLab>) => keep(await startLab(...given)),
    raw: async (...given: Parameters<typeof startRaw>) => keep(await startRaw(...given)),
  };
}

/** A port on loopback at which nobody listens. */
export async function freePort(): Promise<number> {
  const lab = await startRaw(() => {});
  await lab.close();
  return lab.port;
}

export const digestOf = (bytes: Uint8Array): Digest => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export interface LabImage {
  manifest: { bytes: Uint8Array; digest: Digest; mediaType: string };
  config: Descriptor;
  layers: Descriptor[];
  blobs: Map<string, Uint8Array>;
}

/** An image with these layers (their bytes need not be archives). */
export function makeLabImage(layers: Uint8Array[], platform: Platform = linux): LabImage {
  const blobs = new Map<string, Uint8Array>();
  const keep = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const config = keep(
    "application/vnd.oci.image.config.v1+json",
    Buffer.from(JSON.stringify({ ...platform, rootfs: { type: "layers", diff_ids: layers.map(digestOf) } })),
  );
  const descriptors = layers.map((bytes) => keep("application/vnd.oci.image.layer.v1.tar", bytes));
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers: descriptors }));
  return { manifest: { bytes, digest: digestOf(bytes), mediaType }, config, layers: descriptors, blobs };
}

export const linux: Platform = { os: "linux", architecture: "amd64" };

/** Serves one image under every name and tag, as it should be. */
export function serveImage(image: LabImage): LabHandler {
  return (request, response) => {
    const target = request.url?.split("?")[0]?.split("/").at(-1) ?? "";
    const blob = request.url?.includes("/blobs/") ? image.blobs.get(target) : undefined;
    if (request.url?.includes("/manifests/")) sendManifest(response, image.manifest);
    else if (blob) send(response, 200, blob);
    else fail(response, 404, "BLOB_UNKNOWN", "blob unknown to registry");
  };
}

export function sendManifest(response: ServerResponse, manifest: LabImage["manifest"]): void {
  send(response, 200, manifest.bytes, {
    "Content-Type": manifest.mediaType,
    "Docker-Content-Digest": manifest.digest,
  });
}

export function send(
  response: ServerResponse,
  status: number,
  body: Uint8Array | string,
  headers: Record<string, string> = {},
): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { "Content-Length": String(bytes.length), ...headers });
  response.end(bytes);
}

/** A refusal in the protocol's form. */
export function fail(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): void {
  send(response, status, JSON.stringify({ errors: [{ code, message }] }), {
    "Content-Type": "application/json",
    ...headers,
  });
}

/** A registry client that waits for nothing long, and sees neither the machine's proxies nor its certificates. */
export const labRegistry = (options: Partial<RegistryOptions> = {}): Registry =>
  createRegistry({
    mirrors: [],
    insecure: [],
    userAgent: "gantry-test/1",
    proxy: {},
    certificates: "/nonexistent",
    ...options,
    limits: { backoff: 1, retries: 3, ...options.limits },
  });

/** Resolves and fetches every blob of `text` whole. */
export async function pullAll(registry: Registry, text: string, options: Parameters<Registry["resolve"]>[2] = {}) {
  const reference = parseReference(text);
  const image = await registry.resolve(reference, linux, options);
  const blobs: Uint8Array[] = [];
  for (const descriptor of [image.manifest.config, ...image.manifest.layers]) {
    blobs.push(await readAll(registry.blob(reference, image, descriptor, options)));
  }
  return { image, blobs };
}

export async function readAll(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}

/** The message of what `promise` rejects with. */
export async function refusalOf(promise: Promise<unknown>): Promise<Error & { kind?: string; status?: number }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("it was not refused");
}
