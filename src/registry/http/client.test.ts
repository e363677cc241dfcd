import { afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";
import { authority, clientCertificate, clientKey, serverCertificate, serverKey } from "../lab/certificates.ts";
import { freePort, type Lab, type LabHandler, labsOfTests, readAll, refusalOf, send } from "../lab/lab.ts";
import { type Client, createClient } from "./client.ts";
import { ConnectionError } from "./connection.ts";
import { DialError, TlsError } from "./dial.ts";
import { ProtocolError } from "./message.ts";
import type { ProxySettings } from "./proxy.ts";

const { lab, raw } = labsOfTests();
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const client = (more: { idle?: number; certificates?: string; proxy?: ProxySettings } = {}): Client =>
  createClient({
    userAgent: "gantry-test/1",
    timeouts: { connect: 3000, tls: 3000, idle: more.idle ?? 3000 },
    certificates: more.certificates ?? "/nonexistent",
    proxy: more.proxy ?? {},
  });

const text = async (answer: { body: ReadableStream<Uint8Array> | null }) =>
  answer.body ? Buffer.from(await readAll(answer.body)).toString() : "";

/** Answers every request on a raw connection with these bytes. */
const always = (answer: string) => (socket: Socket) => socket.on("data", () => socket.write(answer));

describe("requests", () => {
  test("carry host, agent and headers, and bring status, headers and body", async () => {
    const { url, requests } = await lab((_, response) => send(response, 201, "hello", { "X-A": "b" }));
    const answer = await client()({ url: new URL(`${url}/a?b=c`), headers: { "X-B": "d" } });
    expect(answer).toMatchObject({ status: 201, statusText: "Created" });
    expect(answer.headers.get("x-a")).toBe("b");
    expect(await text(answer)).toBe("hello");
    expect(requests[0]).toMatchObject({ method: "GET", path: "/a?b=c" });
    expect(requests[0]?.headers).toMatchObject({ "user-agent": "gantry-test/1", "x-b": "d", host: new URL(url).host });
  });

  test("use one connection one after the other", async () => {
    const sockets = new Set<unknown>();
    const { url } = await lab((request, response) => {
      sockets.add(request.socket.remotePort);
      send(response, 200, "x".repeat(100_000));
    });
    const ask = client();
    for (let i = 0; i < 5; i++) expect((await text(await ask({ url: new URL(url) }))).length).toBe(100_000);
    expect(sockets.size).toBe(1);
  });

  test("use another when the kept one was closed meanwhile", async () => {
    const closed: Promise<void>[] = [];
    const { url } = await lab((request, response) => {
      closed.push(new Promise((resolve) => request.socket.once("close", () => resolve())));
      response.once("finish", () => request.socket.end());
      send(response, 200, "x");
    });
    const ask = client();
    for (let i = 0; i < 3; i++) {
      expect(await text(await ask({ url: new URL(url) }))).toBe("x");
      if (i === 1) await closed.at(-1);
    }
  });

  test("read chunked bodies and bodies that end with the connection", async () => {
    const chunked = await raw(
      always("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n"),
    );
    const ask = client();
    expect(await text(await ask({ url: new URL(chunked.url) }))).toBe("abcde");
    expect(await text(await ask({ url: new URL(chunked.url) }))).toBe("abcde");
    const closing = await raw((socket) => socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\n\r\nabc")));
    expect(await text(await ask({ url: new URL(closing.url) }))).toBe("abc");
  });

  test("pass over interim answers", async () => {
    const { url } = await raw(
      always("HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"),
    );
    expect(await text(await client()({ url: new URL(url) }))).toBe("x");
  });

  test("never let a value break out of its line", async () => {
    const { url, requests } = await lab((_, response) => send(response, 200, ""));
    const headers = { Authorization: "Bearer a\r\nX-Evil: 1" };
    expect(await refusalOf(client()({ url: new URL(url), headers }))).toMatchObject({
      message: expect.stringMatching(/invalid value/),
    });
    expect(requests).toHaveLength(0);
  });
});

describe("faults", () => {
  test("a port where nobody listens", async () => {
    const port = await freePort();
    const error = await refusalOf(client()({ url: new URL(`http://127.0.0.1:${port}/`) }));
    expect(error).toBeInstanceOf(DialError);
    expect(error.message).toBe(`dial tcp 127.0.0.1:${port}: connect: connection refused`);
  });

  test("a name that nobody has", async () => {
    const error = await refusalOf(client()({ url: new URL("https://registry.invalid/") }));
    expect(error).toBeInstanceOf(DialError);
    expect(error.message).toStartWith("dial tcp: lookup registry.invalid: ");
  });

  const broken: [string, string, unknown][] = [
    ["something that is not HTTP", "SSH-2.0-x\r\n\r\n", ProtocolError],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", ProtocolError],
    ["interim answers without end", "HTTP/1.1 100 Continue\r\n\r\n".repeat(50), ProtocolError],
    ["a switch of protocols", "HTTP/1.1 101 X\r\n\r\n", ProtocolError],
  ];
  for (const [what, answer, kind] of broken) {
    test(what, async () => {
      const { url } = await raw(always(answer));
      expect(await refusalOf(client()({ url: new URL(url) }))).toBeInstanceOf(kind as typeof ProtocolError);
    });
  }

  test("headers without end", async () => {
    const { url } = await raw((socket) => {
      const more = () => {
        while (!socket.destroyed && socket.write(`A: ${"x".repeat(1000)}\r\n`));
      };
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\n");
        more();
      });
      socket.on("drain", more);
    });
    expect(await refusalOf(client()({ url: new URL(url) }))).toBeInstanceOf(ProtocolError);
  });

  test("a connection that closes without a word, and one that closes in the middle", async () => {
    const silent = await raw((socket) => socket.once("data", () => socket.end()));
    expect(await refusalOf(client()({ url: new URL(silent.url) }))).toMatchObject({ message: "EOF" });
    const short = await raw((socket) =>
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")),
    );
    const answer = await client()({ url: new URL(short.url) });
    const error = await refusalOf(text(answer));
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error.message).toBe("unexpected EOF");
  });

  test("a server that says nothing, before and within the answer", async () => {
    const mute = await raw(() => {});
    expect(await refusalOf(client({ idle: 50 })({ url: new URL(mute.url) }))).toBeInstanceOf(ConnectionError);
    const stalls = await raw(always("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"));
    const answer = await client({ idle: 50 })({ url: new URL(stalls.url) });
    expect(await refusalOf(text(answer))).toMatchObject({ message: "no byte came for 0.05 s" });
  });

  test("a caller who goes away", async () => {
    const { url } = await raw(always("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"));
    const gone = new AbortController();
    const answer = await client()({ url: new URL(url), signal: gone.signal });
    const reader = answer.body!.getReader();
    await reader.read();
    const rest = reader.read();
    gone.abort(new Error("enough"));
    expect(await refusalOf(rest)).toMatchObject({ message: "enough" });
    const mute = await raw(() => {});
    const waiting = client()({ url: new URL(mute.url), signal: AbortSignal.timeout(30) });
    expect((await refusalOf(waiting)).name).toBe("TimeoutError");
  });
});

describe("a reader that is slow", () => {
  for (const tls of [false, true]) {
    test(`holds the sender${tls ? ", through TLS" : ""}`, async () => {
      const total = 64 << 20;
      let written = 0;
      const block = Buffer.alloc(1 << 20);
      const { url } = await lab(
        (_, response) => {
          response.writeHead(200, { "Content-Length": String(total) });
          const more = (): void => {
            while (written < total) {
              written += block.length;
              if (!response.write(block)) return void response.once("drain", more);
            }
            response.end();
          };
          more();
        },
        { tls },
      );
      const answer = await client()({ url: new URL(url), insecure: true });
      const reader = answer.body!.getReader();
      await reader.read();
      // Until the sender stands still; the kernel's buffers on both sides take some megabytes.
      for (let before = -1; before !== written; ) {
        before = written;
        await Bun.sleep(200);
      }
      expect(written).toBeLessThan(32 << 20);
      let size = 0;
      for (let part = await reader.read(); !part.done; part = await reader.read()) size += part.value.length;
      expect(size).toBeGreaterThan(total - (2 << 20));
      expect(written).toBe(total);
    });
  }
});

/** A folder with one registry's certificates. */
function folderOf(host: string, files: Record<string, string>): string {
  const folder = mkdtempSync(join(tmpdir(), "gantry-certificates-"));
  folders.push(folder);
  mkdirSync(join(folder, host));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, host, name), content);
  return folder;
}

describe("TLS", () => {
  const ok: LabHandler = (_, response) => send(response, 200, "ok");

  test("refuses an authority that nobody trusts", async () => {
    const { url } = await lab(ok, { tls: true });
    const error = await refusalOf(client()({ url: new URL(url) }));
    expect(error).toBeInstanceOf(TlsError);
    expect(error.message).toBe("tls: failed to verify certificate: x509: certificate signed by unknown authority");
  });

  test("takes it for an insecure registry, and with its authority in the folder", async () => {
    const { url, host } = await lab(ok, { tls: true });
    expect(await text(await client()({ url: new URL(url), insecure: true }))).toBe("ok");
    const ask = client({ certificates: folderOf(host, { "ca.crt": authority }) });
    for (let i = 0; i < 3; i++) expect(await text(await ask({ url: new URL(url) }))).toBe("ok");
  });

  test("checks the name", async () => {
    const { port } = await lab(ok, { tls: true });
    const certificates = folderOf(`other.test:${port}`, { "ca.crt": authority });
    const asked = { url: new URL(`https://other.test:${port}/`), addresses: ["127.0.0.1"] };
    expect(await refusalOf(client({ certificates })(asked))).toMatchObject({
      message: "tls: failed to verify certificate: x509: certificate is not valid for other.test",
    });
  });

  test("shows the certificate of the folder", async () => {
    const { url, host } = await lab(ok, { tls: true, ca: authority });
    const pair = { "ca.crt": authority, "client.cert": clientCertificate, "client.key": clientKey };
    expect(await text(await client({ certificates: folderOf(host, pair) })({ url: new URL(url) }))).toBe("ok");
    await refusalOf(
      client({ certificates: folderOf(host, { "ca.crt": authority }) })({ url: new URL(url) }).then(text),
    );
  });

  test("names what is missing in the folder", async () => {
    const { url, host } = await lab(ok, { tls: true });
    const certificates = folderOf(host, { "client.cert": clientCertificate });
    expect(await refusalOf(client({ certificates })({ url: new URL(url) }))).toMatchObject({
      message: expect.stringMatching(/missing key client.key for client certificate client.cert in/),
    });
  });

  test("says when the other side has none", async () => {
    const { port } = await lab(ok);
    expect(await refusalOf(client()({ url: new URL(`https://127.0.0.1:${port}/`) }))).toMatchObject({
      message: "http: server gave HTTP response to HTTPS client",
      plain: true,
    });
  });
});

describe("proxies", () => {
  /** A proxy for both kinds, which leads everything to one target. */
  async function proxyTo(target: Lab, seen: string[]): Promise<Lab> {
    return raw((socket) => {
      socket.once("data", (first) => {
        const head = first.toString("latin1");
        seen.push(head.split("\r\n")[0]!, /proxy-authorization: .*/i.exec(head)?.[0] ?? "");
        const onward = connect(target.port, "127.0.0.1");
        onward.on("error", () => {});
        socket.on("close", () => onward.destroy());
        if (head.startsWith("CONNECT")) socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        else onward.write(first);
        socket.pipe(onward);
        onward.pipe(socket);
      });
    });
  }

  test("carry plain HTTP with the whole address", async () => {
    const target = await lab((_, response) => send(response, 200, "through"));
    const seen: string[] = [];
    const proxy = await proxyTo(target, seen);
    const settings = { http: `http://me:pass%20word@${proxy.host}` };
    expect(await text(await client({ proxy: settings })({ url: new URL("http://registry.test/v2/") }))).toBe("through");
    expect(seen[0]).toBe("GET http://registry.test/v2/ HTTP/1.1");
    expect(seen[1]).toBe(`Proxy-Authorization: Basic ${Buffer.from("me:pass word").toString("base64")}`);
  });

  test("carry TLS through a tunnel", async () => {
    const target = await lab((_, response) => send(response, 200, "through"), { tls: true });
    const seen: string[] = [];
    const proxy = await proxyTo(target, seen);
    const ask = client({ proxy: { https: proxy.url } });
    expect(await text(await ask({ url: new URL("https://registry.test/v2/"), insecure: true }))).toBe("through");
    expect(seen[0]).toBe("CONNECT registry.test:443 HTTP/1.1");
  });

  test("may have TLS of their own", async () => {
    const target = await lab((_, response) => send(response, 200, "through"), { tls: true });
    const proxy = createServer({ key: serverKey, cert: serverCertificate }, (socket) => {
      socket.on("error", () => {});
      socket.once("data", () => {
        const onward = connect(target.port, "127.0.0.1");
        onward.on("error", () => {});
        socket.on("close", () => onward.destroy());
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        socket.pipe(onward);
        onward.pipe(socket);
      });
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    try {
      const host = `localhost:${(proxy.address() as AddressInfo).port}`;
      const certificates = folderOf(host, { "ca.crt": authority });
      const ask = client({ certificates, proxy: { https: `https://${host}` } });
      expect(await text(await ask({ url: new URL("https://registry.test/"), insecure: true }))).toBe("through");
    } finally {
      proxy.close();
    }
  });

  test("that refuse are told apart from proxies that are not there", async () => {
    const refusing = await raw((socket) => socket.once("data", () => socket.end("HTTP/1.1 403 Forbidden\r\n\r\n")));
    const url = new URL("https://registry.test/");
    const refused = await refusalOf(client({ proxy: { https: refusing.url } })({ url }));
    expect(refused.message).toContain("Forbidden");
    expect(refused).not.toBeInstanceOf(DialError);
    const port = await freePort();
    const absent = await refusalOf(client({ proxy: { https: `127.0.0.1:${port}` } })({ url }));
    expect(absent).toBeInstanceOf(DialError);
    expect(absent.message).toBe(`proxyconnect tcp: dial tcp 127.0.0.1:${port}: connect: connection refused`);
  });
});
