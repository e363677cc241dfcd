import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHarness, type Harness, jsonRequest, request, seededRandom } from "../testing/harness.ts";

let harness: Harness;
beforeAll(async () => {
  harness = await createHarness({ bodyBytes: 100_000, headerBytes: 400_000 });
});
afterAll(() => harness.stop());

const ping = request("GET", "/_ping");

describe("requests", () => {
  test("follow one another on a connection, also sent all at once", async () => {
    const client = harness.connect();
    client.send(ping);
    expect((await client.answer()).text).toBe("OK");
    client.send(ping + request("HEAD", "/_ping") + request("GET", "/nope") + ping);
    expect((await client.answer()).text).toBe("OK");
    const head = await client.answer("HEAD");
    expect([head.status, head.headers.get("content-length")]).toEqual([200, "0"]);
    expect((await client.answer()).json).toEqual({ message: "page not found" });
    expect((await client.answer()).text).toBe("OK");
    expect(client.ended).toBe(false);
  });

  test("are understood however they are cut (seeded)", async () => {
    const random = seededRandom(20240501);
    const body = JSON.stringify({ Image: "bb", Cmd: ["echo", "x"], Env: ["A=1"] });
    const chunked = `POST /v1.44/containers/create?name=c HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\n${body.slice(0, 5)}\r\n${(body.length - 5).toString(16)}\r\n${body.slice(5)}\r\n0\r\nTrailer: x\r\n\r\n`;
    for (let round = 0; round < 60; round++) {
      const sent = [ping, chunked, jsonRequest("POST", "/containers/create", { Image: "bb" }), ping];
      let text = sent.join("");
      const client = harness.connect();
      while (text.length > 0) {
        const length = 1 + Math.floor(random() ** 3 * text.length);
        client.send(text.slice(0, length));
        text = text.slice(length);
        if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve));
      }
      const statuses = [];
      for (const _ of sent) statuses.push((await client.answer()).status);
      expect(statuses).toEqual([200, 201, 201, 200]);
      client.destroy();
    }
  });

  test("of HTTP/1.0 close the connection, unless the client says otherwise", async () => {
    const client = harness.connect();
    client.send("GET /_ping HTTP/1.0\r\n\r\n");
    const answer = await client.answer();
    expect([answer.text, answer.headers.get("connection")]).toEqual(["OK", "close"]);
    await client.until(() => client.ended);
    const kept = harness.connect();
    kept.send("GET /_ping HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect((await kept.answer()).headers.get("connection")).toBe("keep-alive");
    kept.send("GET /_ping HTTP/1.0\r\n\r\n");
    expect((await kept.answer()).text).toBe("OK");
  });

  test("in absolute form are understood", async () => {
    const client = harness.connect();
    client.send("GET http://docker/_ping HTTP/1.1\r\nHost: docker\r\n\r\n");
    expect((await client.answer()).text).toBe("OK");
  });

  test("are answered to a client that has ended its side", async () => {
    const client = harness.connect();
    client.send(ping);
    client.end();
    expect((await client.answer()).text).toBe("OK");
    await client.until(() => client.closed);
  });

  test("with Expect: 100-continue are asked for their body", async () => {
    const client = harness.connect();
    const body = '{"Image":"bb"}';
    client.send(
      `POST /containers/create HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`,
    );
    expect((await client.head()).status).toBe(100);
    client.send(body);
    expect((await client.answer()).status).toBe(201);
  });

  test("with Expect that are refused are not asked", async () => {
    const client = harness.connect();
    client.send("POST /build HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    const answer = await client.answer();
    expect([answer.status, answer.headers.get("connection")]).toEqual([501, "close"]);
    await client.until(() => client.ended);
  });

  test("with a head of 300 kB are taken", async () => {
    const headers = { "X-Registry-Config": "x".repeat(300_000) };
    expect((await harness.request("GET", "/_ping", { headers })).text).toBe("OK");
  });

  test("wait for ever between two of them and inside a head", async () => {
    const client = harness.connect();
    client.send(ping.slice(0, 10));
    const other = harness.connect();
    other.send(ping);
    await other.answer();
    await Bun.sleep(300);
    client.send(ping.slice(10));
    other.send(ping);
    expect((await client.answer()).text).toBe("OK");
    expect((await other.answer()).text).toBe("OK");
  });

  test("come on 300 connections at once", async () => {
    const clients = Array.from({ length: 300 }, () => harness.connect());
    for (let round = 0; round < 3; round++) {
      for (const client of clients) client.send(ping);
      const answers = await Promise.all(clients.map((client) => client.answer()));
      expect(answers.every(({ text }) => text === "OK")).toBe(true);
    }
    for (const client of clients) client.destroy();
  });

  test("leave an unread body behind without harm to the next one", async () => {
    const client = harness.connect();
    client.send(request("POST", "/containers/nope/pause", { body: "x".repeat(50_000) }) + ping);
    expect((await client.answer()).status).toBe(404);
    expect((await client.answer()).text).toBe("OK");
  });

  test("with a large unread body get their answer, and no reset", async () => {
    const client = harness.connect();
    client.send("POST /build HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (let i = 0; i < 50; i++) client.send(`10000\r\n${"x".repeat(65536)}\r\n`);
    const answer = await client.answer();
    expect([answer.status, answer.headers.get("connection")]).toEqual([501, "close"]);
  });
});

describe("what is no HTTP", () => {
  const refused: [what: string, bytes: string, status: number][] = [
    ["garbage", "\x00\x01\x02\x03 garbage\r\n\r\n", 400],
    ["a TLS greeting", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", 400],
    ["lines without carriage returns", "GET /_ping HTTP/1.1\nHost: x\n\n", 400],
    ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
    ["no host", "GET /_ping HTTP/1.1\r\n\r\n", 400],
    ["two hosts", "GET /_ping HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400],
    ["a folded header", "GET /_ping HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400],
    ["a space before the colon", "GET /_ping HTTP/1.1\r\nHost : a\r\n\r\n", 400],
    ["a control character in a header", "GET /_ping HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", 400],
    ["a target without slash", "GET _ping HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["a space in the target", "GET /_p ing HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["two lengths", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400],
    [
      "length and chunks",
      "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
      400,
    ],
    ["a negative length", "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400],
    ["an unknown coding", "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501],
    ["an unknown expectation", "POST /a HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n\r\n", 417],
    ["a head without end", `GET /_ping HTTP/1.1\r\nX: ${"x".repeat(500_000)}`, 431],
    ["a head that is too long", `GET /_ping HTTP/1.1\r\nX: ${"x".repeat(500_000)}\r\n\r\n`, 431],
  ];
  test.each(refused)("%s is refused, and the connection closed", async (_, bytes, status) => {
    const client = harness.connect();
    client.send(bytes);
    expect((await client.answer()).status).toBe(status);
    await client.until(() => client.ended);
  });

  const brokenBodies: [what: string, body: string][] = [
    ["no size", "zz\r\nab\r\n0\r\n\r\n"],
    ["a size that is too large", "ffffffffffffffff\r\n"],
    ["no line end after a chunk", "2\r\nabc\r\n0\r\n\r\n"],
    ["a bare newline", "2\nab\r\n0\r\n\r\n"],
    ["an endless line", `2;${"x".repeat(20_000)}`],
    ["endless trailers", `0\r\n${"A: b\r\n".repeat(5_000)}`],
  ];
  test.each(brokenBodies)("a chunked body with %s is refused", async (_, body) => {
    const client = harness.connect();
    client.send(
      `POST /containers/create HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${body}`,
    );
    const answer = await client.answer();
    expect([answer.status, answer.headers.get("connection")]).toEqual([400, "close"]);
  });

  test("a body that ends too early is refused", async () => {
    const client = harness.connect();
    client.send(
      "POST /containers/create HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
    );
    client.end();
    expect((await client.answer()).json).toEqual({ message: "unexpected EOF while reading the request body" });
  });

  test("random bytes end in a refusal, and the server goes on (seeded)", async () => {
    const random = seededRandom(7);
    for (let round = 0; round < 100; round++) {
      const bytes = Buffer.from(
        `${ping}POST /containers/create HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n{"a":"b"}`,
      );
      for (let i = 0; i < 3; i++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      const client = harness.connect();
      client.send(bytes);
      client.end();
      const answer = await client.rest();
      expect(answer.length === 0 || answer.toString("latin1").startsWith("HTTP/1.1 ")).toBe(true);
      client.destroy();
    }
    expect((await harness.request("GET", "/_ping")).text).toBe("OK");
    expect(harness.errors).toEqual([]);
  });
});
