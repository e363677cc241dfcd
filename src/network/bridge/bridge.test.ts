/** What a bridge network holds: addresses, namespaces, ports, and what is left of it afterwards. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { isNetworkNamespace } from "../../sys/namespaces.ts";
import { createLab, type Host, type Lab, type Server } from "../lab/lab.ts";

let lab: Lab;
let machine: Host;
let server: Server;

beforeEach(() => {
  lab = createLab();
  machine = lab.host();
  server = lab.server(machine);
});

afterEach(() => lab.end());

const tcp = { protocol: "tcp", containerPort: 80, hostAddress: "", hostPort: 8080 } as const;
const folder = () => `${lab.home.path}/netns`;
const files = () => (existsSync(folder()) ? readdirSync(folder()) : []);
const veths = (host = machine) =>
  host
    .run("ip", "-br", "link")
    .split("\n")
    .filter((line) => line.startsWith("gveth"));
const listeners = () =>
  machine
    .run("ss", "-Htuln")
    .split("\n")
    .filter((line) => line !== "");
const published = () =>
  [...machine.run("nft", "list", "ruleset").matchAll(/: 172\.\d+\.\d+\.\d+ \. \d+/g)].map(([text]) => text);

async function ready(count: number): Promise<void> {
  // The pool fills by itself; only the number of what it makes is waited for.
  while (veths().length < count) await Bun.sleep(20);
}

describe("an endpoint", () => {
  beforeEach(async () => {
    await server.create();
    await server.restore([]);
  });

  test("has address, route, MAC, lo and no IPv6 but ::1", async () => {
    const endpoint = await server.acquire("a");
    expect(endpoint).toMatchObject({
      address: "172.17.0.2",
      prefixLength: 16,
      gateway: "172.17.0.1",
      mac: "02:42:ac:11:00:02",
    });
    const container = lab.inside(endpoint.namespace);
    expect(container.run("ip", "-br", "address")).toMatch(
      /^lo +UNKNOWN +127\.0\.0\.1\/8 ::1\/128 *\neth0@\S+ +UP +172\.17\.0\.2\/16 *\n$/,
    );
    expect(container.run("ip", "route", "show", "default").trim()).toBe("default via 172.17.0.1 dev eth0");
    expect(container.run("cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start")).toBe("0\n");
    expect(container.run("ip", "-o", "link", "show", "eth0")).toMatch(/ mtu \d+ /);
  });

  test("gets addresses in their order, and those of the released again", async () => {
    const addresses = [];
    for (const id of ["a", "b", "c", "d"]) addresses.push((await server.acquire(id)).address);
    expect([...addresses].sort()).toEqual(["172.17.0.2", "172.17.0.3", "172.17.0.4", "172.17.0.5"]);
    await server.release("b");
    await server.release("b");
    expect(await server.acquire("e", { address: addresses[1]! })).toMatchObject({ address: addresses[1]! });
    await expect(server.acquire("f", { address: addresses[1]! })).rejects.toThrow("Address already in use");
    await expect(server.acquire("f", { address: "10.0.0.1" })).rejects.toThrow("10.0.0.1");
  });

  test("takes a MAC and sysctls, and refuses bad ones", async () => {
    const endpoint = await server.acquire("a", {
      mac: "02:11:22:33:44:55",
      sysctls: { "net.ipv4.ip_forward": "1", "net/ipv4/tcp_ecn": "1" },
    });
    const container = lab.inside(endpoint.namespace);
    expect(container.run("ip", "link", "show", "eth0")).toContain("02:11:22:33:44:55");
    expect(container.run("cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv4/tcp_ecn")).toBe("1\n1\n");
    await expect(server.acquire("b", { mac: "01:11:22:33:44:55" })).rejects.toThrow(
      "invalid MAC address: 01:11:22:33:44:55",
    );
    await expect(server.acquire("b", { sysctls: { "kernel.shmmax": "1" } })).rejects.toThrow("kernel.shmmax");
    await expect(server.acquire("b", { sysctls: { "net.ipv4.nonsense": "1" } })).rejects.toThrow("net.ipv4.nonsense");
    await expect(server.acquire("b", { sysctls: { "net.../../vm.swappiness": "1" } })).rejects.toThrow(
      "is not one of a network",
    );
    // The refused ones hold nothing: the same ID can ask again.
    await server.acquire("b");
  });

  test("an empty namespace has lo alone and goes with its release", async () => {
    const path = await server.empty("lonely");
    expect(lab.inside(path).run("ip", "-br", "link").trim()).toMatch(/^lo +UNKNOWN/);
    expect(await server.empty("lonely")).toBe(path);
    await server.release("lonely");
    expect(existsSync(path)).toBe(false);
  });
});

describe("ports", () => {
  beforeEach(async () => {
    await server.create();
    await server.restore([]);
    await server.acquire("a");
    await server.acquire("b");
  });

  test("one that another container has is refused with Docker's text, and all of that call are free again", async () => {
    await server.publish("a", [tcp]);
    const wanted = [
      { ...tcp, hostPort: 8090 },
      { ...tcp, hostAddress: "127.0.0.1" },
    ];
    await expect(server.publish("b", wanted, "web (0123)")).rejects.toThrow(
      "driver failed programming external connectivity on endpoint web (0123): Bind for 127.0.0.1:8080 failed: port is already allocated",
    );
    await server.publish("b", [
      { ...tcp, hostPort: 8090 },
      { ...tcp, protocol: "udp" },
    ]);
    await server.release("a");
    await server.publish("b", [tcp]);
    expect(published()).toHaveLength(3);
    await server.release("b");
    expect(published()).toEqual([]);
    expect(listeners()).toEqual([]);
  });

  test("one that a process has is refused, and one that we have no process gets", async () => {
    await machine.serve("tcp", 8080, "mine", "127.0.0.1");
    await machine.serve("udp", 5300, "mine");
    await expect(server.publish("a", [tcp])).rejects.toThrow("listen tcp4 0.0.0.0:8080: bind: address already in use");
    await expect(server.publish("a", [{ ...tcp, protocol: "udp", hostPort: 5300 }])).rejects.toThrow(
      "listen udp4 0.0.0.0:5300: bind: address already in use",
    );
    await expect(server.publish("a", [{ ...tcp, hostAddress: "192.0.2.77" }])).rejects.toThrow(
      "listen tcp4 192.0.2.77:8080: bind: cannot assign requested address",
    );
    await server.publish("a", [{ ...tcp, hostAddress: "172.17.0.1" }]);
    await server.publish("a", [
      { ...tcp, hostPort: 8081 },
      { ...tcp, protocol: "udp", hostPort: 8081 },
    ]);
    await expect(machine.serve("tcp", 8081, "late", "127.0.0.1")).rejects.toThrow("no server");
    await expect(machine.serve("udp", 8081, "late")).rejects.toThrow("no server");
    await expect(machine.serve("tcp", 8080, "late", "172.17.0.1")).rejects.toThrow("no server");
  });

  test("the socket that holds one never answers by itself", async () => {
    await server.publish("a", [tcp, { ...tcp, protocol: "udp" }]);
    machine.run("nft", "flush", "ruleset");
    expect(await machine.ask("tcp", "127.0.0.1", 8080)).toBe("nothing");
    expect(await machine.ask("udp", "127.0.0.1", 8080)).toBe("nothing");
    // What was flushed comes back with the next change.
    await server.publish("b", [{ ...tcp, hostPort: 8081 }]);
    expect(published()).toHaveLength(3);
  });

  test("a client that sends datagrams from one port all the time reaches each container that comes", async () => {
    const outside = lab.host();
    const { a: address } = lab.wire(machine, outside, "lan");
    const udp = { ...tcp, protocol: "udp", containerPort: 53, hostPort: 5300 } as const;
    const ask = () => outside.ask("udp", address, 5300, 4000);
    expect(await ask()).not.toStartWith("c-");
    for (const name of ["c-first", "c-second"]) {
      const { namespace } = await server.acquire(name);
      await lab.inside(namespace).serve("udp", 53, name);
      await server.publish(name, [udp]);
      expect(await ask()).toStartWith(name);
      await server.release(name);
    }
    expect(await ask()).not.toStartWith("c-");
  });

  test("a free one is chosen, none twice, also within a range", async () => {
    const any = { ...tcp, hostPort: 0 };
    const chosen = (await server.publish("a", [any, any, any])).map((one) => one.hostPort);
    expect(new Set(chosen).size).toBe(3);
    for (const port of chosen) expect(port).toBeGreaterThan(1023);
    const range = { ...tcp, hostPort: 7000, hostPortEnd: 7001 };
    expect((await server.publish("a", [range, range])).map((one) => one.hostPort)).toEqual([7000, 7001]);
    await expect(server.publish("b", [range])).rejects.toThrow(
      "Bind for 0.0.0.0:7001 failed: port is already allocated",
    );
  });
});

describe("the bridge", () => {
  test("avoids what the host uses, or says what collides", async () => {
    const peer = lab.host();
    lab.wire(machine, peer, "lan");
    machine.run("ip", "address", "add", "172.17.44.1/24", "dev", "lan");
    machine.run("ip", "route", "add", "172.18.7.0/24", "via", "198.18.1.2");
    const pools = ["172.17.0.0/16", "172.18.0.0/16", "172.19.0.0/16"].map((base) => ({ base, size: 16 }));
    await expect(server.create({ address: "172.18.7.1/24" })).rejects.toThrow(
      "bridge address 172.18.7.1/24 overlaps with route 172.18.7.0/24 of lan",
    );
    expect(await server.create({ pools })).toEqual({ subnet: "172.19.0.0/16", gateway: "172.19.0.1" });
    const second = lab.server(machine);
    await expect(second.create({ pools })).rejects.toThrow(
      `bridge ${lab.home.bridge} belongs to another server (process ${server.pid})`,
    );
  });

  test("opens a foreign chain that drops, and closes it again", async () => {
    const outside = lab.host();
    const { a } = lab.wire(machine, outside, "lan");
    machine.run(
      "nft",
      "add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }; add chain ip filter DOCKER-USER; add rule ip filter FORWARD jump DOCKER-USER",
    );
    const before = machine.run("nft", "list", "ruleset");
    await server.create();
    await server.restore([]);
    const { namespace } = await server.acquire("a");
    await lab.inside(namespace).serve("tcp", 80, "web");
    await server.publish("a", [tcp]);
    expect(await outside.ask("tcp", a, 8080)).toStartWith("web");
    await server.destroy();
    expect(machine.run("nft", "list", "ruleset")).toBe(before);
  });

  test("two servers side by side do not disturb each other, and each leaves nothing", async () => {
    machine.run("sysctl", "-qw", "net.ipv4.ip_forward=0");
    const pools = [{ base: "172.16.0.0/12", size: 16 }];
    const second = lab.server(machine);
    await server.create({ pools });
    await server.restore([]);
    await second.create({ pools, bridge: `${lab.home.bridge}b`, namespaces: `${folder()}-b` });
    await second.restore([]);
    const [one, two] = await Promise.all([server.acquire("a"), second.acquire("a")]);
    expect([one!.gateway, two!.gateway]).toEqual(["172.16.0.1", "172.17.0.1"]);
    await lab.inside(two!.namespace).serve("tcp", 80, "second");
    await second.publish("a", [tcp]);
    await expect(server.publish("a", [tcp])).rejects.toThrow("listen tcp4 0.0.0.0:8080: bind: address already in use");
    // Over the host's address it is reached from the other bridge, directly it is not.
    expect(await lab.inside(one!.namespace).ask("tcp", one!.gateway, 8080)).toStartWith("second");
    expect(await lab.inside(one!.namespace).ask("tcp", two!.address, 80)).toBe("nothing");
    await server.destroy();
    expect(await machine.ask("tcp", "127.0.0.1", 8080)).toStartWith("second");
    expect(machine.run("cat", "/proc/sys/net/ipv4/ip_forward")).toBe("1\n");
    await second.destroy();
    expect(machine.run("nft", "list", "ruleset")).toBe("");
    expect(machine.run("ip", "-br", "link").trim().split("\n")).toHaveLength(1);
    expect(machine.run("cat", "/proc/sys/net/ipv4/ip_forward")).toBe("0\n");
    expect(files()).toEqual([]);
  });
});

test("servers that start at the same moment choose different subnets", async () => {
  const pools = [{ base: "172.16.0.0/12", size: 16 }];
  const servers = ["", "b", "c", "d"].map((suffix) => ({
    suffix,
    process: suffix === "" ? server : lab.server(machine),
  }));
  const made = await Promise.all(
    servers.map(({ suffix, process }) =>
      process.create({ pools, bridge: `${lab.home.bridge}${suffix}`, namespaces: `${folder()}${suffix}` }),
    ),
  );
  expect(new Set(made.map((one) => one.subnet)).size).toBe(4);
  for (const { subnet } of made) expect(machine.run("ip", "route", "show", subnet).trim().split("\n")).toHaveLength(1);
});

describe("a restart", () => {
  test("takes over what containers hold and removes the rest", async () => {
    await server.create();
    await server.restore([]);
    const endpoint = await server.acquire("a");
    const lost = await server.acquire("b");
    const container = lab.inside(endpoint.namespace);
    await container.serve("tcp", 80, "web");
    const bindings = await server.publish("a", [tcp, { ...tcp, hostPort: 0 }]);
    await server.publish("b", [{ ...tcp, hostPort: 8090 }]);
    await ready(4);
    await server.kill();
    // Nobody has to be there for a running container to be reached.
    expect(await machine.ask("tcp", "127.0.0.1", 8080)).toStartWith("web");
    const next = lab.server(machine);
    await next.create();
    expect(await machine.ask("tcp", "127.0.0.1", 8080)).toStartWith("web");
    const gone = { id: "gone", endpoint: { ...endpoint, namespace: `${folder()}/00000000` }, bindings: [] };
    await next.restore([{ id: "a", endpoint, bindings }, gone]);
    expect(next.log.join("\n")).toContain("container gone has no network any more");
    expect(await machine.ask("tcp", "127.0.0.1", 8080)).toStartWith("web");
    expect(await machine.ask("tcp", "127.0.0.1", bindings[1]!.hostPort)).toStartWith("web");
    expect(isNetworkNamespace(endpoint.namespace)).toBe(true);
    expect(existsSync(lost.namespace)).toBe(false);
    expect(published()).toHaveLength(2);
    expect(listeners()).toHaveLength(2);
    await next.acquire("b");
    await expect(next.publish("b", [tcp])).rejects.toThrow("port is already allocated");
    await next.release("a");
    expect(existsSync(endpoint.namespace)).toBe(false);
    await next.destroy();
    expect(veths()).toEqual([]);
    expect(files()).toEqual([]);
  });

  test("close leaves containers connected and nothing that waits", async () => {
    await server.create();
    await server.restore([]);
    const { namespace } = await server.acquire("a");
    await lab.inside(namespace).serve("tcp", 80, "web");
    await server.publish("a", [tcp]);
    await server.close();
    expect(files()).toEqual([namespace.slice(namespace.lastIndexOf("/") + 1)]);
    expect(veths()).toHaveLength(1);
    expect(await machine.ask("tcp", "127.0.0.1", 8080)).toStartWith("web");
  });

  test("kill -9 at any moment leaves nothing that the next start does not remove", async () => {
    let killed = server;
    for (let round = 0; round < 8; round++) {
      await killed.create();
      await killed.restore([]);
      killed.storm().catch(() => {});
      await Bun.sleep(30 + round * 17);
      await killed.kill();
      killed = lab.server(machine);
    }
    await killed.create({ ready: 0 });
    await killed.restore([]);
    expect(files()).toEqual([]);
    expect(veths()).toEqual([]);
    expect(published()).toEqual([]);
    expect(listeners()).toEqual([]);
    expect(await killed.acquire("a")).toMatchObject({ address: "172.17.0.2" });
  });

  test("a process that stays in a released namespace is cut off, and its device goes", async () => {
    await server.create({ ready: 0 });
    await server.restore([]);
    const { namespace } = await server.acquire("a");
    const container = lab.inside(namespace);
    await container.serve("tcp", 80, "web");
    const { namespace: beside } = await server.acquire("b");
    expect(await lab.inside(beside).ask("tcp", "172.17.0.2", 80)).toStartWith("web");
    await server.release("a");
    // The address has another owner now, on which nothing listens.
    expect(await server.acquire("c")).toMatchObject({ address: "172.17.0.2" });
    expect(await lab.inside(beside).ask("tcp", "172.17.0.2", 80)).toBe("ECONNREFUSED");
    await server.release("b");
    await server.release("c");
    await server.close();
    expect(veths()).toEqual([]);
  });

  test("300 acquired and released leave nothing", async () => {
    await server.create();
    await server.restore([]);
    for (let round = 0; round < 100; round++) {
      const ids = [0, 1, 2].map((lane) => `${round}-${lane}`);
      await Promise.all(ids.map((id) => server.acquire(id)));
      await server.publish(ids[0]!, [{ ...tcp, hostPort: 0 }]);
      await Promise.all(ids.map((id) => server.release(id)));
    }
    expect(readdirSync(`/proc/${server.pid}/fd`).length).toBeLessThan(60);
    // No thread stayed in a namespace that it visited. Compiler and collector threads do no work for others.
    const threads = readdirSync(`/proc/${server.pid}/task`)
      .map((thread) => `/proc/${server.pid}/task/${thread}`)
      .filter((thread) => !/^(JIT|JSC|Heap)/.test(readFileSync(`${thread}/comm`, "utf8")));
    const homes = new Set(threads.map((thread) => readlinkSync(`${thread}/ns/net`)));
    expect(homes).toEqual(new Set([machine.run("readlink", "/proc/self/ns/net").trim()]));
    expect(published()).toEqual([]);
    expect(listeners()).toEqual([]);
    await server.destroy();
    expect(files()).toEqual([]);
    expect(veths()).toEqual([]);
  });
});
