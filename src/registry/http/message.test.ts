import { describe, expect, test } from "bun:test";
import { random } from "../lab/random.ts";
import {
  contentLength,
  createChunkDecoder,
  endOfHead,
  framingOf,
  keepsAlive,
  ProtocolError,
  parseHead,
} from "./message.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));
const head = (text: string) => parseHead(bytes(text.replaceAll("\n", "\r\n")));

describe("parseHead", () => {
  test("reads status and headers", () => {
    const parsed = head("HTTP/1.1 200 Very OK\nContent-Length: 5\nX-A:  b \nX-A: c\n\n");
    expect(parsed).toMatchObject({ minor: 1, status: 200, statusText: "Very OK" });
    expect(parsed.headers.get("x-a")).toBe("b, c");
    expect(framingOf("GET", parsed)).toEqual({ length: 5 });
    expect(keepsAlive(parsed, { length: 5 })).toBe(true);
  });

  test("reads a status without a phrase and bare newlines", () => {
    expect(parseHead(bytes("HTTP/1.0 404\nA: b\n\n"))).toMatchObject({ minor: 0, status: 404, statusText: "" });
  });

  const refused = [
    "HTTP/2 200 OK\n\n",
    "ICY 200 OK\n\n",
    "HTTP/1.1 20 OK\n\n",
    "HTTP/1.1 0200 OK\n\n",
    "HTTP/1.1 200 OK\nno colon\n\n",
    "HTTP/1.1 200 OK\n: empty name\n\n",
    "HTTP/1.1 200 OK\nA b: c\n\n",
    "HTTP/1.1 200 OK\nA: b\n folded\n\n",
    "HTTP/1.1 200 OK\nA: b\u0000c\n\n",
    "HTTP/1.1 200 OK\nA : b\n\n",
  ];
  for (const text of refused) {
    test(`refuses ${JSON.stringify(text)}`, () => expect(() => head(text)).toThrow(ProtocolError));
  }

  test("refuses lengths that contradict each other, and other codings", () => {
    const framing = (text: string) => framingOf("GET", head(`HTTP/1.1 200 OK\n${text}\n\n`));
    expect(() => framing("Content-Length: 5\nContent-Length: 6")).toThrow(ProtocolError);
    expect(() => framing("Content-Length: -5")).toThrow(ProtocolError);
    expect(() => framing("Content-Length: 0x5")).toThrow(ProtocolError);
    expect(() => framing("Content-Length: 99999999999999999999")).toThrow(ProtocolError);
    expect(() => framing("Transfer-Encoding: gzip, chunked")).toThrow(ProtocolError);
    expect(framing("Content-Length: 5\nContent-Length: 5")).toEqual({ length: 5 });
    expect(framing("Transfer-Encoding: Chunked\nContent-Length: 5")).toBe("chunked");
    expect(framing("A: b")).toBe("close");
  });

  test("knows answers without a body", () => {
    for (const status of [204, 304]) {
      expect(framingOf("GET", head(`HTTP/1.1 ${status} X\nContent-Length: 9\n\n`))).toEqual({ length: 0 });
    }
    const toHead = head("HTTP/1.1 200 OK\nContent-Length: 9\n\n");
    expect(framingOf("HEAD", toHead)).toEqual({ length: 0 });
    expect(contentLength(toHead.headers)).toBe(9);
  });

  test("keeps no connection that was said to close", () => {
    expect(keepsAlive(head("HTTP/1.1 200 OK\nConnection: Close\n\n"), { length: 1 })).toBe(false);
    expect(keepsAlive(head("HTTP/1.0 200 OK\n\n"), { length: 1 })).toBe(false);
    expect(keepsAlive(head("HTTP/1.0 200 OK\nConnection: keep-alive\n\n"), { length: 1 })).toBe(true);
    expect(keepsAlive(head("HTTP/1.1 200 OK\n\n"), "close")).toBe(false);
  });

  test("10,000 random heads are read or refused as broken", () => {
    const source = random(5);
    const pieces = [
      "HTTP/1.1",
      " ",
      "200",
      "OK",
      "\r\n",
      "\n",
      ":",
      "Content-Length",
      "A",
      "5",
      "\t",
      "é",
      "\u0000",
      "chunked",
    ];
    for (let i = 0; i < 10_000; i++) {
      const start = source.int(2) ? "HTTP/1.1 200 OK\r\n" : "";
      const text = start + Array.from({ length: source.int(20) }, () => source.pick(pieces)).join("");
      try {
        framingOf("GET", parseHead(bytes(`${text}\r\n\r\n`)));
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }
  });
});

describe("endOfHead", () => {
  test("finds the empty line", () => {
    expect(endOfHead(bytes("A\r\n\r\nB"))).toBe(5);
    expect(endOfHead(bytes("A\n\nB"))).toBe(3);
    expect(endOfHead(bytes("A\r\n\r"))).toBe(-1);
    expect(endOfHead(bytes(""))).toBe(-1);
  });
});

describe("createChunkDecoder", () => {
  const decode = (text: Uint8Array, cut: () => number) => {
    const decoder = createChunkDecoder();
    const parts: Uint8Array[] = [];
    for (let at = 0; at < text.length && !decoder.done; ) {
      const size = Math.min(cut(), text.length - at);
      parts.push(...decoder.push(text.subarray(at, at + size)).map((part) => part.slice()));
      at += size;
    }
    return { body: Buffer.concat(parts).toString("latin1"), decoder };
  };

  test("reads chunks, extensions and trailers", () => {
    const text = bytes("5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\nrest");
    const { body, decoder } = decode(text, () => text.length);
    expect(body).toBe("hello world");
    expect(decoder.done).toBe(true);
    expect(decoder.rest).toBe(4);
  });

  test("10,000 random bodies come whole through random cuts", () => {
    const source = random(6);
    for (let i = 0; i < 10_000; i++) {
      const chunks = Array.from({ length: source.int(5) }, () => source.text("ab\r\n0;", 1 + source.int(40)));
      const text = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join("");
      const { body, decoder } = decode(bytes(`${text}0\r\n\r\n`), () => 1 + source.int(16));
      expect(body).toBe(chunks.join(""));
      expect(decoder.done).toBe(true);
    }
  });

  for (const text of ["x\r\n", "5\r\nhelloX\r\n", "-1\r\n", "\r\n", "fffffffffffffffff\r\n", "5 5\r\n"]) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      expect(() => createChunkDecoder().push(bytes(text))).toThrow(ProtocolError);
    });
  }

  test("bounds lines and trailers", () => {
    expect(() => createChunkDecoder().push(bytes("1".repeat(5000)))).toThrow(ProtocolError);
    expect(() => createChunkDecoder().push(bytes(`0\r\n${"A: b\r\n".repeat(100)}`))).toThrow(ProtocolError);
  });
});
