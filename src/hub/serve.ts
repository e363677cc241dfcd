/** A hub on a port of its own, over HTTP. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Handler } from "./hub.ts";

export interface Served {
  /** `http://127.0.0.1:40123` */
  url: string;
  port: number;
  /** Ends the connections, too. */
  close(): Promise<void>;
}

/** `port` 0 takes a free one. Rejects when it cannot listen. */
export async function serveHub(handler: Handler, listen: { host: string; port: number }): Promise<Served> {
  const { createServer } = await import("node:http");
  const server = createServer((request, response) => {
    answer(handler, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(listen.port, listen.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = listen.host.includes(":") ? `[${listen.host}]` : listen.host;
  return {
    url: `http://${host}:${port}`,
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(handler: Handler, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  let asked: Request;
  try {
    const headers = new Headers();
    for (const [name, value] of Object.entries(request.headers)) {
      if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(", ") : value);
    }
    // The target is a path; what else it may be (a whole URL, `*`) leads nowhere here.
    asked = new Request(new URL(request.url?.startsWith("/") ? `http://hub${request.url}` : "http://hub/").href, {
      method: request.method ?? "GET",
      headers,
    });
  } catch {
    response.writeHead(400).end();
    return;
  }
  const result = await handler(asked, { signal: gone.signal });
  response.writeHead(result.status, Object.fromEntries(result.headers));
  for await (const part of result.body ?? []) {
    if (!response.write(part)) {
      await new Promise<void>((resolve) => {
        response.once("drain", resolve);
        gone.signal.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    if (gone.signal.aborted) return;
  }
  response.end();
}
