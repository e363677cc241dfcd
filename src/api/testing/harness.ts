/** A server with the fake engine on a socket of its own, and clients that speak raw bytes to it. */
import { mkdtempSync, rmSync } from "node:fs";
import net, { type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ApiServer, type ApiServerOptions, createApiServer } from "../server.ts";
import { createFakeEngine, type FakeEngine } from "./fake-engine.ts";

export interface Harness {
  engine: FakeEngine;
  server: ApiServer;
  directory: string;
  path: string;
  /** What the server logged as an error. */
  errors: string[];
  connect(): RawClient;
  /** One request on a connection of its own. */
  request(method: string, path: string, options?: RequestOptions): Promise<Answer>;
  stop(): Promise<void>;
}

export interface RequestOptions {
  headers?: Record<string, string>;
  body?: string | Uint8Array;
}

export interface Answer {
  status: number;
  reason: string;
  headers: Map<string, string>;
  /** Decoded from chunks. */
  body: Buffer;
  text: string;
  json: unknown;
}

export async function createHarness(limits: ApiServerOptions["limits"] = {}): Promise<Harness> {
  const directory = mkdtempSync(join(tmpdir(), "gantry-api-"));
  const path = join(directory, "api.sock");
  const engine = createFakeEngine();
  const errors: string[] = [];
  const quiet = () => {};
  const log = { debug: quiet, info: quiet, warn: quiet, error: (message: string) => void errors.push(message) };
  const server = createApiServer({ engine, version: "0.0.0-test", log, limits });
  await server.listen({ unix: path });
  const clients = new Set<RawClient>();
  const connect = () => {
    const client = new RawClient(net.connect({ path, allowHalfOpen: true }));
    clients.add(client);
    return client;
  };
  return {
    engine,
    server,
    directory,
    path,
    errors,
    connect,
    async request(method, target, options) {
      const client = connect();
      client.send(request(method, target, { ...options, headers: { Connection: "close", ...options?.headers } }));
      const answer = await client.answer(method);
      client.destroy();
      clients.delete(client);
      return answer;
    },
    async stop() {
      for (const client of clients) client.destroy();
      await server.close(0);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A request's bytes as latin1. */
export function request(method: string, path: string, { headers = {}, body }: RequestOptions = {}): string {
  let text = `${method} ${path} HTTP/1.1\r\nHost: test\r\n`;
  const all: Record<string, string> = { ...headers };
  if (body !== undefined) all["Content-Length"] ??= String(Buffer.byteLength(body as string));
  for (const name in all) text += `${name}: ${all[name]}\r\n`;
  return `${text}\r\n${body === undefined ? "" : Buffer.from(body as string).toString("latin1")}`;
}

export const jsonRequest = (method: string, path: string, value: unknown) =>
  request(method, path, { headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) });

export class RawClient {
  received: Buffer = Buffer.alloc(0);
  ended = false;
  closed = false;
  private waiters = new Set<() => void>();

  constructor(readonly socket: Socket) {
    socket.on("data", (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.wake();
    });
    socket.on("end", () => {
      this.ended = true;
      this.wake();
    });
    socket.on("close", () => {
      this.ended = true;
      this.closed = true;
      this.wake();
    });
    socket.on("error", () => {});
  }

  private wake(): void {
    for (const waiter of [...this.waiters]) waiter();
  }

  /** Resolves when `holds` does; it is looked at whenever something arrived. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.waiters.delete(look);
        resolve();
      };
      this.waiters.add(look);
      look();
    });
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  }

  /** Ends our side only. */
  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Takes the received bytes up to and with `mark`. Throws when the connection ends first. */
  async take(mark: string): Promise<Buffer> {
    await this.until(() => this.received.includes(mark, 0, "latin1") || this.ended);
    const at = this.received.indexOf(mark, 0, "latin1");
    if (at < 0) throw new Error(`the connection ended with ${JSON.stringify(this.received.toString("latin1"))}`);
    return this.bytes(at + mark.length);
  }

  /** Takes so many bytes. */
  async bytes(length: number): Promise<Buffer> {
    await this.until(() => this.received.length >= length || this.ended);
    if (this.received.length < length)
      throw new Error(`the connection ended after ${this.received.length} bytes of ${length}`);
    const taken = this.received.subarray(0, length);
    this.received = this.received.subarray(length);
    return Buffer.from(taken);
  }

  /** Takes everything up to the end. */
  async rest(): Promise<Buffer> {
    await this.until(() => this.ended);
    return this.bytes(this.received.length);
  }

  async head(): Promise<{ status: number; reason: string; headers: Map<string, string> }> {
    const lines = (await this.take("\r\n\r\n")).toString("latin1").trimEnd().split("\r\n");
    const [, status, reason] = /^HTTP\/1\.1 (\d{3}) (.*)$/.exec(lines[0] as string) as unknown as [
      string,
      string,
      string,
    ];
    const headers = new Map(
      lines.slice(1).map((line): [string, string] => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    return { status: Number(status), reason, headers };
  }

  async chunk(): Promise<Buffer> {
    const size = Number.parseInt((await this.take("\r\n")).toString(), 16);
    const data = Buffer.from(await this.bytes(size));
    await this.take("\r\n");
    return data;
  }

  async answer(method = "GET"): Promise<Answer> {
    const head = await this.head();
    let body: Buffer;
    if (method === "HEAD" || head.status === 204 || head.status === 304) body = Buffer.alloc(0);
    else if (head.headers.get("transfer-encoding") === "chunked") {
      const chunks: Buffer[] = [];
      for (let chunk = await this.chunk(); chunk.length > 0; chunk = await this.chunk()) chunks.push(chunk);
      body = Buffer.concat(chunks);
    } else if (head.headers.has("content-length")) {
      body = Buffer.from(await this.bytes(Number(head.headers.get("content-length"))));
    } else body = await this.rest();
    const text = body.toString("utf8");
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined;
    }
    return { ...head, body, text, json };
  }
}

/** Takes frames apart: `[["stdout", "text"], …]`. Throws when bytes are left. */
export function unframe(bytes: Buffer): [string, string][] {
  const frames: [string, string][] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = bytes.readUInt32BE(at + 4);
    if (at + 8 + length > bytes.length) throw new Error("a frame is cut");
    frames.push([
      ["stdin", "stdout", "stderr", "systemerr"][bytes[at] as number] as string,
      bytes.toString("utf8", at + 8, at + 8 + length),
    ]);
    at += 8 + length;
  }
  return frames;
}

/** Small and repeatable (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
