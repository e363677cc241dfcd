/** A server that writes down what clients ask of it, and refuses everything. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";

export interface Recorder {
  host: string;
  /** What was asked since the last call, without `/_ping`: method, path, query and body in a form that can be compared. */
  take(): unknown[];
  cleanup(): void;
}

export async function startRecorder(apiVersion: string): Promise<Recorder> {
  const folder = mkdtempSync(`${tmpdir()}/gantry-recorder-`);
  const path = `${folder}/s`;
  let requests: unknown[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece) => {
      body += piece;
    });
    request.on("end", () => {
      response.setHeader("Api-Version", apiVersion);
      if (request.url?.endsWith("/_ping")) {
        response.setHeader("Ostype", "linux");
        response.end("OK");
        return;
      }
      requests.push(comparable(request.method ?? "", request.url ?? "", body));
      response.statusCode = 418;
      response.setHeader("Content-Type", "application/json");
      response.end('{"message":"refused"}');
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return {
    host: `unix://${path}`,
    take() {
      const taken = requests;
      requests = [];
      return taken;
    },
    cleanup() {
      server.close();
      server.closeAllConnections();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function comparable(method: string, url: string, body: string) {
  const { pathname, searchParams } = new URL(`http://server${url}`);
  const query = Object.fromEntries(
    [...searchParams].sort().map(([name, value]) => {
      if (value.startsWith("{")) return [name, withoutEmpty(JSON.parse(value))];
      return [name, value === "true" ? "1" : value];
    }),
  );
  return {
    method,
    path: decodeURIComponent(pathname.replace(/^\/v[\d.]+/, "")),
    query,
    body: body === "" ? undefined : withoutEmpty(JSON.parse(body)),
  };
}

/** Without fields that are null, false, zero or empty: for the server they are as good as left out. */
const unordered = new Set(["Binds", "Env"]);

function withoutEmpty(value: unknown, name = ""): unknown {
  if (Array.isArray(value)) {
    if (value.length === 0 || value.every((item) => item === 0)) return undefined;
    // Docker's client keeps some of its lists in maps, so their order is chance.
    if (value.every((item) => typeof item === "string") && unordered.has(name)) return [...value].sort();
    return value.map((item) => (typeof item === "object" && item !== null ? (withoutEmpty(item) ?? {}) : item));
  }
  if (typeof value !== "object" || value === null) return value || undefined;
  const entries = Object.entries(value)
    .map(([key, item]) => [key, withoutEmpty(item, key)] as const)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
