/** The head of an HTTP/1.1 request (RFC 9112, sections 2 to 5), parsed strictly: what is ambiguous is refused. */
import { HttpError } from "./errors.ts";

export interface Head {
  method: string;
  /** As sent, still percent-encoded, without the query. */
  path: string;
  /** Without its question mark; empty when there is none. */
  query: string;
  /** 0 or 1: HTTP/1.0 or HTTP/1.1. */
  minor: number;
  /** Names in lower case; repeated ones joined by a comma. */
  headers: Map<string, string>;
}

/** How the body ends: after so many bytes, or with the last chunk. */
export type BodyLength = number | "chunked";

const requestLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e\x80-\xff]+) HTTP\/(\d)\.(\d)$/;
const headerLine = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)$/;
const absoluteForm = /^https?:\/\/[^/?]*/i;
// Repeating one of these could make two readers of the same bytes see two different requests.
const single = new Set(["content-length", "host", "transfer-encoding", "content-type"]);

const bad = (message: string) => new HttpError(400, message, { close: true });

/** Parses a head (latin1, without its closing empty line). Throws HttpError 400 or 505; the connection must then close. */
export function parseHead(text: string): Head {
  const lines = text.split("\r\n");
  const first = requestLine.exec(lines[0] as string);
  if (!first) throw bad(`malformed HTTP request ${JSON.stringify((lines[0] as string).slice(0, 200))}`);
  const [, method, target, major, minor] = first as unknown as [string, string, string, string, string];
  if (major !== "1" || (minor !== "0" && minor !== "1")) {
    throw new HttpError(505, `unsupported HTTP version ${major}.${minor}`, { close: true });
  }
  const headers = new Map<string, string>();
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i] as string;
    const match = headerLine.exec(line);
    if (!match) throw bad(`malformed HTTP header ${JSON.stringify(line.slice(0, 200))}`);
    const name = (match[1] as string).toLowerCase();
    const value = (match[2] as string).trimEnd();
    const before = headers.get(name);
    if (before === undefined) headers.set(name, value);
    else if (!single.has(name)) headers.set(name, `${before}, ${value}`);
    else if (before !== value || name === "transfer-encoding") throw bad(`the HTTP header ${name} is given twice`);
  }
  if (minor === "1" && !headers.has("host")) throw bad("missing required Host header");

  let path = target;
  if (!path.startsWith("/")) {
    if (path === "*" && method === "OPTIONS") path = "/*";
    else if (absoluteForm.test(path)) path = path.replace(absoluteForm, "") || "/";
    else throw bad(`malformed HTTP request target ${JSON.stringify(path.slice(0, 200))}`);
  }
  const mark = path.indexOf("?");
  return {
    method,
    path: mark < 0 ? path : path.slice(0, mark) || "/",
    query: mark < 0 ? "" : path.slice(mark + 1),
    minor: Number(minor),
    headers,
  };
}

/** RFC 9112 section 6.3. Both lengths at once, or an unknown coding, is refused: that is how requests are smuggled. */
export function bodyLength(head: Head): BodyLength {
  const coding = head.headers.get("transfer-encoding");
  const length = head.headers.get("content-length");
  if (coding !== undefined) {
    if (length !== undefined) throw bad("both Content-Length and Transfer-Encoding are given");
    if (coding.toLowerCase() !== "chunked")
      throw new HttpError(501, `unsupported transfer encoding ${JSON.stringify(coding)}`, { close: true });
    return "chunked";
  }
  if (length === undefined) return 0;
  if (!/^\d{1,15}$/.test(length)) throw bad(`bad Content-Length ${JSON.stringify(length)}`);
  return Number(length);
}

/** Whether the comma-separated header holds `token`, case aside. */
export function headerHas(head: Head, name: string, token: string): boolean {
  const value = head.headers.get(name);
  if (value === undefined) return false;
  for (const part of value.split(",")) if (part.trim().toLowerCase() === token) return true;
  return false;
}

/** Whether the client expects the connection to go on after the answer (RFC 9112 section 9.3). */
export function keepsAlive(head: Head): boolean {
  return head.minor === 1 ? !headerHas(head, "connection", "close") : headerHas(head, "connection", "keep-alive");
}
