/** Who reaches a server, and how: groups, TLS, inherited sockets; and what it is told by its configuration file. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import {
  cleanEnvironment,
  describeNeeding,
  gantry,
  needing,
  program,
  type Result,
  type RunOptions,
  run,
  type Server,
  startServer,
} from "./harness/harness.ts";
import { type Home, makeHome } from "./harness/home.ts";
import { answers } from "./harness/server.ts";
import { leftovers, removeHome } from "./harness/sweep.ts";

const engine = ["root", "crun", "conmon", "nft"];

/** Flags that give a server everything of its own, its socket excepted. */
const ownFlags = (home: Home): string[] => [
  ...["--data-root", `${home.path}/data`, "--exec-root", `${home.path}/run`, "--pidfile", `${home.path}/pid`],
  ...["--bridge", home.bridge, "--cgroup-parent", home.cgroupParent, "--embedded-hub", "off"],
];

/** A start that is to fail: rejects when it goes on running. */
async function failingStart(args: string[], write?: (home: Home) => string[]): Promise<Result> {
  const home = makeHome();
  try {
    const more = write?.(home) ?? [];
    const argv = [...gantry, "daemon", "-H", `unix://${home.path}/s`, ...ownFlags(home), ...args, ...more];
    const result = await run(argv, { limit: 20_000 });
    expect(leftovers(home)).toEqual([]);
    expect(result.stderr).not.toMatch(/^ +at /m);
    return result;
  } finally {
    await removeHome(home);
  }
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, "127.0.0.1", done));
  const { port } = probe.address() as { port: number };
  await new Promise((done) => probe.close(done));
  return port;
}

/** Somebody who is not root; their groups besides their own. */
function nobody(argv: string[], groups: number[] = [], options: RunOptions = {}): Promise<Result> {
  const words = groups.length > 0 ? ["--groups", groups.join(",")] : ["--clear-groups"];
  return run([program("setpriv"), "--reuid", "65534", "--regid", "65534", ...words, "--", ...argv], {
    env: cleanEnvironment({ HOME: "/nonexistent" }),
    ...options,
  });
}

/** Gantry where everybody may execute it, whatever the folder is that it was built in. */
function readable(home: Home): string[] {
  const [executable = "", ...rest] = gantry;
  if (rest.length > 0) return gantry;
  copyFileSync(executable, join(home.path, "gantry"));
  return [join(home.path, "gantry")];
}

describeNeeding(...engine, "setpriv")("who is not root", () => {
  let server: Server;
  let own: string[];
  // One that Debian has from the start, with nobody in it.
  const [group = "", , gid] = readFileSync("/etc/group", "utf8")
    .match(/^games:.*$/m)![0]
    .split(":");
  beforeAll(async () => {
    server = await startServer({ args: ["--embedded-hub", "only", "-G", group] });
    own = readable(server.home);
  }, 60_000);
  afterAll(() => server?.cleanup(), 60_000);

  test("uses the server as a member of its group", async () => {
    expect(statSync(server.socket)).toMatchObject({ gid: Number(gid), uid: 0 });
    expect(statSync(server.socket).mode & 0o7777).toBe(0o660);
    const result = await nobody([...own, "-H", server.host, "run", "--rm", "hello-world"], [Number(gid)]);
    expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(/hello/i) });
  });

  needing("docker")("also by the stock client", async () => {
    const result = await nobody([program("docker"), "-H", server.host, "version"], [Number(gid)]);
    expect(result).toMatchObject({ code: 0, stdout: expect.stringContaining("Gantry") });
  });

  test("is refused who is none, and told why", async () => {
    const result = await nobody([...own, "-H", server.host, "ps"]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/permission denied/i);
    expect(result.stderr).toContain(server.socket);
  });

  test("cannot start a server", async () => {
    const result = await nobody([...own, "daemon", "-H", `unix://${server.home.path}/other`]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("needs root for now");
  });
});

test.skipIf(process.getuid?.() !== 0)("a group that is not there is refused", async () => {
  const result = await failingStart(["-G", "no-such-group"]);
  expect(result).toMatchObject({ code: 1 });
  expect(result.stderr).toContain("group no-such-group not found");
});

describeNeeding(...engine, "openssl")("TCP", () => {
  let home: Home;
  const keys = (name: string) => join(home.path, name);
  const openssl = async (...argv: string[]): Promise<void> => {
    const { code, stderr } = await run([program("openssl"), ...argv], { cwd: home.path });
    if (code !== 0) throw new Error(`openssl ${argv.join(" ")}: ${stderr}`);
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

  async function authority(name: string): Promise<void> {
    const files = ["-keyout", `${name}-key.pem`, "-out", `${name}.pem`];
    await openssl("req", "-x509", ...newKey, "-days", "2", "-subj", `/CN=${name}`, ...files);
  }

  async function certificate(name: string, signer: string, extension: string): Promise<void> {
    mkdirSync(keys(name));
    writeFileSync(keys(`${name}.ext`), extension);
    const request = ["-keyout", `${name}/key.pem`, "-out", `${name}/request.pem`];
    await openssl("req", ...newKey, "-subj", `/CN=${name}`, ...request);
    const signing = ["-CA", `${signer}.pem`, "-CAkey", `${signer}-key.pem`, "-CAcreateserial", "-days", "2"];
    const files = ["-in", `${name}/request.pem`, "-out", `${name}/cert.pem`, "-extfile", `${name}.ext`];
    await openssl("x509", "-req", ...files, ...signing);
    copyFileSync(keys("authority.pem"), keys(`${name}/ca.pem`));
  }

  beforeAll(async () => {
    home = makeHome();
    await authority("authority");
    await authority("stranger");
    await certificate("server", "authority", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n");
    await certificate("client", "authority", "extendedKeyUsage=clientAuth\n");
    await certificate("impostor", "stranger", "extendedKeyUsage=clientAuth\n");
  }, 60_000);
  afterAll(() => removeHome(home));

  const serverFlags = () => [
    ...["--tlsverify", "--tlscacert", keys("authority.pem")],
    ...["--tlscert", keys("server/cert.pem"), "--tlskey", keys("server/key.pem")],
  ];

  describe("with TLS and certificates of the clients", () => {
    let server: Server;
    let host: string;
    beforeAll(async () => {
      host = `tcp://127.0.0.1:${await freePort()}`;
      server = await startServer({ args: ["-H", host, "--embedded-hub", "only", ...serverFlags()] });
    }, 60_000);
    afterAll(() => server?.cleanup(), 60_000);

    const clients: [name: string, argv: () => string[]][] = [["gantry", () => gantry]];
    clients.push(["docker", () => [program("docker")]]);
    for (const [name, argv] of clients) {
      describeNeeding(...(name === "docker" ? ["docker"] : []))(name, () => {
        const environment = (folder: string, more: Record<string, string> = {}) =>
          cleanEnvironment({ HOME: home.path, DOCKER_CERT_PATH: keys(folder), DOCKER_HOST: host, ...more });

        test("works with one, by flags", async () => {
          const files = ["--tlscacert", keys("client/ca.pem"), "--tlscert", keys("client/cert.pem")];
          const flags = ["-H", host, "--tlsverify", ...files, "--tlskey", keys("client/key.pem")];
          const result = await run([...argv(), ...flags, "run", "--rm", "hello-world"], { env: environment("none") });
          expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(/hello/i) });
        });

        test("works with one, by the environment", async () => {
          const env = environment("client", { DOCKER_TLS_VERIFY: "1" });
          const result = await run([...argv(), "run", "--rm", "-i", "hello-world"], { env });
          expect(result).toMatchObject({ code: 0, stdout: expect.stringMatching(/hello/i) });
        });

        test("is refused without one", async () => {
          const flags = ["-H", host, "--tlsverify", "--tlscacert", keys("client/ca.pem")];
          mkdirSync(keys(`none-${name}`));
          const result = await run([...argv(), ...flags, "ps"], { env: environment(`none-${name}`) });
          expect(result.code).not.toBe(0);
          expect(result.stdout).toBe("");
        });

        test("is refused with one that another authority signed", async () => {
          const env = environment("impostor", { DOCKER_TLS_VERIFY: "1" });
          const result = await run([...argv(), "ps"], { env });
          expect(result.code).not.toBe(0);
          expect(result.stdout).toBe("");
        });

        test("is refused without TLS", async () => {
          const result = await run([...argv(), "ps"], {
            env: cleanEnvironment({ HOME: home.path, DOCKER_HOST: host }),
          });
          expect(result.code).not.toBe(0);
          expect(result.stdout).toBe("");
        });

        test("refuses a server that is somebody else", async () => {
          const files = ["--tlscacert", keys("stranger.pem"), "--tlscert", keys("client/cert.pem")];
          const flags = ["-H", host, "--tlsverify", ...files, "--tlskey", keys("client/key.pem")];
          const result = await run([...argv(), ...flags, "ps"], { env: environment("none") });
          expect(result.code).not.toBe(0);
          expect(result.stdout).toBe("");
          expect(result.stderr).toMatch(/certificate/i);
        });
      });
    }

    test("its handshakes' failures do no harm", async () => {
      expect((await server.request("/_ping")).status).toBe(200);
    });
  });

  test("without TLS is refused", async () => {
    const result = await failingStart(["-H", `tcp://127.0.0.1:${await freePort()}`]);
    expect(result).toMatchObject({ code: 1 });
    for (const word of ["without TLS", "--tlsverify", "--tls=false"]) expect(result.stderr).toContain(word);
  });

  test("without TLS works when --tls=false says so, with a warning", async () => {
    const port = await freePort();
    const server = await startServer({ args: ["-H", `tcp://127.0.0.1:${port}`, "--tls=false"] });
    try {
      expect(await (await fetch(`http://127.0.0.1:${port}/_ping`)).text()).toBe("OK");
      expect(server.log()).toMatch(/level=warn.*open to everyone/);
      const result = await run([...gantry, "-H", `127.0.0.1:${port}`, "ps", "-q"]);
      expect(result).toEqual({ code: 0, stdout: "", stderr: "" });
    } finally {
      await server.cleanup();
    }
  });

  test("is refused on a port that is taken", async () => {
    const taken = createServer();
    await new Promise<void>((done) => taken.listen(0, "127.0.0.1", done));
    try {
      const host = `tcp://127.0.0.1:${(taken.address() as { port: number }).port}`;
      const result = await failingStart(["-H", host, "--tls=false"]);
      expect(result).toMatchObject({ code: 1 });
      expect(result.stderr).toContain(`cannot listen on ${host}`);
      expect(result.stderr).toMatch(/address already in use|EADDRINUSE/);
    } finally {
      taken.close();
    }
  });

  test("is refused with keys that are not there, or are none", async () => {
    const host = `tcp://127.0.0.1:${await freePort()}`;
    const files = (cert: string, key: string) => ["-H", host, "--tls", "--tlscert", cert, "--tlskey", key];
    const missing = await failingStart(files(keys("server/cert.pem"), "/nowhere/key.pem"));
    expect(missing).toMatchObject({ code: 1 });
    expect(missing.stderr).toContain("/nowhere/key.pem");
    const wrong = await failingStart(files(keys("server/cert.pem"), keys("client/key.pem")));
    expect(wrong).toMatchObject({ code: 1 });
    expect(wrong.stderr).toContain(`cannot listen on ${host}`);
  });
});

describeNeeding(...engine, "perl")("sockets that systemd hands over", () => {
  let home: Home;
  let child: Bun.Subprocess | undefined;
  afterEach(async () => {
    child?.kill("SIGTERM");
    await child?.exited;
    child = undefined;
    expect(leftovers(home)).toEqual([]);
    await removeHome(home);
  });

  /** What systemd does: binds, listens, names the descriptor, and becomes the server (sd_listen_fds(3)). */
  const launcher = `
    use POSIX; use Socket; $^F = 100;
    my ($path, $closed, $count, @command) = @ARGV;
    socket(my $socket, PF_UNIX, SOCK_STREAM, 0) or die; bind($socket, pack_sockaddr_un($path)) or die;
    listen($socket, 128) or die; POSIX::dup2(fileno($socket), 3) unless fileno($socket) == 3;
    if ($closed) { POSIX::close($_) for 0, 1, 2 }
    if ($count) { $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = $count }
    exec @command;
  `;

  function launch(closed: boolean, count = 1): string {
    home = makeHome();
    const socket = join(home.path, "s");
    const command = [...gantry, "daemon", "-H", "fd://", ...ownFlags(home)];
    child = Bun.spawn([program("perl"), "-e", launcher, socket, closed ? "1" : "", String(count), ...command], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
      env: cleanEnvironment(),
      cwd: "/",
    });
    return socket;
  }

  for (const closed of [false, true]) {
    test(`are used, with descriptors 0 to 2 ${closed ? "closed" : "open"}`, async () => {
      const socket = launch(closed);
      await answers(socket, child!.exited, 20_000);
      const client = (argv: string[]) => run([...gantry, "-H", `unix://${socket}`, ...argv]);
      expect(await client(["version", "--format", "{{.Server.ApiVersion}}"])).toMatchObject({ code: 0 });
      expect(await client(["ps", "-q"])).toEqual({ code: 0, stdout: "", stderr: "" });
      // Nothing of the server's own may lie where its log is written.
      const where = [0, 1, 2].map((descriptor) => readlinkSync(`/proc/${child!.pid}/fd/${descriptor}`));
      if (closed) expect(where).toEqual(["/dev/null", "/dev/null", "/dev/null"]);
      child!.kill("SIGTERM");
      expect(await child!.exited).toBe(0);
      // It is systemd's: the next connection shall start the next server.
      expect(statSync(socket).isSocket()).toBe(true);
    });
  }

  test("are missed when none came", async () => {
    launch(false, 0);
    expect(await child!.exited).toBe(1);
    expect(await new Response(child!.stderr as ReadableStream).text()).toContain("systemd handed no socket over");
  });
});

describeNeeding(...engine)("the configuration file", () => {
  test("sets what flags set", async () => {
    const home = makeHome();
    const file = join(home.path, "daemon.json");
    const content = {
      debug: true,
      labels: ["colour=blue"],
      mtu: 1400,
      "registry-mirrors": ["http://127.0.0.1:1"],
      "insecure-registries": ["registry.example:5000"],
      "default-address-pools": [{ base: "10.214.0.0/16", size: 28 }],
      "live-restore": false,
      "embedded-hub": "only",
      "max-concurrent-downloads": 2,
    };
    writeFileSync(file, JSON.stringify(content));
    let server: Server | undefined;
    try {
      server = await startServer({ args: ["--config-file", file] });
      expect((await (await server.request("/info")).json()) as object).toMatchObject({
        Debug: true,
        Labels: ["colour=blue"],
        LiveRestoreEnabled: false,
        EmbeddedHub: "only",
        RegistryConfig: { Mirrors: ["http://127.0.0.1:1"] },
        DefaultAddressPools: [{ Base: "10.214.0.0/16", Size: 28 }],
      });
      const [bridge] = (await (await server.request("/networks?filters={%22name%22:[%22bridge%22]}")).json()) as {
        IPAM: { Config: { Subnet: string }[] };
        Options: Record<string, string>;
      }[];
      expect(bridge!.IPAM.Config[0]!.Subnet).toMatch(/^10\.214\.\d+\.\d+\/28$/);
      expect(bridge!.Options["com.docker.network.driver.mtu"]).toBe("1400");
      expect(server.log()).toContain("level=debug");
    } finally {
      await server?.cleanup();
      await removeHome(home);
    }
  });

  const bad: [what: string, content: string, args: string[], words: string[]][] = [
    ["a key that nobody knows", '{"registry-mirror": []}', [], ["registry-mirror", "daemon.json"]],
    ["a value of the wrong type", '{"mtu": "1400"}', [], ["mtu", '"1400"', "number"]],
    ["a value that cannot be", '{"bip": "10.0.0.1"}', [], ["bip", '"10.0.0.1"']],
    ["a thing that a flag says too", '{"mtu": 1400}', ["--mtu", "1400"], ["mtu", "both as a flag and"]],
    ["a list that a flag begins", '{"labels": ["a=b"]}', ["--label", "c=d"], ["labels", "both as a flag and"]],
    ["what is not JSON", "{mtu: 1400}", [], ["daemon.json", "JSON"]],
    ["what is no object", "[1]", [], ["daemon.json", "not a JSON object"]],
    ["a mirror that is none", '{"registry-mirrors": ["ftp://x"]}', [], ["ftp://x", "mirror"]],
  ];
  for (const [what, content, args, words] of bad) {
    test(`is refused with ${what}`, async () => {
      const result = await failingStart(args, (home) => {
        writeFileSync(join(home.path, "daemon.json"), content);
        return ["--config-file", join(home.path, "daemon.json")];
      });
      expect(result.code).not.toBe(0);
      expect(result.stdout).toBe("");
      for (const word of words) expect(result.stderr).toContain(word);
    });
  }

  test("is missed when it was named and is not there", async () => {
    const result = await failingStart(["--config-file", "/nowhere/daemon.json"]);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain("/nowhere/daemon.json");
  });
});
