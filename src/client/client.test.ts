import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { ApiError, type Client, ConnectError, createClient, type TransportOptions } from "./client.ts";

type Socket = Bun.Socket<{ text: string }>;

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

/** A server that speaks as told: `answer` is called with what came so far whenever something came. */
function serve(
  answer: (request: string, socket: Socket) => void,
  options: Partial<TransportOptions> & { end?: (socket: Socket) => void } = {},
): Client {
  const folder = mkdtempSync(`${tmpdir()}/gantry-client-`);
  const path = `${folder}/s`;
  const server = Bun.listen<{ text: string }>({
    unix: path,
    allowHalfOpen: true,
    socket: {
      open(socket) {
        socket.data = { text: "" };
      },
      data(socket, data) {
        socket.data.text += data.toString("latin1");
        answer(socket.data.text, socket);
      },
      end(socket) {
        if (options.end) options.end(socket);
        else socket.end();
      },
    },
  });
  const client = createClient({ host: `unix://${path}`, ...options });
  cleanups.push(() => {
    client.close();
    server.stop(true);
    rmSync(folder, { recursive: true });
  });
  return client;
}

const json = (body: unknown, head = "200 OK", headers = "") => {
  const text = JSON.stringify(body);
  return `HTTP/1.1 ${head}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n${headers}\r\n${text}`;
};

/** Sends in pieces, as the socket takes them. */
function sendAll(socket: Socket, text: string): void {
  const count = Math.max(0, socket.write(text));
  if (count < text.length) setTimeout(() => sendAll(socket, text.slice(count)), 2);
}

const whole = (request: string) => request.endsWith("\r\n\r\n");

test("a connection is used again", async () => {
  let connections = 0;
  const client = serve((request, socket) => {
    if (!whole(request)) return;
    if (request.startsWith("GET")) connections++;
    socket.data.text = "x";
    socket.write(json({ Version: "1" }));
  });
  await client.version();
  await client.version();
  await client.version();
  expect(connections).toBe(1);
});

test("an answer is read however it is cut, in chunks with extensions and trailers", async () => {
  const answer =
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\n{"Ver\r\na\r\nsion":"10"\r\n1\r\n}\r\n0\r\nX: y\r\n\r\n';
  for (const size of [1, 2, 3, 7, 1000]) {
    const client = serve((request, socket) => {
      if (!whole(request)) return;
      const send = async () => {
        for (let at = 0; at < answer.length; at += size) {
          socket.write(answer.slice(at, at + size));
          await Bun.sleep(0);
        }
      };
      void send();
    });
    expect((await client.version()).Version).toBe("10");
  }
});

test("an error is the server's status and message", async () => {
  const client = serve((request, socket) => {
    if (whole(request)) socket.write(json({ message: "No such container: x" }, "404 Not Found"));
  });
  const error = await client.containers.inspect("x").catch((one: unknown) => one);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ status: 404, message: "No such container: x" });
});

test("an older server's version is taken, with one request more and only once", async () => {
  const paths: string[] = [];
  const client = serve((request, socket) => {
    if (!whole(request)) return;
    const path = request.split(" ")[1]!;
    paths.push(path);
    socket.data.text = "";
    if (path.startsWith("/v1.51/")) {
      const message = "client version 1.51 is too new. Maximum supported API version is 1.41";
      socket.write(json({ message }, "400 Bad Request", "Api-Version: 1.41\r\n"));
    } else socket.write(json([]));
  });
  await client.containers.list();
  await client.containers.list();
  expect(paths).toEqual(["/v1.51/containers/json", "/v1.41/containers/json", "/v1.41/containers/json"]);
  expect(client.transport.version()).toBe("1.41");
});

test("a version that was asked for is not changed", async () => {
  const message = "client version 1.51 is too new. Maximum supported API version is 1.41";
  const client = serve(
    (request, socket) => {
      if (whole(request)) socket.write(json({ message }, "400 Bad Request"));
    },
    { version: "1.51" },
  );
  await expect(client.version()).rejects.toThrow(message);
});

test("answers that are not the protocol are refused", async () => {
  for (const answer of [
    "SSH-2.0-x\r\n\r\n",
    "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{x",
    `HTTP/1.1 200 OK\r\nA: ${"x".repeat(300_000)}`,
  ]) {
    const client = serve((request, socket) => {
      if (whole(request)) sendAll(socket, answer);
    });
    await expect(client.version()).rejects.toThrow();
  }
});

test("an answer that breaks off is an error, not a short answer", async () => {
  const client = serve((request, socket) => {
    if (!whole(request)) return;
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}");
    socket.end();
  });
  await expect(client.version()).rejects.toThrow("unexpected EOF");
});

test("no server is a ConnectError with the reason, after the hook had its turn", async () => {
  let asked = 0;
  const client = createClient({
    host: "unix:///nonexistent/gantry.sock",
    unreachable: async () => {
      asked++;
    },
  });
  const error = await client.version().catch((one: unknown) => one);
  expect(error).toBeInstanceOf(ConnectError);
  expect(error).toMatchObject({ code: "ENOENT", host: "unix:///nonexistent/gantry.sock" });
  expect(asked).toBe(1);
});

test("a hijacked connection carries bytes both ways, and its input ends while its output goes on", async () => {
  const client = serve(
    (request, socket) => {
      if (!request.endsWith("\r\n\r\n")) return;
      expect(request).toContain("Connection: Upgrade\r\nUpgrade: tcp\r\n");
      socket.data.text = "";
      socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly ");
    },
    {
      end(socket) {
        socket.write(`got ${socket.data.text}`);
        socket.end();
      },
    },
  );
  const { connection } = await client.containers.attach("x", { stream: true, stdin: true, stdout: true });
  await connection.write(Buffer.from("hello"));
  connection.closeWrite();
  let text = "";
  for (let piece = await connection.read(); piece; piece = await connection.read()) text += Buffer.from(piece);
  expect(text).toBe("early got hello");
});

test("who does not read stops the sender, and loses nothing", async () => {
  const size = 8 * 1024 * 1024;
  let sent = 0;
  const client = serve((request, socket) => {
    if (!whole(request)) return;
    socket.data.text = "x";
    socket.write("HTTP/1.1 101 UPGRADED\r\n\r\n");
    const piece = new Uint8Array(65536).fill(7);
    const send = () => {
      while (sent < size) {
        const count = socket.write(piece.subarray(0, Math.min(piece.length, size - sent)));
        if (count <= 0) break;
        sent += count;
      }
      if (sent < size) setTimeout(send, 5);
      else socket.end();
    };
    send();
  });
  const { connection } = await client.containers.attach("x", { stream: true, stdout: true });
  await Bun.sleep(200);
  expect(sent).toBeLessThan(size / 2);
  let got = 0;
  for (let bytes = await connection.read(); bytes; bytes = await connection.read()) got += bytes.length;
  expect(got).toBe(size);
});

test("a stream ends when its signal aborts", async () => {
  const client = serve((request, socket) => {
    if (whole(request)) socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  });
  const controller = new AbortController();
  const events = client.events({ signal: controller.signal });
  const first = events.next();
  setTimeout(() => controller.abort(), 20);
  await expect(first).rejects.toThrow("abort");
});
