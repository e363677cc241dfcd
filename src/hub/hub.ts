/**
 * A read-only server of the OCI distribution protocol (distribution-spec 1.1, "pull" and "content discovery"): requests
 * in, answers out, no sockets. The registry client asks it in this process; `serve.ts` puts it on a port.
 */
import type { Catalogue } from "./catalogue/catalogue.ts";

export type Handler = (request: Request, options?: { signal?: AbortSignal }) => Promise<Response>;

const component = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*";
const namePattern = new RegExp(`^${component}(?:/${component})*$`);
const tagPattern = /^\w[\w.-]{0,127}$/;
const digestPattern = /^(?:sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128})$/;
const maxName = 255;

export function createHub(catalogue: Catalogue): Handler {
  return async (request) => {
    const answer = route(catalogue, request);
    answer.headers.set("Docker-Distribution-Api-Version", "registry/2.0");
    return answer;
  };
}

function route(catalogue: Catalogue, request: Request): Response {
  const { method } = request;
  const url = new URL(request.url);
  if (method !== "GET" && method !== "HEAD") {
    return refuse(method, 405, "UNSUPPORTED", "the operation is unsupported: this hub is read-only", {
      Allow: "GET, HEAD",
    });
  }
  if (url.pathname === "/v2" || url.pathname === "/v2/") return json(method, {});
  const parts = /^\/v2\/(.+)\/(manifests|blobs|tags)\/([^/]+)$/.exec(url.pathname);
  if (!parts) return refuse(method, 404, "UNSUPPORTED", "no such path");
  const [, name = "", kind = "", escaped = ""] = parts;
  const target = decode(escaped);
  if (name.length > maxName || !namePattern.test(name)) {
    return refuse(method, 400, "NAME_INVALID", "invalid repository name");
  }
  const tags = catalogue.tags(name);
  if (!tags) return refuse(method, 404, "NAME_UNKNOWN", "repository name not known to registry");
  if (kind === "manifests") return manifest(catalogue, method, name, target);
  if (kind === "blobs") return blob(catalogue, request, name, target);
  if (target !== "list") return refuse(method, 404, "UNSUPPORTED", "no such path");
  return tagList(method, name, tags, url);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function manifest(catalogue: Catalogue, method: string, name: string, target: string): Response {
  if (!digestPattern.test(target) && !tagPattern.test(target)) {
    return refuse(method, 400, target.includes(":") ? "DIGEST_INVALID" : "TAG_INVALID", "invalid tag or digest");
  }
  const found = catalogue.manifest(name, target);
  if (!found) return refuse(method, 404, "MANIFEST_UNKNOWN", "manifest unknown");
  const { bytes, digest, mediaType } = found;
  return bytesOf(method, 200, bytes, {
    "Content-Type": mediaType,
    "Docker-Content-Digest": digest,
    ETag: `"${digest}"`,
  });
}

function blob(catalogue: Catalogue, request: Request, name: string, digest: string): Response {
  const { method } = request;
  if (!digestPattern.test(digest)) return refuse(method, 400, "DIGEST_INVALID", "invalid digest");
  const bytes = catalogue.blob(name, digest);
  if (!bytes) return refuse(method, 404, "BLOB_UNKNOWN", "blob unknown to registry");
  const headers = {
    "Content-Type": "application/octet-stream",
    "Docker-Content-Digest": digest,
    "Accept-Ranges": "bytes",
    ETag: `"${digest}"`,
  };
  const range = parseRange(request.headers.get("range"), bytes.length);
  if (range === "none") {
    return refuse(method, 416, "RANGE_INVALID", "range not satisfiable", {
      "Content-Range": `bytes */${bytes.length}`,
    });
  }
  if (!range) return bytesOf(method, 200, bytes, headers);
  const { first, last } = range;
  return bytesOf(method, 206, bytes.subarray(first, last + 1), {
    ...headers,
    "Content-Range": `bytes ${first}-${last}/${bytes.length}`,
  });
}

/** One range (RFC 9110, section 14.1.2); undefined for none or for a form that is not served: then all of it is. */
function parseRange(text: string | null, size: number): { first: number; last: number } | "none" | undefined {
  const parts = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(text ?? "");
  if (!parts || (parts[1] === "" && parts[2] === "")) return undefined;
  if (parts[1] === "") {
    const count = Number(parts[2]);
    return count === 0 || size === 0 ? "none" : { first: Math.max(0, size - count), last: size - 1 };
  }
  const first = Number(parts[1]);
  const last = parts[2] === "" ? size - 1 : Math.min(Number(parts[2]), size - 1);
  if (parts[2] !== "" && Number(parts[2]) < first) return undefined;
  return first >= size ? "none" : { first, last };
}

/** `n` and `last` page through the tags in their order; a Link header leads on. */
function tagList(method: string, name: string, tags: string[], url: URL): Response {
  const last = url.searchParams.get("last");
  const count = url.searchParams.get("n");
  if (count !== null && !/^\d{1,9}$/.test(count)) {
    return refuse(method, 400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested");
  }
  const sorted = [...tags].sort();
  const left = last === null ? sorted : sorted.filter((tag) => tag > last);
  const page = count === null ? left : left.slice(0, Number(count));
  const more = page.length > 0 && page.length < left.length;
  const next = `</v2/${name}/tags/list?n=${count}&last=${encodeURIComponent(page.at(-1) ?? "")}>; rel="next"`;
  return json(method, { name, tags: page }, more ? { Link: next } : {});
}

const json = (method: string, value: unknown, headers: Record<string, string> = {}, status = 200): Response =>
  bytesOf(method, status, new TextEncoder().encode(`${JSON.stringify(value)}\n`), {
    "Content-Type": "application/json; charset=utf-8",
    ...headers,
  });

const refuse = (
  method: string,
  status: number,
  code: string,
  message: string,
  headers: Record<string, string> = {},
): Response => json(method, { errors: [{ code, message }] }, headers, status);

/** HEAD says what GET would, without the body. */
const bytesOf = (method: string, status: number, bytes: Uint8Array, headers: Record<string, string>): Response =>
  new Response(method === "HEAD" ? null : new Uint8Array(bytes), {
    status,
    headers: { ...headers, "Content-Length": String(bytes.length) },
  });
