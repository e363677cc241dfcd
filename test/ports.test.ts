/** Published ports: from the host, from another one, from containers; taken, freed, and through the server's death. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { createServer } from "node:net";
import { resolve } from "node:path";
import {
  type Client,
  cleanEnvironment,
  clients,
  describeNeeding,
  engineNeeds,
  type Lab,
  program,
  run,
  type Server,
  startLab,
} from "./harness/harness.ts";

/** Listens, or asks a listener, in whichever network namespace it is started. */
const peer = [process.execPath, resolve(import.meta.dir, "../src/network/lab/peer.ts")];

/** Programs in the network of a process; undefined is this machine's. */
function networkOf(pid: number | undefined) {
  const enter = pid === undefined ? [] : [program("nsenter"), "--target", String(pid), "--net", "--"];
  return {
    async serve(protocol: "tcp" | "udp", port: number, text: string): Promise<{ end(): Promise<void> }> {
      const argv = [...enter, ...peer, "serve", protocol, "0.0.0.0", String(port), text];
      const child = Bun.spawn(argv, { stdin: "ignore", stdout: "pipe", stderr: "inherit", env: cleanEnvironment() });
      const { value } = await child.stdout.getReader().read();
      if (new TextDecoder().decode(value) !== "ready\n") throw new Error(`nothing listens on ${protocol} ${port}`);
      return {
        async end() {
          child.kill("SIGKILL");
          await child.exited;
        },
      };
    },
    /** What the listener says: its text and whom it sees; `nothing` after a second of silence; or the error's code. */
    async ask(protocol: "tcp" | "udp", address: string, port: number): Promise<string> {
      return (await run([...enter, ...peer, "ask", protocol, address, String(port)])).stdout.trim();
    },
  };
}

type Network = ReturnType<typeof networkOf>;

/** Another host on a cable of its own, in a network namespace that goes with its process. */
async function anotherHost(
  id: string,
): Promise<{ near: string; far: string; route(to: string): Promise<void>; network: Network; end(): Promise<void> }> {
  const child = Bun.spawn([program("unshare"), "--net", "sh", "-c", "echo ready; exec sleep infinity"], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  await child.stdout.getReader().read();
  const octets = [Number.parseInt(id.slice(0, 2), 16), Number.parseInt(id.slice(2, 4), 16) & 0xfc];
  const [near, far] = [1, 2].map((last) => `198.${18 + (octets[0]! & 1)}.${octets[0]}.${octets[1]! + last}`) as [
    string,
    string,
  ];
  const ip = async (...words: string[]): Promise<void> => {
    const { code, stderr } = await run([program("ip"), ...words]);
    if (code !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr}`);
  };
  const there = (...words: string[]) =>
    run([program("nsenter"), "--target", String(child.pid), "--net", "--", program("ip"), ...words]);
  await ip("link", "add", `gt${id}h`, "type", "veth", "peer", "name", "cable", "netns", String(child.pid));
  await ip("address", "add", `${near}/30`, "dev", `gt${id}h`);
  await ip("link", "set", `gt${id}h`, "up");
  await there("address", "add", `${far}/30`, "dev", "cable");
  await there("link", "set", "cable", "up");
  await there("link", "set", "lo", "up");
  return {
    near,
    far,
    route: async (to) => void (await there("route", "add", to, "via", near)),
    network: networkOf(child.pid),
    async end() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** A port that nobody has now; the tests' own draw from a part of them that the kernel does not hand out by itself. */
let next = 15_000 + (process.pid % 4000) * 4;
async function freePort(): Promise<number> {
  for (;;) {
    const port = next++;
    const probe = createServer();
    const free = await new Promise<boolean>((done) => {
      probe.once("error", () => done(false));
      probe.listen(port, "0.0.0.0", () => probe.close(() => done(true)));
    });
    if (free) return port;
  }
}

describeNeeding(
  ...engineNeeds,
  "ip",
  "nsenter",
  "unshare",
)("a published port", () => {
  let lab: Lab;
  let server: Server;
  let image: string;
  let host: Awaited<ReturnType<typeof anotherHost>>;
  const here = networkOf(undefined);
  const ends: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    lab = await startLab();
    ({ server, image } = lab);
    host = await anotherHost(server.home.id);
  }, 60_000);
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
    const all = (await server.cli(["ps", "-aq"])).stdout.split("\n").filter(Boolean);
    if (all.length > 0) await server.cli(["rm", "-f", ...all]);
  });
  afterAll(async () => {
    await host?.end();
    await lab?.cleanup();
  }, 60_000);

  async function start(
    call: Client["call"],
    ...flags: string[]
  ): Promise<{ id: string; pid: number; address: string; network: Network }> {
    const started = await call(server, ["run", "-d", ...flags, image, "sleep", "1000"]);
    if (started.code !== 0) throw new Error(started.stderr);
    const id = started.stdout.trim();
    const shown = await server.cli([
      "inspect",
      "--format",
      "{{.State.Pid}} {{.NetworkSettings.Networks.bridge.IPAddress}}",
      id,
    ]);
    const [pid = "", address = ""] = shown.stdout.trim().split(" ");
    return { id, pid: Number(pid), address, network: networkOf(Number(pid)) };
  }
  const gantry = clients[0]!.call;

  async function serve(on: Network, protocol: "tcp" | "udp", port: number, text: string): Promise<void> {
    const server = await on.serve(protocol, port, text);
    ends.push(() => server.end());
  }

  for (const client of clients) {
    describeNeeding(...client.needs)(`by ${client.name}`, () => {
      const portsOf = async (id: string) =>
        (await client.call(server, ["port", id])).stdout.split("\n").filter(Boolean);

      test("in every form, as port, ps and inspect show it", async () => {
        const ports = await Promise.all(Array.from({ length: 4 }, freePort));
        const [a, b, c, d] = ports as [number, number, number, number];
        const range = await freePort();
        next = range + 3;
        const forms: [flag: string, shown: (string | RegExp)[]][] = [
          [`${a}:80`, [`80/tcp -> 0.0.0.0:${a}`]],
          [`${b}:80/tcp`, [`80/tcp -> 0.0.0.0:${b}`]],
          [`${c}:53/udp`, [`53/udp -> 0.0.0.0:${c}`]],
          [`127.0.0.1:${d}:80`, [`80/tcp -> 127.0.0.1:${d}`]],
          ["80", [/^80\/tcp -> 0\.0\.0\.0:\d{4,5}$/]],
          ["127.0.0.1::80", [/^80\/tcp -> 127\.0\.0\.1:\d{4,5}$/]],
          ["80-81", [/^80\/tcp -> 0\.0\.0\.0:\d{4,5}$/, /^81\/tcp -> 0\.0\.0\.0:\d{4,5}$/]],
          [`${range}-${range + 1}:80-81`, [`80/tcp -> 0.0.0.0:${range}`, `81/tcp -> 0.0.0.0:${range + 1}`]],
        ];
        for (const [flag, shown] of forms) {
          const { id } = await start(client.call, "-p", flag);
          const lines = await portsOf(id);
          expect(lines).toHaveLength(shown.length);
          for (const [at, words] of shown.entries()) {
            if (typeof words === "string") expect(lines[at]).toBe(words);
            else expect(lines[at]).toMatch(words);
          }
          // 80/tcp -> 0.0.0.0:1234 is 0.0.0.0:1234->80/tcp there.
          const listed = await client.call(server, ["ps", "--format", "{{.Ports}}", "--filter", `id=${id}`]);
          const turned = lines.map((line) => line.split(" -> ").reverse().join("->"));
          if (!flag.includes("-")) expect(listed.stdout).toBe(`${turned.join(", ")}\n`);
          const [inspected] = JSON.parse((await client.call(server, ["inspect", id])).stdout) as {
            NetworkSettings: { Ports: Record<string, { HostIp: string; HostPort: string }[]> };
          }[];
          const found = Object.entries(inspected!.NetworkSettings.Ports).flatMap(([port, hosts]) =>
            hosts.map(({ HostIp, HostPort }) => `${port} -> ${HostIp}:${HostPort}`),
          );
          expect(found.sort()).toEqual(lines.sort());
          await client.call(server, ["rm", "-f", id]);
        }
      }, 60_000);

      test("of a range is the first that is free", async () => {
        const first = await freePort();
        next = first + 4;
        const flag = `${first}-${first + 2}:80`;
        const got: string[] = [];
        for (let count = 0; count < 3; count++) got.push(...(await portsOf((await start(client.call, "-p", flag)).id)));
        expect(got).toEqual([0, 1, 2].map((more) => `80/tcp -> 0.0.0.0:${first + more}`));
        const fourth = await client.call(server, ["run", "--rm", "-p", flag, image, "true"]);
        expect(fourth.code).toBe(125);
        expect(fourth.stderr).toContain("port is already allocated");
      });

      test("-P publishes what image and command line expose", async () => {
        const { id } = await start(client.call, "-P", "--expose", "80", "--expose", "53/udp");
        const lines = await portsOf(id);
        expect(lines).toHaveLength(2);
        expect(lines[0]).toMatch(/^53\/udp -> 0\.0\.0\.0:\d+$/);
        expect(lines[1]).toMatch(/^80\/tcp -> 0\.0\.0\.0:\d+$/);
        const port = await client.call(server, ["port", id, "80"]);
        expect(port.stdout).toBe(`${lines[1]!.split(" -> ")[1]}\n`);
      });

      test("that another container has is refused, with 125 and Docker's text, and all is freed", async () => {
        const port = await freePort();
        const other = await freePort();
        const { id } = await start(client.call, "-p", `${port}:80`);
        const flags = ["-p", `${other}:81`, "-p", `${port}:80`];
        const result = await client.call(server, ["run", "--rm", ...flags, image, "true"]);
        expect(result).toMatchObject({ code: 125, stdout: "" });
        expect(result.stderr).toMatch(
          /failed to set up container networking|driver failed programming external connectivity on endpoint/,
        );
        expect(result.stderr).toContain(`Bind for 0.0.0.0:${port} failed: port is already allocated`);
        expect((await client.call(server, ["ps", "-aq"])).stdout.trim()).toBe(id.slice(0, 12));
        // The one that could be had was given back, and the other is to be had once its container ended.
        await client.call(server, ["rm", "-f", id]);
        expect(await client.call(server, ["run", "--rm", ...flags, image, "true"])).toMatchObject({ code: 0 });
      });

      test("that a program on the host has is refused, and the container starts once it is free", async () => {
        const port = await freePort();
        const taken = createServer();
        await new Promise<void>((done) => taken.listen(port, "0.0.0.0", done));
        let result: Awaited<ReturnType<Client["call"]>>;
        try {
          result = await client.call(server, [
            "run",
            "-d",
            "--name",
            "late",
            "-p",
            `${port}:80`,
            image,
            "sleep",
            "1000",
          ]);
        } finally {
          await new Promise((done) => taken.close(done));
        }
        expect(result.code).toBe(125);
        expect(result.stderr).toMatch(new RegExp(`${port}.*address already in use`));
        const state = [
          "inspect",
          "--format",
          "{{.State.Status}} {{.NetworkSettings.Networks.bridge.IPAddress}}",
          "late",
        ];
        expect((await client.call(server, state)).stdout).toMatch(/^created +(<no value>|invalid IP)?\n$/);
        expect(await client.call(server, ["start", "late"])).toMatchObject({ code: 0 });
        expect(await portsOf("late")).toEqual([`80/tcp -> 0.0.0.0:${port}`]);
      });
    });
  }

  describe("is reached", () => {
    test("from the host at 127.0.0.1 and its own address, from another host, and from another container", async () => {
      const [tcp, udp] = [await freePort(), await freePort()];
      const { address, network } = await start(gantry, "-p", `${tcp}:80`, "-p", `${udp}:53/udp`);
      const other = await start(gantry);
      await serve(network, "tcp", 80, "web");
      await serve(network, "udp", 53, "dns");
      for (const [protocol, port, text] of [
        ["tcp", tcp, "web"],
        ["udp", udp, "dns"],
      ] as const) {
        expect(await here.ask(protocol, "127.0.0.1", port)).toStartWith(`${text} `);
        expect(await here.ask(protocol, host.near, port)).toStartWith(`${text} `);
        // It sees who asks.
        expect(await host.network.ask(protocol, host.near, port)).toBe(`${text} ${host.far}`);
        expect(await other.network.ask(protocol, host.near, port)).toStartWith(`${text} `);
        expect(await network.ask(protocol, host.near, port)).toStartWith(`${text} `);
      }
      // Containers of one bridge reach each other without.
      expect(await other.network.ask("tcp", address, 80)).toBe(`web ${other.address}`);
    }, 40_000);

    test("at the address alone that it was published on", async () => {
      const [local, far] = [await freePort(), await freePort()];
      const flags = ["-p", `127.0.0.1:${local}:80`, "-p", `${host.near}:${far}:80`];
      const { network } = await start(gantry, ...flags);
      await serve(network, "tcp", 80, "web");
      expect(await here.ask("tcp", "127.0.0.1", local)).toStartWith("web ");
      expect(await host.network.ask("tcp", host.near, local)).not.toContain("web");
      expect(await host.network.ask("tcp", host.near, far)).toStartWith("web ");
      expect(await here.ask("tcp", "127.0.0.1", far)).not.toContain("web");
    }, 40_000);

    test("and nothing else of the container from outside", async () => {
      const port = await freePort();
      const { address, network } = await start(gantry, "-p", `${port}:80`, "--expose", "81");
      await serve(network, "tcp", 81, "secret");
      await serve(network, "udp", 82, "secret");
      await host.route(address);
      expect(await here.ask("tcp", address, 81)).toStartWith("secret ");
      expect(await host.network.ask("tcp", address, 81)).not.toContain("secret");
      expect(await host.network.ask("udp", address, 82)).not.toContain("secret");
      expect(await host.network.ask("tcp", host.near, 81)).not.toContain("secret");
    }, 40_000);
  });

  describe("is free again", () => {
    test("when its container ended: twenty in a row have the same", async () => {
      const port = await freePort();
      for (let count = 0; count < 20; count++) {
        const result = await server.cli(["run", "--rm", "-p", `${port}:80`, "-p", `${port}:53/udp`, image, "true"]);
        expect(result).toEqual({ code: 0, stdout: "", stderr: "" });
      }
    }, 60_000);

    test("when it was stopped, killed, restarted or removed", async () => {
      const port = await freePort();
      const flags = ["-p", `${port}:80`];
      for (const words of [["stop", "-t", "0"], ["kill"], ["rm", "-f"]]) {
        const { id } = await start(gantry, ...flags);
        await server.cli([...words, id]);
        const second = await start(gantry, ...flags);
        expect(await server.cli(["restart", "-t", "0", second.id])).toMatchObject({ code: 0 });
        await server.cli(["rm", "-f", second.id]);
      }
      expect(await here.ask("tcp", "127.0.0.1", port)).toBe("ECONNREFUSED");
    });
  });

  test("works on when the server is killed, and is its container's still when the next one runs", async () => {
    const port = await freePort();
    const udp = await freePort();
    const { id, network } = await start(gantry, "-p", `${port}:80`, "-p", `${udp}:53/udp`);
    await serve(network, "tcp", 80, "web");
    await serve(network, "udp", 53, "dns");
    const check = async () => {
      expect(await here.ask("tcp", "127.0.0.1", port)).toStartWith("web ");
      expect(await host.network.ask("tcp", host.near, port)).toBe(`web ${host.far}`);
      expect(await host.network.ask("udp", host.near, udp)).toBe(`dns ${host.far}`);
    };
    await check();
    await server.kill9();
    await check();
    await server.restart();
    await check();
    expect((await server.cli(["port", id])).stdout).toBe(`53/udp -> 0.0.0.0:${udp}\n80/tcp -> 0.0.0.0:${port}\n`);
    const second = await server.cli(["run", "--rm", "-p", `${port}:80`, image, "true"]);
    expect(second.code).toBe(125);
    expect(second.stderr).toContain(`Bind for 0.0.0.0:${port} failed: port is already allocated`);
    await server.stop();
    await check();
    await server.restart();
    await check();
    await server.cli(["rm", "-f", id]);
    expect(await server.cli(["run", "--rm", "-p", `${port}:80`, image, "true"])).toMatchObject({ code: 0 });
  }, 60_000);

  test("is free when its container ended while no server ran", async () => {
    const port = await freePort();
    const { pid } = await start(gantry, "--name", "gone", "-p", `${port}:80`);
    expect(pid).toBeGreaterThan(1);
    await server.kill9();
    process.kill(pid, "SIGKILL");
    await server.restart();
    expect(await server.cli(["wait", "gone"])).toMatchObject({ stdout: "137\n" });
    expect(await server.cli(["run", "--rm", "-p", `${port}:80`, image, "true"])).toMatchObject({ code: 0 });
  });
});
