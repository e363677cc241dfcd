import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { EngineError, type ErrorKind } from "../engine/errors.ts";
import { RegistryError } from "../registry/registry.ts";
import { toCredentials } from "./images.ts";
import { createHarness, type Harness } from "./testing/harness.ts";

let harness: Harness;
beforeEach(async () => {
  harness = await createHarness();
});
afterEach(() => harness.stop());

const post = (path: string, value?: unknown) =>
  harness.request(
    "POST",
    path,
    value === undefined ? {} : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) },
  );
const get = (path: string) => harness.request("GET", path);
const lastCall = () => harness.engine.calls.at(-1) ?? { name: "none", args: [] };
const filters = (value: unknown) => `filters=${encodeURIComponent(JSON.stringify(value))}`;

describe("versions", () => {
  test("every answer tells the server's", async () => {
    for (const answer of [await get("/_ping"), await get("/v1.30/nope"), await post("/containers/nope/start")]) {
      expect(answer.headers.get("api-version")).toBe("1.51");
      expect(answer.headers.get("docker-experimental")).toBe("false");
      expect(answer.headers.get("ostype")).toBe("linux");
      expect(answer.headers.get("server")).toBe("Gantry/0.0.0-test (linux)");
    }
  });
  test.each(["", "/v1.24", "/v1.51", "/v1.40"])("%j is accepted", async (prefix) => {
    expect((await get(`${prefix}/version`)).status).toBe(200);
  });
  test.each([
    ["1.52", "client version 1.52 is too new. Maximum supported API version is 1.51"],
    ["1.99", "client version 1.99 is too new. Maximum supported API version is 1.51"],
    ["2.0", "client version 2.0 is too new. Maximum supported API version is 1.51"],
    [
      "1.23",
      "client version 1.23 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
    ],
    [
      "1",
      "client version 1 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
    ],
    [
      "0.99",
      "client version 0.99 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version",
    ],
  ])("%s is refused", async (version, message) => {
    const answer = await get(`/v${version}/info`);
    expect([answer.status, answer.json]).toEqual([400, { message }]);
  });
});

describe("paths", () => {
  test("ping tells what Docker's tells", async () => {
    const answer = await get("/_ping");
    expect([answer.text, answer.headers.get("content-type")]).toEqual(["OK", "text/plain; charset=utf-8"]);
    expect(answer.headers.get("builder-version")).toBe("1");
    expect(answer.headers.get("cache-control")).toBe("no-cache, no-store, must-revalidate");
    expect(answer.headers.get("pragma")).toBe("no-cache");
  });
  test("that do not exist, or not with this method", async () => {
    for (const [method, path] of [
      ["GET", "/nope"],
      ["PUT", "/_ping"],
      ["POST", "/containers/json"],
      ["GET", "/v1.40/containers/a/b/json"],
    ] as const) {
      const answer = await harness.request(method, path);
      expect([answer.status, answer.json]).toEqual([404, { message: "page not found" }]);
    }
  });
  test("with a broken escape are refused", async () => {
    expect((await get("/containers/%zz/json")).status).toBe(400);
  });
  test.each([
    ["GET", "/images/localhost:5000/a/b:tag/json", "images.inspect", "localhost:5000/a/b:tag"],
    ["GET", "/v1.40/images/a%2Fb%3Atag/json", "images.inspect", "a/b:tag"],
    ["GET", "/images/a/b/history", "images.history", "a/b"],
    ["POST", "/images/a/json/tag?repo=x", "images.tag", "a/json"],
    ["DELETE", "/images/a/b@sha256:12", "images.remove", "a/b@sha256:12"],
  ])("%s %s holds an image's name", async (method, path, call, name) => {
    await harness.request(method, path);
    expect([lastCall().name, lastCall().args[0]]).toEqual([call, name]);
  });
  test.each([
    ["POST", "/commit"],
    ["POST", "/build"],
    ["GET", "/containers/a/stats"],
    ["GET", "/containers/a/attach/ws"],
    ["PUT", "/containers/a/archive"],
    ["GET", "/images/a/b/get"],
    ["POST", "/networks/create"],
    ["GET", "/distribution/a/b/json"],
    ["GET", "/system/df"],
    ["POST", "/auth"],
  ])("%s %s says that it is not there yet", async (method, path) => {
    const answer = await harness.request(method, path);
    expect(answer.status).toBe(501);
    expect((answer.json as { message: string }).message).toEndWith("is not implemented by Gantry yet");
  });
  test("of a BuildKit session say what to do, also as an upgrade to HTTP/2", async () => {
    for (const path of ["/session", "/grpc"]) {
      const answer = await harness.request("POST", path, { headers: { Connection: "Upgrade", Upgrade: "h2c" } });
      expect(answer.status).toBe(501);
      expect(answer.text).toContain("set DOCKER_BUILDKIT=0 or use gantry build");
    }
  });
  test.each(["/swarm", "/nodes", "/services/x", "/tasks", "/secrets", "/configs"])("%s: no manager", async (path) => {
    const answer = await get(path);
    expect(answer.status).toBe(503);
    expect(answer.text).toContain("This node is not a swarm manager.");
  });
  test("of plugins: there are none", async () => {
    expect((await get("/plugins")).text).toBe("[]\n");
    const answer = await get("/plugins/a/b/json");
    expect([answer.status, answer.json]).toEqual([404, { message: 'plugin "a/b" not found' }]);
  });
  test("OPTIONS", async () => {
    expect((await harness.request("OPTIONS", "/containers/json")).status).toBe(200);
  });
});

describe("errors", () => {
  const kinds: [ErrorKind, number][] = [
    ["invalid", 400],
    ["unauthorized", 401],
    ["forbidden", 403],
    ["not-found", 404],
    ["conflict", 409],
    ["internal", 500],
    ["not-implemented", 501],
    ["unavailable", 503],
  ];
  test.each(kinds)("%s is %d", async (kind, status) => {
    harness.engine.containers.pause = async () => {
      throw new EngineError(kind, "the reason");
    };
    const answer = await post("/containers/x/pause");
    expect([answer.status, answer.json]).toEqual([status, { message: "the reason" }]);
    expect(answer.headers.get("content-type")).toBe("application/json");
  });
  test("a registry's carries its status", async () => {
    harness.engine.pulling = async () => {
      throw new RegistryError("too many", "rate-limited", 429);
    };
    expect((await post("/images/create?fromImage=x")).status).toBe(429);
  });
  test("what nobody foresaw is 500, and logged", async () => {
    harness.engine.info = async () => {
      throw new TypeError("oops");
    };
    expect((await get("/info")).json).toEqual({ message: "oops" });
    expect(harness.errors[0]).toContain("oops");
    expect((await get("/_ping")).status).toBe(200);
  });
});

describe("containers", () => {
  test("create passes name, platform and a checked body", async () => {
    const answer = await post("/containers/create?name=web&platform=linux/arm64", {
      image: "bb",
      Cmd: "ls",
      Entrypoint: [],
      Nonsense: 1,
      Hostname: null,
      ExposedPorts: { "80/tcp": {} },
      HostConfig: { PortBindings: { "80/tcp": null }, Init: null, Memory: 1024, Sysctls: { __proto__x: "1" } },
    });
    expect(answer.status).toBe(201);
    expect((answer.json as { Warnings: unknown }).Warnings).toEqual([]);
    const [name, request, platform] = lastCall().args as [string, object, string];
    expect([name, platform]).toEqual(["web", "linux/arm64"]);
    expect(JSON.parse(JSON.stringify(request))).toEqual({
      Image: "bb",
      Cmd: ["ls"],
      Entrypoint: [],
      ExposedPorts: { "80/tcp": {} },
      HostConfig: { PortBindings: { "80/tcp": null }, Memory: 1024, Sysctls: { __proto__x: "1" } },
    });
  });

  test.each<[body: string, message: string]>([
    ["", "invalid JSON: got EOF while reading request body"],
    ["{", "invalid JSON: "],
    ["[]", "invalid JSON: the body: expected an object, got []"],
    ['"x"', 'invalid JSON: the body: expected an object, got "x"'],
    ["null", "Config cannot be empty in order to create a container"],
    ["{}", "Config cannot be empty in order to create a container"],
    ['{"HostConfig":{}}', "Config cannot be empty in order to create a container"],
    ['{"Image":1}', "invalid JSON: Image: expected a string, got 1"],
    ['{"Image":"a","Tty":"yes"}', 'invalid JSON: Tty: expected true or false, got "yes"'],
    ['{"Image":"a","Env":{"A":"b"}}', 'invalid JSON: Env: expected a list, got {"A":"b"}'],
    ['{"Image":"a","Env":["A",7]}', "invalid JSON: Env[1]: expected a string, got 7"],
    [
      '{"Image":"a","HostConfig":{"Memory":"1g"}}',
      'invalid JSON: HostConfig.Memory: expected a whole number, got "1g"',
    ],
    ['{"Image":"a","HostConfig":{"Memory":1.5}}', "invalid JSON: HostConfig.Memory: expected a whole number, got 1.5"],
    [
      '{"Image":"a","HostConfig":{"BlkioWeight":-1}}',
      "invalid JSON: HostConfig.BlkioWeight: expected a whole number from 0",
    ],
    ['{"Image":"a","HostConfig":[]}', "invalid JSON: HostConfig: expected an object, got []"],
    [
      '{"Image":"a","HostConfig":{"Mounts":[{"Target":"/a"},{"Target":5}]}}',
      "invalid JSON: HostConfig.Mounts[1].Target: expected a string, got 5",
    ],
    ['{"Image":"a","Labels":{"a":1}}', 'invalid JSON: Labels["a"]: expected a string, got 1'],
  ])("create refuses %j", async (body, message) => {
    const answer = await harness.request("POST", "/containers/create", {
      headers: { "Content-Type": "application/json" },
      body,
    });
    expect(answer.status).toBe(400);
    expect((answer.json as { message: string }).message).toStartWith(message);
    expect(harness.engine.calls).toEqual([]);
  });

  test("create refuses a body that is too large, too deep, or not JSON by its own word", async () => {
    await harness.stop();
    harness = await createHarness({ bodyBytes: 50_000 });
    const send = (body: string, type = "application/json") =>
      harness.request("POST", "/containers/create", { headers: { "Content-Type": type }, body });
    expect((await send(`{"Image":"${"x".repeat(60_000)}"}`)).json).toEqual({
      message: "the request body is larger than 50000 bytes",
    });
    expect((await send("[".repeat(40_000))).status).toBe(400);
    expect((await send("{}", "text/plain")).json).toEqual({
      message: "unsupported Content-Type header (text/plain): must be 'application/json'",
    });
    expect((await send('{"Image":"bb"}', "application/json; charset=utf-8")).status).toBe(201);
    expect((await get("/_ping")).text).toBe("OK");
  });

  test("create fills in what older versions meant", async () => {
    const created = async (version: string, body: object) => {
      const answer = await post(`${version}/containers/create`, { Image: "bb", ...body });
      return { answer, request: JSON.parse(JSON.stringify(lastCall().args[1] ?? {})) };
    };
    const oldest = await created("/v1.24", {
      HostConfig: { AutoRemove: true, Annotations: { a: "b" }, ConsoleSize: [1, 2] },
    });
    expect(oldest.request.HostConfig).toMatchObject({
      AutoRemove: false,
      IpcMode: "shareable",
      CgroupnsMode: "host",
      ConsoleSize: [0, 0],
    });
    expect(oldest.request.HostConfig.Annotations).toBeUndefined();
    expect((await created("/v1.43", { HostConfig: { Annotations: { a: "b" } } })).request.HostConfig).toEqual({
      Annotations: { a: "b" },
    });
    const mount = { Type: "bind", Source: "/a", Target: "/b", ReadOnly: true };
    expect((await created("/v1.43", { HostConfig: { Mounts: [mount] } })).request.HostConfig.Mounts[0]).toEqual({
      ...mount,
      BindOptions: { ReadOnlyNonRecursive: true },
    });
    expect((await created("/v1.51", { HostConfig: { Mounts: [mount], PidsLimit: -1 } })).request.HostConfig).toEqual({
      Mounts: [mount],
    });
    const mixed = { HostConfig: { Mounts: [{ Type: "volume", Target: "/b", BindOptions: {} }] } };
    expect((await created("/v1.42", mixed)).answer.json).toEqual({
      message: 'BindOptions must not be specified on mount type "volume"',
    });
    expect((await created("/v1.41", mixed)).answer.status).toBe(201);
    const two = { NetworkingConfig: { EndpointsConfig: { a: {}, b: null } } };
    expect((await created("/v1.43", two)).answer.json).toEqual({
      message: "Container cannot be created with multiple network endpoints: a, b",
    });
    expect((await created("/v1.44", two)).request.NetworkingConfig).toEqual({ EndpointsConfig: { a: {}, b: {} } });
    const mac = await created("/v1.44", { MacAddress: "02:42:ac:11:00:02" });
    expect(mac.request.NetworkingConfig).toEqual({ EndpointsConfig: { bridge: { MacAddress: "02:42:ac:11:00:02" } } });
    expect((mac.answer.json as { Warnings: string[] }).Warnings[0]).toContain("MacAddress field is now deprecated");
  });

  test("start, stop: 204, then 304 without a body", async () => {
    await post("/containers/create?name=c", { Image: "bb", Cmd: ["sleep"] });
    for (const status of [204, 304]) {
      const answer = await post("/containers/c/start");
      expect([answer.status, answer.headers.has("content-length")]).toEqual([status, false]);
    }
    for (const status of [204, 304]) expect((await post("/containers/c/stop?t=5&signal=SIGINT")).status).toBe(status);
    expect(lastCall().args).toEqual(["c", { timeout: 5, signal: "SIGINT" }]);
    await post("/v1.41/containers/c/stop?t=-1&signal=SIGINT");
    expect(lastCall().args).toEqual(["c", { timeout: -1 }]);
    expect((await post("/containers/c/stop?t=soon")).json).toEqual({
      message: 'invalid value for t: "soon": invalid syntax',
    });
  });

  test("start refuses a HostConfig, as every version that is served does", async () => {
    await post("/containers/create?name=c", { Image: "bb", Cmd: ["sleep"] });
    expect((await post("/containers/c/start", { Binds: ["/a:/b"] })).status).toBe(400);
    expect((await post("/containers/c/start", {})).status).toBe(204);
  });

  test("kill says which container it could not kill", async () => {
    const { json } = await post("/containers/create?name=c", { Image: "bb", Cmd: ["sleep"] });
    const id = (json as { Id: string }).Id;
    const answer = await post("/containers/c/kill");
    expect([answer.status, answer.json]).toEqual([
      409,
      { message: `cannot kill container: c: container ${id} is not running` },
    ]);
    expect(lastCall().args).toEqual(["c", "SIGKILL"]);
  });

  test("list takes Docker's booleans and both forms of filters", async () => {
    for (const value of ["1", "true", "True", "yes"]) {
      await get(`/containers/json?all=${value}`);
      expect((lastCall().args[0] as { all: boolean }).all).toBe(true);
    }
    for (const value of ["0", "false", "False", "", "no", "none"]) {
      await get(`/containers/json?all=${value}`);
      expect((lastCall().args[0] as { all: boolean }).all).toBe(false);
    }
    const expected = new Map([["label", ["a", "b"]]]);
    await get(`/containers/json?limit=3&size=1&${filters({ label: ["a", "b", "a"] })}`);
    expect(lastCall().args[0]).toEqual({ all: false, limit: 3, size: true, filters: expected });
    await get(`/containers/json?${filters({ label: { a: true, b: true, c: false } })}`);
    expect((lastCall().args[0] as { filters: unknown }).filters).toEqual(expected);
    await get("/containers/json?before=x&limit=-1");
    expect(lastCall().args[0]).toMatchObject({ limit: 0, filters: new Map([["before", ["x"]]]) });
    for (const bad of ["filters=x", filters([]), filters({ a: "b" }), filters({ a: [1] }), filters({ a: { b: 1 } })]) {
      const answer = await get(`/containers/json?${bad}`);
      expect([answer.status, (answer.json as { message: string }).message.slice(0, 14)]).toEqual([
        400,
        "invalid filter",
      ]);
    }
    expect((await get("/containers/json?limit=many")).status).toBe(400);
  });

  test("list and inspect show an older version what it knows", async () => {
    await post("/containers/create?name=c", { Image: "bb" });
    const listed = async (version: string) => ((await get(`${version}/containers/json`)).json as object[])[0];
    expect(await listed("/v1.51")).not.toHaveProperty("Health");
    expect(await listed("/v1.51")).toHaveProperty("HostConfig.Annotations");
    expect(await listed("/v1.45")).not.toHaveProperty("HostConfig.Annotations");
    const aliases = async (version: string) =>
      ((await get(`${version}/containers/c/json`)).json as { NetworkSettings: { Networks: { mine: object } } })
        .NetworkSettings.Networks.mine;
    expect(await aliases("/v1.45")).toEqual({ Aliases: ["db"] });
    expect(await aliases("/v1.44")).toEqual({ Aliases: ["db", expect.stringMatching(/^[0-9a-f]{12}$/), "host"] });
  });

  test("remove, rename, resize, top, prune", async () => {
    await post("/containers/create?name=c", { Image: "bb" });
    expect((await post("/containers/c/rename?name=d")).status).toBe(204);
    const resized = await post("/containers/d/resize?h=40&w=100");
    expect([resized.status, resized.text, lastCall().args]).toEqual([200, "", ["d", 40, 100]]);
    expect((await post("/containers/d/resize?h=&w=1")).json).toEqual({
      message: 'invalid resize height "": invalid syntax',
    });
    expect((await post("/containers/d/resize?h=1&w=4294967296")).json).toEqual({
      message: 'invalid resize width "4294967296": value out of range',
    });
    expect((await get("/containers/d/top?ps_args=aux")).json).toEqual({
      Titles: ["PID", "CMD"],
      Processes: [["1", "aux"]],
    });
    expect((await harness.request("DELETE", "/containers/d?link=1")).status).toBe(501);
    expect((await harness.request("DELETE", "/containers/d?v=1&force=true")).status).toBe(204);
    expect(lastCall().args).toEqual(["d", { force: true, volumes: true }]);
    await post(`/containers/prune?${filters({ until: ["1h"] })}`);
    expect(lastCall().args).toEqual([new Map([["until", ["1h"]]])]);
  });

  test("parameters may come in a form", async () => {
    await post("/containers/create?name=c", { Image: "bb" });
    await harness.request("POST", "/containers/c/resize?h=1", {
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
      body: "w=7&h=2",
    });
    expect(lastCall().args).toEqual(["c", 2, 7]);
  });
});

describe("exec", () => {
  test("create checks its body", async () => {
    await post("/containers/create?name=c", { Image: "bb", Cmd: ["sleep"] });
    expect((await post("/containers/c/exec", { Cmd: ["ls"] })).status).toBe(409);
    await post("/containers/c/start");
    expect((await post("/containers/c/exec", {})).json).toEqual({ message: "No exec command specified" });
    expect((await post("/containers/c/exec", { Cmd: ["ls"], Tty: 1 })).status).toBe(400);
    expect((await post("/containers/c/exec", { Cmd: ["ls"], DetachKeys: "x-y" })).status).toBe(400);
    const created = await post("/v1.41/containers/c/exec", { Cmd: ["ls"], ConsoleSize: [1, 2], Env: ["A=b"] });
    expect(created.status).toBe(201);
    expect(lastCall().args[1]).toEqual({ Cmd: ["ls"], Env: ["A=b"] });
  });
  test("start without a client, inspect, resize", async () => {
    await post("/containers/create?name=c", { Image: "bb", Cmd: ["sleep"] });
    await post("/containers/c/start");
    const { Id } = (await post("/containers/c/exec", { Cmd: ["exit", "3"] })).json as { Id: string };
    const started = await post(`/exec/${Id}/start`, { Detach: true });
    expect([started.status, started.text]).toEqual([200, ""]);
    expect(lastCall().args[1]).toEqual({ detach: true, tty: false, size: undefined });
    expect((await get(`/exec/${Id}/json`)).json).toMatchObject({ ID: Id });
    expect((await post(`/exec/${Id}/resize?h=1&w=2`)).status).toBe(200);
    expect((await get("/exec/nope/json")).json).toEqual({ message: "No such exec instance: nope" });
  });
});

describe("images", () => {
  test("pull passes what it is given", async () => {
    const auth = Buffer.from(JSON.stringify({ username: "u", password: "p", serveraddress: "x" })).toString(
      "base64url",
    );
    await harness.request("POST", "/images/create?fromImage=a/b&tag=1&platform=linux/arm64", {
      headers: { "X-Registry-Auth": auth },
    });
    expect(lastCall().args).toEqual([
      "a/b",
      { tag: "1", platform: "linux/arm64", credentials: { username: "u", password: "p" } },
    ]);
    await post("/v1.31/images/create?fromImage=a:&platform=x");
    expect(lastCall().args).toEqual(["a", {}]);
    expect((await post("/images/create")).status).toBe(400);
    expect((await post("/images/create?fromSrc=-")).status).toBe(501);
  });

  test.each([
    [undefined, undefined],
    ["%%%", undefined],
    [Buffer.from("null").toString("base64url"), undefined],
    [Buffer.from("{}").toString("base64url"), undefined],
    [Buffer.from('{"auth":"dTpwOnE="}').toString("base64url"), { username: "u", password: "p:q" }],
    [Buffer.from('{"identitytoken":"t"}').toString("base64"), { identityToken: "t" }],
    [Buffer.from('{"registrytoken":"t","password":5}').toString("base64url"), { registryToken: "t" }],
  ])("credentials %#", (header, expected) => {
    expect(toCredentials(header)).toEqual(expected);
  });

  test("list and inspect show an older version what it knows", async () => {
    const listed = async (version: string) => ((await get(`${version}/images/json`)).json as object[])[0];
    expect(await listed("/v1.51")).toMatchObject({ RepoTags: [], Containers: 2, Descriptor: {} });
    expect(await listed("/v1.51")).not.toHaveProperty("VirtualSize");
    expect(await listed("/v1.50")).toHaveProperty("Containers", -1);
    expect(await listed("/v1.47")).not.toHaveProperty("Descriptor");
    expect(await listed("/v1.42")).toMatchObject({
      RepoTags: ["<none>:<none>"],
      RepoDigests: ["<none>@<none>"],
      VirtualSize: 5,
    });
    const inspected = async (version: string) => (await get(`${version}/images/a/json`)).json;
    expect(await inspected("/v1.51")).toMatchObject({ RepoDigests: [], Config: { Cmd: ["sh"], Env: null, User: "" } });
    expect(await inspected("/v1.51")).not.toHaveProperty("Config.Tty");
    expect(await inspected("/v1.49")).toHaveProperty("Config.Tty", false);
    expect(await inspected("/v1.44")).toHaveProperty("ContainerConfig.Cmd", null);
    expect(await inspected("/v1.43")).toMatchObject({ VirtualSize: 5, Created: "0001-01-01T00:00:00Z" });
    expect((await get("/images/absent/json")).status).toBe(404);
  });

  test("list with the filter of old", async () => {
    await get("/v1.40/images/json?filter=bb&digests=1");
    expect(lastCall().args[0]).toEqual({ all: false, digests: true, filters: new Map([["reference", ["bb"]]]) });
    await get("/v1.41/images/json?filter=bb");
    expect((lastCall().args[0] as { filters: Map<string, string[]> }).filters.size).toBe(0);
  });

  test("tag, delete, prune", async () => {
    expect((await post("/images/a/tag?repo=b&tag=c")).status).toBe(201);
    expect(lastCall().args).toEqual(["a", "b", "c"]);
    expect((await post("/images/a/tag")).status).toBe(400);
    expect((await harness.request("DELETE", "/images/a?force=1&noprune=1")).text).toBe("[]\n");
    expect(lastCall().args).toEqual(["a", { force: true, noPrune: true }]);
    expect((await harness.request("DELETE", "/images/%20")).json).toEqual({ message: "image name cannot be blank" });
    expect((await post("/images/prune")).json).toEqual({ ImagesDeleted: [], SpaceReclaimed: 0 });
  });
});

describe("volumes, networks, system", () => {
  test("volumes", async () => {
    expect((await get("/volumes")).json).toEqual({ Volumes: [], Warnings: null });
    expect((await post("/volumes/create", { Name: "v", Labels: { a: "b" } })).status).toBe(201);
    expect((await post("/volumes/create", { Name: 5 })).status).toBe(400);
    expect((await post("/volumes/create")).status).toBe(201);
    expect((await get("/volumes/x")).json).toEqual({ message: "get x: no such volume" });
    expect((await harness.request("DELETE", "/volumes/x?force=1")).status).toBe(204);
    await post("/v1.41/volumes/prune");
    expect(lastCall().args).toEqual([new Map([["all", ["true"]]])]);
    await post("/v1.42/volumes/prune");
    expect(lastCall().args).toEqual([new Map()]);
  });
  test("networks", async () => {
    expect((await get("/networks")).json).toEqual([{ Name: "bridge", Id: "1", Containers: {} }]);
    expect((await get("/v1.27/networks")).json).toEqual([{ Name: "bridge", Id: "1", Containers: { c: {} } }]);
    expect((await get("/networks/bridge")).json).toHaveProperty("Containers.c");
    expect((await get("/networks/x")).status).toBe(404);
  });
  test("info", async () => {
    expect((await get("/info")).json).toHaveProperty("Runtimes.crun.status");
    const older = (await get("/v1.43/info")).json;
    expect(older).not.toHaveProperty("Runtimes.crun.status");
    expect(older).toMatchObject({
      BridgeNfIptables: false,
      RegistryConfig: { AllowNondistributableArtifactsCIDRs: null },
    });
  });
});
