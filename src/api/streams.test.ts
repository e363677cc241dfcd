import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { LogRecord } from "../engine/engine.ts";
import type { FakeContainer } from "./testing/fake-engine.ts";
import { createHarness, type Harness, type RawClient, request, unframe } from "./testing/harness.ts";

let harness: Harness;
beforeEach(async () => {
  harness = await createHarness();
});
afterEach(() => harness.stop());

const upgrade = { Connection: "Upgrade", Upgrade: "tcp" };
const everything = "stream=1&stdin=1&stdout=1&stderr=1";

async function post(path: string, value?: object): Promise<void> {
  const options = value && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) };
  const answer = await harness.request("POST", path, options);
  if (answer.status >= 300) throw new Error(answer.text);
}

async function create(name: string, command: string[], options: object = {}): Promise<FakeContainer> {
  await post(`/containers/create?name=${name}`, {
    Image: "bb",
    Cmd: command,
    OpenStdin: true,
    StdinOnce: true,
    ...options,
  });
  return [...harness.engine.all.values()].find((container) => container.name === name) as FakeContainer;
}

/** Resolves when `holds`, looked at after each turn of the event loop; the test's own limit is the only one. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await Bun.sleep(1);
}

async function attach(
  name: string,
  parameters = everything,
  headers: Record<string, string> = upgrade,
): Promise<RawClient> {
  const client = harness.connect();
  client.send(request("POST", `/containers/${name}/attach?${parameters}`, { headers }));
  const head = await client.head();
  expect(head.status).toBe("Upgrade" in headers ? 101 : 200);
  return client;
}

describe("attach", () => {
  test("answers 101 with Docker's headers", async () => {
    await create("c", ["cat"]);
    await create("t", ["cat"], { Tty: true });
    const types = [];
    for (const [path, headers] of [
      ["/containers/c/attach", upgrade],
      ["/v1.41/containers/c/attach", upgrade],
      ["/containers/t/attach", upgrade],
      ["/containers/c/attach", {}],
    ] as const) {
      const client = harness.connect();
      client.send(request("POST", path, { headers }));
      const head = await client.head();
      types.push([head.status, head.reason, head.headers.get("content-type"), head.headers.get("upgrade")]);
      expect(head.headers.has("content-length") || head.headers.has("transfer-encoding")).toBe(false);
    }
    const [raw, multiplexed] = ["application/vnd.docker.raw-stream", "application/vnd.docker.multiplexed-stream"];
    expect(types).toEqual([
      [101, "UPGRADED", multiplexed, "tcp"],
      [101, "UPGRADED", raw, "tcp"],
      [101, "UPGRADED", raw, "tcp"],
      [200, "OK", raw, undefined],
    ]);
  });

  test.each([["with", upgrade] as const, ["without", {}] as const])(
    "%s an Upgrade header: before the start, both ways, to the end of both",
    async (_, headers) => {
      const container = await create("c", ["cat"]);
      const client = await attach("c", everything, headers);
      await post("/containers/c/start");
      client.send("one\n");
      await client.until(() => client.received.length >= 12);
      client.send("GET / HTTP/1.1\r\n\r\n");
      client.end();
      const frames = unframe(await client.rest());
      expect(frames.every(([stream]) => stream === "stdout")).toBe(true);
      expect(frames.map(([, text]) => text).join("")).toBe("one\nGET / HTTP/1.1\r\n\r\n");
      expect(container.process?.stdinClosed).toBe(true);
    },
  );

  test("takes input that came right behind the head, also after other requests on the connection", async () => {
    await create("c", ["count"]);
    await post("/containers/c/start");
    const client = harness.connect();
    client.send(
      `${request("GET", "/_ping")}${request("POST", `/containers/c/attach?${everything}`)}${"x".repeat(300_000)}`,
    );
    client.end();
    expect((await client.answer()).text).toBe("OK");
    expect((await client.head()).status).toBe(200);
    expect(unframe(await client.rest())).toEqual([["stdout", "300000\n"]]);
  });

  test("keeps the streams apart, and leaves out what was not asked for", async () => {
    for (const [parameters, frames] of [
      [
        "stream=1&stdout=1&stderr=1",
        [
          ["stdout", "out\n"],
          ["stderr", "err\n"],
        ],
      ],
      ["stream=1&stderr=1", [["stderr", "err\n"]]],
      ["stream=1", []],
    ] as const) {
      await create(`c${frames.length}`, ["both"]);
      const client = await attach(`c${frames.length}`, parameters);
      await post(`/containers/c${frames.length}/start`);
      expect(unframe(await client.rest())).toEqual(frames.map(([stream, text]) => [stream, text]));
    }
  });

  test("tells what was logged before, alone or first", async () => {
    const container = await create("c", ["cat"]);
    await post("/containers/c/start");
    const first = await attach("c");
    first.send("early\n");
    await until(() => container.records.length === 1);
    expect(unframe(await (await attach("c", "logs=1&stdout=1")).rest())).toEqual([["stdout", "early\n"]]);
    const second = await attach("c", `logs=1&${everything}`);
    await second.until(() => second.received.length > 0);
    first.send("late\n");
    first.end();
    expect(unframe(await second.rest())).toEqual([
      ["stdout", "early\n"],
      ["stdout", "late\n"],
    ]);
  });

  test("of a terminal is raw, and ends by ctrl-p ctrl-q while the container goes on", async () => {
    const container = await create("c", ["cat"], { Tty: true });
    await post("/containers/c/start");
    const client = await attach("c");
    client.send("ab\x10");
    await client.until(() => client.received.length === 2);
    client.send("c\x10");
    await client.until(() => client.received.length === 4);
    client.send("\x11never");
    expect((await client.rest()).toString("latin1")).toBe("ab\x10c");
    expect(container.running).toBe(true);
    expect(container.process?.listeners).toBe(0);
    expect(harness.engine.detached).toEqual([container.id]);
  });

  test("of a terminal ends by the keys that the client names", async () => {
    const container = await create("c", ["cat"], { Tty: true });
    await post("/containers/c/start");
    const client = await attach("c", `${everything}&detachKeys=ctrl-a,d`);
    client.send("\x10\x11x");
    await client.until(() => client.received.length === 3);
    client.send("\x01d");
    expect((await client.rest()).toString("latin1")).toBe("\x10\x11x");
    expect(container.running).toBe(true);
  });

  test("without a terminal passes every byte", async () => {
    await create("c", ["cat"]);
    await post("/containers/c/start");
    const client = await attach("c");
    client.send("\x10\x11");
    client.end();
    expect(unframe(await client.rest())).toEqual([["stdout", "\x10\x11"]]);
  });

  test("ends with the client's input when that is not the container's (StdinOnce off)", async () => {
    const container = await create("c", ["cat"], { StdinOnce: false });
    await post("/containers/c/start");
    const client = await attach("c");
    client.send("x");
    await client.until(() => client.received.length > 0);
    client.end();
    expect(unframe(await client.rest())).toEqual([["stdout", "x"]]);
    expect([container.running, container.process?.stdinClosed]).toEqual([true, false]);
  });

  test("without standard input goes on after the client's end of input", async () => {
    await create("c", ["both"]);
    const client = await attach("c", "stream=1&stdout=1&stderr=1");
    client.end();
    await post("/containers/c/start");
    expect(unframe(await client.rest())).toHaveLength(2);
  });

  test("refuses in JSON, and the connection goes on", async () => {
    const client = harness.connect();
    client.send(request("POST", "/containers/nope/attach", { headers: upgrade }));
    const answer = await client.answer();
    expect([answer.status, answer.json]).toEqual([404, { message: "No such container: nope" }]);
    await create("c", ["cat"]);
    client.send(request("POST", "/containers/c/attach?detachKeys=ctrl-ab", { headers: upgrade }));
    expect((await client.answer()).json).toEqual({ message: "Invalid detach keys (ctrl-ab) provided" });
    client.send(request("GET", "/_ping"));
    expect((await client.answer()).text).toBe("OK");
  });

  test("a slow reader stops the output, is not buffered for, and gets everything in the end", async () => {
    const total = 40_000_000;
    const container = await create("c", ["flood", String(total)]);
    const client = await attach("c");
    client.socket.pause();
    await post("/containers/c/start");
    await until(() => (container.process?.waiting ?? 0) > 0);
    // Whatever is buffered on the way is long full by now, or the process would get to its end.
    await Bun.sleep(100);
    expect(container.running).toBe(true);
    let received = 0;
    client.socket.removeAllListeners("data");
    client.socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    client.socket.resume();
    await client.until(() => client.ended);
    const frames = Math.ceil(total / 32768);
    expect(received + client.received.length).toBe(total + 8 * frames);
  });

  test("a reader may take its time with the rest, but not with closing afterwards", async () => {
    await harness.stop();
    harness = await createHarness({ lingerMilliseconds: 50 });
    const container = await create("c", ["flood", "600000"]);
    const client = await attach("c", "stream=1&stdout=1");
    client.socket.pause();
    await post("/containers/c/start");
    // Read no more than lets the process end, so that the last of it is still in the server.
    while (container.running) {
      client.socket.resume();
      await Bun.sleep(1);
      client.socket.pause();
      await Bun.sleep(1);
    }
    await Bun.sleep(200);
    client.socket.resume();
    const length = unframe(await client.rest()).reduce((sum, [, text]) => sum + text.length, 0);
    expect(length).toBe(600_000);
    expect(client.closed).toBe(false);
    await until(() => harness.server.connections === 0);
  });

  test("clients that vanish leave no listener behind: before the start, and while output flows", async () => {
    const container = await create("c", ["flood", "20000000"]);
    const early = await attach("c");
    early.destroy();
    const watching = await attach("c", "stream=1&stdout=1");
    const dying = await attach("c", "stream=1&stdout=1");
    dying.socket.pause();
    await post("/containers/c/start");
    await until(() => (container.process?.waiting ?? 0) > 0);
    dying.destroy();
    await watching.until(() => watching.ended);
    await until(() => container.process?.listeners === 0);
    await until(() => harness.server.connections <= 1);
  });
});

describe("exec start", () => {
  async function execId(config: object): Promise<string> {
    if (harness.engine.all.size === 0) {
      await create("c", ["sleep"]);
      await post("/containers/c/start");
    }
    const answer = await harness.request("POST", "/containers/c/exec", {
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(config),
    });
    return (answer.json as { Id: string }).Id;
  }
  const startRequest = (
    id: string,
    headers: Record<string, string> = {},
    body: object = { Detach: false, Tty: false },
  ) =>
    request("POST", `/exec/${id}/start`, {
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify(body),
    });

  test.each([["with", upgrade] as const, ["without", {}] as const])("%s an Upgrade header", async (_, headers) => {
    const id = await execId({ Cmd: ["cat"], AttachStdin: true, AttachStdout: true });
    const client = harness.connect();
    client.send(`${startRequest(id, headers)}right behind`);
    client.end();
    const head = await client.head();
    expect(head.status).toBe("Upgrade" in headers ? 101 : 200);
    expect(unframe(await client.rest())).toEqual([["stdout", "right behind"]]);
    expect((await harness.request("GET", `/exec/${id}/json`)).json).toMatchObject({ Running: false, ExitCode: 0 });
  });

  test("with a chunked body", async () => {
    const id = await execId({ Cmd: ["cat"], AttachStdin: true });
    const client = harness.connect();
    client.send(
      `POST /exec/${id}/start HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\ninput`,
    );
    client.end();
    expect((await client.head()).status).toBe(101);
    expect(unframe(await client.rest())).toEqual([["stdout", "input"]]);
  });

  test("refuses before it takes the connection over", async () => {
    const client = harness.connect();
    client.send(startRequest("nope", upgrade));
    expect((await client.answer()).json).toEqual({ message: "No such exec instance: nope" });
    const id = await execId({ Cmd: ["cat"] });
    client.send(startRequest(id, upgrade, { Tty: "x" }));
    expect((await client.answer()).status).toBe(400);
  });

  test("answers before the process can have said anything", async () => {
    const id = await execId({ Cmd: ["cat"], AttachStdin: true });
    const { start } = harness.engine.execs;
    const gate = Promise.withResolvers<void>();
    harness.engine.execs.start = async (...args) => {
      await gate.promise;
      return start(...args);
    };
    const client = harness.connect();
    client.send(`${startRequest(id, upgrade)}early`);
    expect((await client.head()).status).toBe(101);
    gate.resolve();
    client.end();
    expect(unframe(await client.rest())).toEqual([["stdout", "early"]]);
  });

  test("what cannot be executed is told among the output", async () => {
    const id = await execId({ Cmd: ["absent"] });
    const client = harness.connect();
    client.send(startRequest(id, upgrade));
    expect((await client.head()).status).toBe(101);
    expect(unframe(await client.rest())).toEqual([
      ["stdout", 'OCI runtime exec failed: exec failed: "absent": executable file not found in $PATH\r\n'],
    ]);
    const detached = await execId({ Cmd: ["absent"] });
    client.destroy();
    const other = harness.connect();
    other.send(startRequest(detached, {}, { Detach: true }));
    expect((await other.answer()).status).toBe(400);
  });

  test("on a terminal: raw, its size, its detach keys", async () => {
    const id = await execId({ Cmd: ["cat"], AttachStdin: true, Tty: true, DetachKeys: "ctrl-x" });
    const client = harness.connect();
    client.send(startRequest(id, upgrade, { Tty: true, ConsoleSize: [24, 80] }));
    expect((await client.head()).headers.get("content-type")).toBe("application/vnd.docker.raw-stream");
    client.send("ab");
    await client.until(() => client.received.length === 2);
    client.send("\x18");
    expect((await client.rest()).toString()).toBe("ab");
    const start = harness.engine.calls.findLast(({ name }) => name === "execs.start");
    expect(start?.args[1]).toEqual({ detach: false, tty: true, size: { rows: 24, columns: 80 } });
  });
});

describe("wait", () => {
  test("answers with its head at once, and with the result later", async () => {
    await create("c", ["exit", "3"]);
    const client = harness.connect();
    client.send(request("POST", "/containers/c/wait?condition=next-exit"));
    const head = await client.head();
    expect([head.status, head.headers.get("content-type")]).toEqual([200, "application/json"]);
    await post("/containers/c/start");
    expect((await client.chunk()).toString()).toBe('{"StatusCode":3}\n');
    expect((await client.chunk()).length).toBe(0);
  });
  test("before 1.30 everything comes at the end, and conditions are not known", async () => {
    await create("c", ["sleep"]);
    await post("/containers/c/start");
    const client = harness.connect();
    client.send(request("POST", "/v1.29/containers/c/wait?condition=nonsense"));
    await post("/containers/c/stop");
    const answer = await client.answer();
    expect([answer.headers.has("transfer-encoding"), answer.json]).toEqual([false, { StatusCode: 143 }]);
  });
  test("refuses what it does not know", async () => {
    expect((await harness.request("POST", "/containers/nope/wait")).status).toBe(404);
    await create("c", ["sleep"]);
    const answer = await harness.request("POST", "/containers/c/wait?condition=dead");
    expect([answer.status, answer.json]).toEqual([400, { message: 'invalid condition: "dead"' }]);
  });
  test("a failure after the head is in the result; before 1.34 there is none", async () => {
    await create("c", ["sleep"]);
    harness.engine.containers.wait = () => ({
      result: Promise.resolve({ StatusCode: 0, Error: { Message: "cannot remove" } }),
    });
    const wait = async (version: string) =>
      (await harness.request("POST", `${version}/containers/c/wait?condition=removed`)).text;
    expect(await wait("")).toBe('{"StatusCode":0,"Error":{"Message":"cannot remove"}}\n');
    expect(await wait("/v1.33")).toBe("");
    harness.engine.containers.wait = () => ({ result: Promise.reject(new Error("lost")) });
    expect(await wait("")).toBe('{"StatusCode":-1,"Error":{"Message":"lost"}}\n');
  });
});

describe("logs", () => {
  const record = (stream: "stdout" | "stderr", data: string, partial = false): LogRecord => ({
    stream,
    time: "2024-01-02T03:04:05.000000006Z",
    data: Buffer.from(data),
    partial,
  });

  test("come in frames, or raw from a terminal, with Docker's types", async () => {
    const container = await create("c", ["cat"]);
    container.records.push(record("stdout", "a\n"), record("stderr", "b\n"));
    const answer = await harness.request("GET", "/containers/c/logs?stdout=1&stderr=1");
    expect(answer.headers.get("content-type")).toBe("application/vnd.docker.multiplexed-stream");
    expect(unframe(answer.body)).toEqual([
      ["stdout", "a\n"],
      ["stderr", "b\n"],
    ]);
    const older = await harness.request("GET", "/v1.41/containers/c/logs?stdout=1");
    expect(older.headers.get("content-type")).toBe("application/vnd.docker.raw-stream");
    const terminal = await create("t", ["cat"], { Tty: true });
    terminal.records.push(record("stdout", "a\r\n"));
    expect((await harness.request("GET", "/containers/t/logs?stdout=1")).text).toBe("a\r\n");
  });

  test("with times and details, once a line however many pieces it has", async () => {
    const container = await create("c", ["cat"]);
    container.records.push(
      record("stdout", "a", true),
      record("stderr", "x\n"),
      record("stdout", "b\n"),
      record("stdout", "c"),
    );
    const logs = async (parameters: string) =>
      unframe((await harness.request("GET", `/containers/c/logs?stdout=1&stderr=1&${parameters}`)).body);
    const time = "2024-01-02T03:04:05.000000006Z ";
    expect(await logs("timestamps=1")).toEqual([
      ["stdout", `${time}a`],
      ["stderr", `${time}x\n`],
      ["stdout", "b\n"],
      ["stdout", `${time}c`],
    ]);
    expect((await logs("details=1&timestamps=1"))[0]).toEqual(["stdout", `${time} a`]);
    expect((await logs("details=1"))[0]).toEqual(["stdout", " a"]);
  });

  test("are asked for with the values that Docker takes", async () => {
    await create("c", ["cat"]);
    const asked = async (parameters: string, version = "") => {
      await harness.request("GET", `${version}/containers/c/logs?stdout=1&${parameters}`);
      const { signal: _, ...options } = (harness.engine.calls.at(-1)?.args[1] ?? {}) as Record<string, unknown>;
      return options;
    };
    const none = { stdout: true, stderr: false, follow: false, since: 0, until: 0, tail: -1 };
    expect(await asked("")).toEqual(none);
    expect(await asked("tail=all&since=&until=0")).toEqual(none);
    expect(await asked("tail=-5")).toEqual(none);
    expect(await asked("tail=5&since=1.5&until=2024-01-02T00:00:00Z")).toEqual({
      ...none,
      tail: 5,
      since: 1.5,
      until: 1704153600,
    });
    expect(await asked("until=5", "/v1.34")).toEqual(none);
    expect((await harness.request("GET", "/containers/c/logs?stdout=1&since=x")).status).toBe(400);
    expect((await harness.request("GET", "/containers/c/logs")).json).toEqual({
      message: "Bad parameters: you must choose at least one stream",
    });
    expect((await harness.request("GET", "/containers/nope/logs?stdout=1")).status).toBe(404);
  });

  test("followed, end with the container, or with the client", async () => {
    const container = await create("c", ["cat"]);
    await post("/containers/c/start");
    const follow = () => {
      const client = harness.connect();
      client.send(request("GET", "/containers/c/logs?stdout=1&follow=1"));
      return client;
    };
    const [staying, dying, ending] = [follow(), follow(), follow()];
    await Promise.all([staying, dying, ending].map((client) => client.head()));
    await until(() => harness.engine.streams === 3);
    dying.destroy();
    ending.end();
    await until(() => harness.engine.streams === 1);
    const attached = await attach("c");
    attached.send("line\n");
    expect(unframe(await staying.chunk())).toEqual([["stdout", "line\n"]]);
    attached.end();
    expect((await staying.chunk()).length).toBe(0);
    expect(container.running).toBe(false);
  });

  test("that break off say so", async () => {
    await create("c", ["cat"]);
    harness.engine.containers.logs = () => ({
      terminal: false,
      records: (async function* () {
        yield record("stdout", "a\n");
        throw new Error("disk on fire");
      })(),
    });
    const answer = await harness.request("GET", "/containers/c/logs?stdout=1");
    expect(unframe(answer.body)).toEqual([
      ["stdout", "a\n"],
      ["systemerr", "Error grabbing logs: disk on fire\n"],
    ]);
  });

  test("of any length reach a slow reader whole, in bounded memory", async () => {
    await create("c", ["cat"]);
    let made = 0;
    harness.engine.containers.logs = () => ({
      terminal: true,
      records: (async function* () {
        for (let i = 0; i < 400_000; i++) {
          made++;
          yield record("stdout", `${"x".repeat(99)}\n`);
        }
      })(),
    });
    const client = harness.connect();
    client.socket.pause();
    client.send(request("GET", "/containers/c/logs?stdout=1", { headers: { Connection: "close" } }));
    await until(() => made > 1000);
    await Bun.sleep(100);
    expect(made).toBeLessThan(100_000);
    let received = 0;
    client.socket.removeAllListeners("data");
    client.socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
    });
    client.socket.resume();
    await client.until(() => client.ended);
    expect(received).toBeGreaterThan(40_000_000);
    expect(made).toBe(400_000);
  });
});

describe("events", () => {
  test("stream with the fields of old, until the client goes", async () => {
    const client = harness.connect();
    client.send(request("GET", "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D"));
    const head = await client.head();
    expect([head.status, head.headers.get("content-type")]).toEqual([200, "application/json"]);
    harness.engine.emit({
      Type: "container",
      Action: "start",
      Actor: { ID: "1", Attributes: { image: "bb", name: "c" } },
      time: 5,
      timeNano: 5000000000,
    });
    harness.engine.emit({ Type: "network", Action: "connect", Actor: { ID: "2" } });
    const lines = (await client.chunk())
      .toString()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({
      status: "start",
      id: "1",
      from: "bb",
      Type: "container",
      Action: "start",
      time: 5,
    });
    const options = harness.engine.calls.at(-1)?.args[0] as { filters: unknown };
    expect(options.filters).toEqual(new Map([["type", ["container"]]]));
    client.destroy();
    await until(() => harness.engine.streams === 0);
  });

  test("of images being made came with 1.46", async () => {
    harness.engine.emit({ Type: "image", Action: "create", Actor: { ID: "1" } });
    harness.engine.emit({ Type: "image", Action: "pull", Actor: { ID: "2" } });
    expect((await harness.request("GET", "/v1.46/events?until=1")).text.trimEnd().split("\n")).toHaveLength(2);
    expect((await harness.request("GET", "/v1.45/events?until=1")).text.trimEnd().split("\n")).toHaveLength(1);
  });

  test("refuses times that are none, or the wrong way round", async () => {
    expect((await harness.request("GET", "/events?since=soon")).status).toBe(400);
    expect((await harness.request("GET", "/events?since=5&until=4")).json).toEqual({
      message: "`since` time (5) cannot be after `until` time (4)",
    });
  });

  test("come whole to HTTP/1.0, ended by the connection", async () => {
    harness.engine.emit({ Type: "volume", Action: "create", Actor: { ID: "1" } });
    const client = harness.connect();
    client.send("GET /events?until=1 HTTP/1.0\r\n\r\n");
    const head = await client.head();
    expect([head.headers.has("transfer-encoding"), head.headers.get("connection")]).toEqual([false, "close"]);
    expect(JSON.parse((await client.rest()).toString())).toMatchObject({ Type: "volume" });
  });
});

describe("pull", () => {
  const pull = request("POST", "/images/create?fromImage=x");

  test("fails with a status while nothing was told, and in the stream afterwards", async () => {
    harness.engine.pulling = async () => {
      throw new Error("at once");
    };
    expect((await harness.request("POST", "/images/create?fromImage=x")).json).toEqual({ message: "at once" });
    harness.engine.pulling = async (progress) => {
      progress({ status: "Pulling", id: "a" });
      throw new Error("later");
    };
    const answer = await harness.request("POST", "/images/create?fromImage=x");
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(answer.text).toBe(
      '{"status":"Pulling","id":"a"}\r\n{"errorDetail":{"message":"later"},"error":"later"}\r\n',
    );
  });

  test("is called off when the client goes, before and amid progress", async () => {
    for (const speaks of [false, true]) {
      let aborted = false;
      let begun = false;
      harness.engine.pulling = async (progress, signal) => {
        if (speaks) progress({ status: "x" });
        begun = true;
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        aborted = true;
        throw new Error("called off");
      };
      const client = harness.connect();
      client.send(pull);
      await until(() => begun);
      client.destroy();
      await until(() => aborted);
    }
    expect(harness.errors).toEqual([]);
  });

  test("tells a slow client less, but the last of everything", async () => {
    const count = 200_000;
    harness.engine.pulling = async (progress) => {
      for (let i = 0; i <= count; i++) {
        progress({ status: "Downloading", id: "a", progressDetail: { current: i, total: count } });
        if (i % 10_000 === 0) await Bun.sleep(0);
      }
      progress({ status: "Pull complete", id: "a", progressDetail: {} });
    };
    const client = harness.connect();
    client.socket.pause();
    client.send(pull);
    await Bun.sleep(200);
    client.socket.resume();
    const answer = await client.answer();
    const lines = answer.text
      .trimEnd()
      .split("\r\n")
      .map((line) => JSON.parse(line));
    expect(lines.length).toBeLessThan(count);
    expect(lines.at(-2)).toMatchObject({ progressDetail: { current: count } });
    expect(lines.at(-1)).toMatchObject({ status: "Pull complete" });
  });
});

describe("close", () => {
  test("lets answers end, ends what never would, and takes nothing more", async () => {
    await create("c", ["sleep"]);
    await post("/containers/c/start");
    const attached = await attach("c");
    const events = harness.connect();
    events.send(request("GET", "/events"));
    await events.head();
    const idle = harness.connect();
    idle.send(request("GET", "/_ping"));
    await idle.answer();
    const gate = Promise.withResolvers<void>();
    harness.engine.containers.pause = () => gate.promise;
    const busy = harness.connect();
    busy.send(request("POST", "/containers/c/pause"));
    await until(() => harness.server.connections === 4);
    await Bun.sleep(20);

    const closed = harness.server.close(60_000);
    expect((await events.chunk()).length).toBe(0);
    await attached.until(() => attached.ended);
    await idle.until(() => idle.ended);
    gate.resolve();
    const answer = await busy.answer();
    expect([answer.status, answer.headers.get("connection")]).toEqual([204, "close"]);
    for (const client of [attached, events, busy]) client.end();
    await closed;
    const late = harness.connect();
    await late.until(() => late.ended);
    expect(harness.engine.streams).toBe(0);
  });

  test("cuts what takes longer than its grace", async () => {
    await create("c", ["sleep"]);
    harness.engine.containers.pause = () => new Promise(() => {});
    const client = harness.connect();
    client.send(request("POST", "/containers/c/pause"));
    await until(() => harness.server.connections === 1);
    await Bun.sleep(20);
    await harness.server.close(50);
    await client.until(() => client.ended);
    expect(client.received.length).toBe(0);
  });
});
