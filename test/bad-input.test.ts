/** What the API refuses: with 400 and the value, nothing half-made, and the server goes on. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { describeNeeding, engineNeeds, eventually, type Lab, type Server, startLab } from "./harness/harness.ts";

describeNeeding(...engineNeeds)("the API", () => {
  let lab: Lab;
  let server: Server;
  let pid: number | undefined;
  beforeAll(async () => {
    lab = await startLab({ args: ["--supervisor-pool", "0"] });
    ({ server } = lab);
    pid = server.pid;
  }, 60_000);
  afterAll(async () => {
    await lab?.cleanup();
  }, 60_000);

  afterEach(async () => {
    // What one test let through shall not fail the others.
    const all = (await (await server.request("/containers/json?all=1")).json()) as { Id: string }[];
    for (const { Id } of all) await raw(server, "DELETE", `/containers/${Id}?force=1&v=1`);
    const { Volumes } = (await (await server.request("/volumes")).json()) as { Volumes: { Name: string }[] };
    for (const { Name } of Volumes) await raw(server, "DELETE", `/volumes/${Name}`);
  });

  /** What a container that was begun and not finished would have left, here or there. */
  function made(): string[] {
    const folders = [join(server.dataRoot, "containers"), join(server.dataRoot, "volumes")];
    folders.push(join(server.dataRoot, "snapshots/snapshots"), join(server.execRoot, "runtime/bundles"));
    return folders.flatMap((folder) =>
      existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [],
    );
  }

  async function nothingMade(): Promise<void> {
    const all = await server.request("/containers/json?all=1");
    expect(await all.json()).toEqual([]);
    expect(await (await server.request("/volumes")).json()).toMatchObject({ Volumes: [] });
    // Folders go behind the answer.
    await eventually(() => expect(made()).toEqual([]));
    expect(server.pid).toBe(pid!);
  }

  const send = (path: string, body: unknown, method = "POST"): Promise<Response> =>
    server.request(path, {
      method,
      headers: { "Content-Type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });

  async function refused(answer: Response, words: string | RegExp, status = 400): Promise<void> {
    const text = await answer.text();
    expect(`${answer.status} ${text}`).toStartWith(`${status} {"message":`);
    const { message } = JSON.parse(text) as { message: string };
    if (typeof words === "string") expect(message).toContain(words);
    else expect(message).toMatch(words);
    // Neither our paths nor our stack are anybody's business.
    expect(message).not.toMatch(/\.ts\b|\$bunfs|^ *at /m);
  }

  describe("a body", () => {
    const bodies: [what: string, body: string, words: string | RegExp][] = [
      ["cut off", '{"Image": "x"', /invalid JSON/],
      ["of words", "hello", /invalid JSON/],
      ["of nothing", "", /EOF|empty/],
      ["of blanks", "  \n ", /EOF/],
      ["that is null", "null", "Config cannot be empty"],
      ["that is a list", "[]", "expected an object, got []"],
      ["that is a string", '"x"', 'expected an object, got "x"'],
      ["with two documents", '{"Image":"x"}{"Image":"y"}', /invalid JSON/],
      ["that nests without end", `${"[".repeat(2_000_000)}`, /invalid JSON/],
      ["that nests deep", `{"Image":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, /Image|invalid JSON/],
      ["of seventeen megabytes", JSON.stringify({ Image: "x".repeat(17 << 20) }), "larger than"],
    ];
    for (const [what, body, words] of bodies) {
      test(`${what} is refused`, async () => {
        await refused(await send("/containers/create", body), words);
        await nothingMade();
      });
    }

    test("that does not call itself JSON is refused", async () => {
      const answer = await server.request("/containers/create", {
        method: "POST",
        headers: { "Content-Type": "text/plain" },
        body: "{}",
      });
      await refused(answer, "unsupported Content-Type header (text/plain)");
    });
  });

  /** Fields of POST /containers/create, each wrong in itself; the image is there. */
  const fields: [what: string, request: Record<string, unknown>, words: string | RegExp, status?: number][] = [
    ["an image that is a number", { Image: 5 }, "Image: expected a string, got 5"],
    ["an empty image", { Image: "" }, "image"],
    ["an image in capitals", { Image: "case/UPPER" }, "case/UPPER"],
    ["an image with a blank", { Image: "a b" }, "a b"],
    ["an image that is a path", { Image: "../../etc/passwd" }, "../../etc/passwd"],
    ["an image of 300 letters", { Image: "x".repeat(300) }, /x{100}|invalid reference|must not be more than 255/],
    ["an image that is not there", { Image: "no-such:1" }, "No such image: no-such:1", 404],
    ["a command that is a number", { Cmd: 5 }, "Cmd: expected a list, got 5"],
    ["a command with a number", { Cmd: ["a", 5] }, "Cmd[1]: expected a string, got 5"],
    ["an environment that is a string", { Env: "A=b" }, 'Env: expected a list, got "A=b"'],
    ["a variable without a name", { Env: ["=x"] }, "invalid environment variable: =x"],
    ["an empty variable", { Env: [""] }, "invalid environment variable"],
    ["a variable with a NUL", { Env: ["A=b\0c"] }, "A=b\\u0000c"],
    ["labels with a number", { Labels: { a: 5 } }, 'Labels["a"]: expected a string, got 5'],
    ["a terminal that is a string", { Tty: "yes" }, 'Tty: expected true or false, got "yes"'],
    ["a host name with a blank", { Hostname: "a b" }, "a b"],
    ["a working directory that is relative", { WorkingDir: "a/b" }, "a/b"],
    ["a stop signal that nobody knows", { StopSignal: "SIGNOPE" }, "SIGNOPE"],
    ["a stop timeout before now", { StopTimeout: -5 }, "-5"],
    ["exposed ports as a list", { ExposedPorts: ["80"] }, "ExposedPorts: expected an object"],
    ["an exposed port of six digits", { ExposedPorts: { "999999/tcp": {} } }, "999999"],
    ["an exposed port of letters", { ExposedPorts: { "http/tcp": {} } }, "http"],
    ["an exposed port of no protocol", { ExposedPorts: { "80/xyz": {} } }, /80\/xyz|xyz/],
    ["a MAC address that is none", { MacAddress: "zz:00:00:00:00:00" }, "zz:00:00:00:00:00"],
    ["a path as an anonymous volume that is relative", { Volumes: { "a/b": {} } }, "a/b"],
  ];

  /** The same for its HostConfig. */
  const host: [what: string, config: unknown, words: string | RegExp, status?: number][] = [
    ["a list", [], "HostConfig: expected an object, got []"],
    ["memory in words", { Memory: "1g" }, 'HostConfig.Memory: expected a whole number, got "1g"'],
    ["a fraction of memory", { Memory: 1.5 }, "HostConfig.Memory: expected a whole number, got 1.5"],
    ["more memory than a number", '{"Memory": 1e300}', "HostConfig.Memory"],
    ["hardly any memory", { Memory: 1024 }, "Minimum memory limit allowed is 6MB"],
    ["negative memory", { Memory: -5 }, /Memory|memory/],
    ["less swap than memory", { Memory: 64 << 20, MemorySwap: 1 << 20 }, "memoryswap"],
    ["swappiness over a hundred", { MemorySwappiness: 101 }, "101"],
    ["a negative share", { CpuShares: -1 }, /shares|-1/i],
    ["negative processors", { NanoCpus: -1 }, /CPU|-1/i],
    ["a thousand processors", { NanoCpus: 1000e9 }, /CPUs|cpus/],
    ["a tiny quota", { CpuQuota: 1 }, /quota/i],
    ["processors in words", { CpusetCpus: "a-b" }, "a-b"],
    ["processors that are not there", { CpusetCpus: "4000" }, "4000"],
    ["a weight of five", { BlkioWeight: 5 }, /blkio weight|5/i],
    ["an OOM score that is too high", { OomScoreAdj: 5000 }, "5000"],
    ["negative shared memory", { ShmSize: -1 }, /SHM|shm|-1/],
    ["a limit that nobody knows", { Ulimits: [{ Name: "nope", Soft: 1, Hard: 1 }] }, "nope"],
    ["a limit over its own bound", { Ulimits: [{ Name: "nofile", Soft: 10, Hard: 5 }] }, /nofile|soft/],
    ["a capability that nobody knows", { CapAdd: ["CAP_NOPE"] }, "CAP_NOPE"],
    ["a security option that nobody knows", { SecurityOpt: ["frob=1"] }, "frob"],
    ["a seccomp profile that is none", { SecurityOpt: ["seccomp={"] }, /seccomp/],
    ["a kernel setting of the host", { Sysctls: { "kernel.sysrq": "1" } }, "kernel.sysrq"],
    ["a restart policy that nobody knows", { RestartPolicy: { Name: "sometimes" } }, "sometimes"],
    ["negative retries", { RestartPolicy: { Name: "on-failure", MaximumRetryCount: -1 } }, /negative|-1/],
    ["a log driver that nobody knows", { LogConfig: { Type: "frob" } }, "frob"],
    ["a runtime that nobody knows", { Runtime: "frob" }, "frob"],
    ["a network that is not there", { NetworkMode: "no-such" }, "network no-such not found"],
    [
      "the network of a container that is not there",
      { NetworkMode: "container:no-such" },
      "No such container: no-such",
    ],
    ["the processes of a container that is not there", { PidMode: "container:no-such" }, "no-such"],
    ["an IPC mode that nobody knows", { IpcMode: "frob" }, "frob"],
    ["a PID mode that nobody knows", { PidMode: "frob" }, "frob"],
    ["a UTS mode that nobody knows", { UTSMode: "frob" }, "frob"],
    ["a cgroup mode that nobody knows", { CgroupnsMode: "frob" }, "frob"],
    ["a DNS server that is none", { Dns: ["frob"] }, "frob"],
    ["a host without an address", { ExtraHosts: ["frob"] }, "frob"],
    ["a host with a bad address", { ExtraHosts: ["a:1.2.3.400"] }, "1.2.3.400"],
    ["port bindings as a list", { PortBindings: [] }, "HostConfig.PortBindings: expected an object"],
    ["a port binding as a string", { PortBindings: { "80/tcp": "8080" } }, 'expected a list, got "8080"'],
    ["a bound port of six digits", { PortBindings: { "80/tcp": [{ HostPort: "999999" }] } }, "999999"],
    ["a bound port of letters", { PortBindings: { "80/tcp": [{ HostPort: "http" }] } }, "http"],
    ["a range backwards", { PortBindings: { "80/tcp": [{ HostPort: "90-80" }] } }, "90-80"],
    ["a host address that is none", { PortBindings: { "80/tcp": [{ HostIp: "1.2.3", HostPort: "1" }] } }, "1.2.3"],
    ["a container port of zero", { PortBindings: { "0/tcp": [{}] } }, "0/tcp"],
    ["a bind with three colons", { Binds: ["/a:/b:ro:x"] }, "/a:/b:ro:x"],
    ["a bind to a relative path", { Binds: ["/a:b"] }, "b"],
    ["a bind to /", { Binds: ["/a:/"] }, "destination can't be '/'"],
    ["a bind to / by a detour", { Binds: ["/a:/b/.."] }, "destination can't be '/'"],
    ["a bind in a mode that nobody knows", { Binds: ["/a:/b:frob"] }, "frob"],
    ["a bind without a source", { Binds: [":/b"] }, ":/b"],
    ["a volume with a bad name", { Binds: ["a b:/x"] }, "a b"],
    ["a volume with a path for its name", { Binds: ["../x:/x"] }, "../x"],
    ["two mounts in one place", { Binds: ["/tmp:/x", "/etc:/x"] }, "Duplicate mount point: /x"],
    ["a mount of a kind that nobody knows", { Mounts: [{ Type: "frob", Target: "/x" }] }, "frob"],
    ["a mount without a target", { Mounts: [{ Type: "volume" }] }, "Target"],
    ["a mount of nothing", { Mounts: [{ Type: "bind", Source: "/no/such/thing", Target: "/x" }] }, "/no/such/thing"],
    [
      "a volume, and then a mount of nothing",
      {
        Mounts: [
          { Type: "volume", Source: "half", Target: "/v" },
          { Type: "volume", Target: "/anonymous" },
          { Type: "bind", Source: "/no/such/thing", Target: "/x" },
        ],
      },
      "/no/such/thing",
    ],
    ["a tmpfs with an option that nobody knows", { Tmpfs: { "/x": "frob=1" } }, "frob"],
    ["a tmpfs in words", { Tmpfs: { "/x": "size=large,huge" } }, "huge"],
    [
      "a device in a list of strings",
      { Devices: ["/dev/null"] },
      'HostConfig.Devices[0]: expected an object, got "/dev/null"',
    ],
    [
      "a device with rights that nobody knows",
      { Devices: [{ PathOnHost: "/dev/null", PathInContainer: "/dev/x", CgroupPermissions: "xyz" }] },
      "xyz",
    ],
    ["a rule of devices that is none", { DeviceCgroupRules: ["frob"] }, "frob"],
    ["a group that is no word", { GroupAdd: [5] }, "GroupAdd[0]"],
  ];

  describe("POST /containers/create refuses", () => {
    for (const [what, request, words, status] of fields) {
      test(what, async () => {
        await refused(await send("/containers/create", { Image: lab.image, ...request }), words, status);
        await nothingMade();
      });
    }
    for (const [what, config, words, status] of host) {
      test(`as HostConfig ${what}`, async () => {
        const text = typeof config === "string" ? config : JSON.stringify(config);
        const body = `{"Image":${JSON.stringify(lab.image)},"HostConfig":${text}}`;
        await refused(await send("/containers/create", body), words, status);
        await nothingMade();
      });
    }
    for (const name of ["a", "-ab", "a b", "../x", "a/b", "ä", "a\nb", "a\0b"]) {
      test(`the name ${JSON.stringify(name.slice(0, 10))}`, async () => {
        const answer = await send(`/containers/create?name=${encodeURIComponent(name)}`, { Image: lab.image });
        await refused(answer, /name/i);
        await nothingMade();
      });
    }
  });

  describe("without a body, refuses", () => {
    const long = "x".repeat(5000);
    const requests: [method: string, path: string, words: string | RegExp, status?: number][] = [
      ["GET", "/containers/json?limit=many", "many"],
      ["GET", "/containers/json?filters={", "{"],
      ["GET", "/containers/json?filters=[]", "[]"],
      ["GET", '/containers/json?filters={"status":[5]}', "5"],
      ["GET", '/containers/json?filters={"frob":["x"]}', "frob"],
      ["GET", '/containers/json?filters={"status":["frob"]}', "frob"],
      ["GET", '/containers/json?filters={"exited":["x"]}', "x"],
      ["GET", "/containers/no-such/json", "No such container: no-such", 404],
      ["GET", "/containers/a%00b/json", /a/, 404],
      ["GET", `/containers/${long}/json`, "No such container", 404],
      ["POST", "/containers/no-such/start", "No such container: no-such", 404],
      ["POST", "/containers/no-such/stop?t=soon", "soon"],
      ["POST", "/containers/no-such/resize?h=a&w=b", '"a"'],
      ["POST", "/containers/no-such/wait?condition=frob", "frob"],
      ["GET", "/containers/no-such/logs", "you must choose at least one stream"],
      ["GET", "/containers/no-such/logs?stdout=1&since=yesterday", "yesterday"],
      ["POST", "/containers/no-such/attach?detachKeys=ctrl-", "ctrl-"],
      ["DELETE", "/containers/no-such", "No such container: no-such", 404],
      ["POST", "/images/create", "fromImage"],
      ["POST", "/images/create?fromImage=UPPER", "invalid reference format"],
      ["POST", "/images/create?fromImage=a:b:c", "invalid reference format"],
      ["POST", "/images/create?fromImage=a&tag=b/c", "invalid reference format"],
      ["POST", "/images/create?fromImage=a&tag=sha256:xyz", /invalid|digest/],
      ["POST", "/images/create?fromImage=a&platform=a/b/c/d", "a/b/c/d"],
      ["POST", `/images/create?fromImage=${long}`, /invalid|more than 255/],
      ["GET", "/images/no-such/json", "No such image: no-such:latest", 404],
      ["GET", "/images/UPPER/json", "UPPER"],
      ["POST", "/images/no-such/tag?repo=x", "No such image: no-such:latest", 404],
      ["DELETE", "/images/%20", "image name cannot be blank"],
      ["GET", '/images/json?filters={"frob":["x"]}', "frob"],
      ["GET", '/images/json?filters={"dangling":["perhaps"]}', "perhaps"],
      ["GET", '/images/json?filters={"until":["someday"]}', "someday"],
      ["POST", '/images/prune?filters={"frob":["x"]}', "frob"],
      ["POST", '/containers/prune?filters={"frob":["x"]}', "frob"],
      ["POST", '/volumes/prune?filters={"frob":["x"]}', "frob"],
      ["GET", '/volumes?filters={"frob":["x"]}', "frob"],
      ["GET", "/volumes/no-such", "no-such", 404],
      ["GET", '/networks?filters={"frob":["x"]}', "frob"],
      ["GET", "/networks/no-such", "no-such", 404],
      ["GET", "/events?since=yesterday", "yesterday"],
      ["GET", "/events?until=0&filters={", "{"],
      ["POST", "/exec/no-such/start", "No such exec instance: no-such", 404],
      ["GET", "/v1.23/info", "client version 1.23 is too old"],
      ["GET", "/v1.99/info", "client version 1.99 is too new"],
      ["GET", "/vfrob/info", "page not found", 404],
      ["GET", "/frob", "page not found", 404],
      ["DELETE", "/info", "page not found", 404],
      ["GET", "/containers/%zz/json", "%zz"],
    ];
    for (const [method, path, words, status] of requests) {
      test(`${method} ${path.slice(0, 60)}`, async () => {
        await refused(await raw(server, method, path), words, status);
        await nothingMade();
      });
    }
  });

  describe("with a body, refuses", () => {
    const requests: [path: string, body: unknown, words: string | RegExp, status?: number][] = [
      ["/volumes/create", { Name: "a b" }, "a b"],
      ["/volumes/create", { Name: "../x" }, "../x"],
      ["/volumes/create", { Name: "x" }, "volume name is too short"],
      ["/volumes/create", { Name: "x".repeat(300) }, /xxx/],
      ["/volumes/create", { Name: 5 }, "Name: expected a string, got 5"],
      ["/volumes/create", { Name: "good", Driver: "frob" }, "frob", 404],
      ["/volumes/create", { Name: "good", Labels: [] }, "Labels: expected an object"],
      ["/containers/no-such/exec", { Cmd: [] }, "No exec command specified"],
      ["/containers/no-such/exec", { Cmd: ["a"], DetachKeys: "ctrl-" }, "ctrl-"],
      ["/containers/no-such/exec", { Cmd: ["a"], ConsoleSize: [1] }, "ConsoleSize"],
      ["/containers/no-such/exec", { Cmd: ["a"] }, "No such container: no-such", 404],
      ["/exec/no-such/start", { Detach: "yes" }, 'Detach: expected true or false, got "yes"'],
    ];
    for (const [path, body, words, status] of requests) {
      test(`${path} ${JSON.stringify(body).slice(0, 60)}`, async () => {
        await refused(await send(path, body), words, status);
        await nothingMade();
      });
    }
  });

  test("a running container and its exec take no bad values, and go on", async () => {
    const started = await server.cli(["run", "-d", "--name", "up", lab.image, "sleep", "1000"]);
    expect(started.code).toBe(0);
    const post = (path: string) => raw(server, "POST", `/containers/up/${path}`);
    await refused(await post("kill?signal=SIGNOPE"), "SIGNOPE");
    await refused(await post("kill?signal=999"), "999");
    await refused(await post("stop?signal=frob"), "frob");
    await refused(await post("rename?name=a%20b"), "a b");
    await refused(await post("rename?name="), /name|empty/i);
    await refused(await raw(server, "GET", "/containers/up/top?ps_args=--frob"), /frob|ps/, 500).catch(async () => {
      await refused(await raw(server, "GET", "/containers/up/top?ps_args=--frob"), /frob|ps/);
    });
    await refused(await send("/containers/up/exec", { Cmd: ["a"], Env: ["=x"] }), "=x");
    await refused(await send("/containers/up/exec", { Cmd: ["a"], WorkingDir: "relative" }), "relative");
    await refused(
      await send("/containers/create?name=up", { Image: lab.image }),
      'The container name "/up" is already in use',
      409,
    );
    expect(await server.cli(["exec", "up", "echo", "on"])).toMatchObject({ code: 0, stdout: "on\n" });
    await server.cli(["rm", "-f", "up"]);
    await nothingMade();
  });

  test("what is no HTTP at all ends its connection and nothing else", async () => {
    const says = [
      "\0\0\0\0\r\n\r\n",
      "hello\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
      "POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      `GET /${"x".repeat(2 << 20)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    ];
    for (const text of says) {
      const answer = await new Promise<string>((resolve) => {
        let got = "";
        const socket = connect(server.socket, () => socket.write(text));
        socket.on("data", (data) => {
          got += data.toString();
        });
        socket.on("error", () => {});
        socket.on("close", () => resolve(got));
      });
      expect(answer).toMatch(/^HTTP\/1\.1 (4\d\d|505) |^$/);
    }
    await nothingMade();
  });

  test("two containers that want the same new volume get it", async () => {
    const create = () =>
      send("/containers/create", { Image: lab.image, HostConfig: { Binds: ["shared:/data"] } }).then((one) =>
        one.json(),
      );
    const both = (await Promise.all([create(), create(), create()])) as { Id?: string; message?: string }[];
    for (const one of both) expect(one.message).toBeUndefined();
    for (const { Id } of both) await raw(server, "DELETE", `/containers/${Id}?v=1`);
    expect((await raw(server, "DELETE", "/volumes/shared")).status).toBe(204);
    await nothingMade();
  });

  test("and still runs containers", async () => {
    expect(await server.cli(["run", "--rm", lab.image, "echo", "well"])).toMatchObject({ code: 0, stdout: "well\n" });
  });
});

/** The path as it is: fetch would mend it. */
function raw(server: Server, method: string, path: string): Promise<Response> {
  return new Promise((resolve, reject) => {
    let got = Buffer.alloc(0);
    const target = path.replace(/[ "{}[\]]/g, (one) => `%${one.charCodeAt(0).toString(16).padStart(2, "0")}`);
    const socket = connect(server.socket, () =>
      socket.write(`${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`),
    );
    socket.on("data", (data: Buffer) => {
      got = Buffer.concat([got, data]);
    });
    socket.on("error", reject);
    socket.on("close", () => {
      const text = got.toString();
      const end = text.indexOf("\r\n\r\n");
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);
      if (!status) return reject(new Error(`no answer: ${JSON.stringify(text)}`));
      const body = text.slice(end + 4);
      const empty = status === 204 || status === 304;
      // What is chunked here came in one chunk.
      const chunked = /transfer-encoding: chunked/i.test(text.slice(0, end));
      resolve(
        new Response(empty ? null : chunked ? body.replace(/^[0-9a-f]+\r\n|\r\n0\r\n\r\n$/g, "") : body, { status }),
      );
    });
  });
}
