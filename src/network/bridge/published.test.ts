/** Who reaches what: a server with two containers, another host beside it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createLab, type Host, type Lab, type Server } from "../lab/lab.ts";
import type { Endpoint } from "../network.ts";

let lab: Lab;
let machine: Host;
let outside: Host;
let far: Host;
let server: Server;
let web: Endpoint;
let other: Endpoint;
let container: Host;
let neighbour: Host;
let address: string;
let elsewhere: string;
let gateway: string;

const tcp = { protocol: "tcp", containerPort: 80, hostAddress: "", hostPort: 8080 } as const;

beforeAll(async () => {
  lab = createLab();
  machine = lab.host();
  outside = lab.host();
  far = lab.host();
  const cable = lab.wire(machine, outside, "near");
  address = cable.a;
  const long = lab.wire(machine, far, "far");
  elsewhere = long.b;
  far.run("ip", "route", "add", "default", "via", long.a);
  // The other host is as hostile as it can be: it sends everything to us, loopback and containers included.
  outside.run("sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1", "net.ipv4.conf.near.route_localnet=1");
  outside.run("ip", "route", "add", "default", "via", address, "dev", "near");
  machine.run("sysctl", "-qw", "net.ipv4.ip_forward=0");
  server = lab.server(machine);
  ({ gateway } = await server.create());
  await server.restore([]);
  web = await server.acquire("web");
  other = await server.acquire("other");
  container = lab.inside(web.namespace);
  neighbour = lab.inside(other.namespace);
  await Promise.all([
    container.serve("tcp", 80, "web"),
    container.serve("udp", 53, "dns"),
    machine.serve("tcp", 9000, "secret", "127.0.0.1"),
    far.serve("tcp", 80, "far"),
  ]);
  await server.publish("web", [
    tcp,
    { ...tcp, hostAddress: "127.0.0.1", hostPort: 8081 },
    { ...tcp, hostAddress: address, hostPort: 8082 },
    { protocol: "udp", containerPort: 53, hostAddress: "", hostPort: 5300 },
  ]);
});

afterAll(() => lab.end());

describe("a published port answers", () => {
  test("another host, which the container sees by its own address", async () => {
    const seen = outside.run("ip", "-4", "-br", "address", "show", "near").match(/[\d.]+(?=\/)/)![0];
    expect(await outside.ask("tcp", address, 8080)).toBe(`web ${seen}`);
    expect(await outside.ask("udp", address, 5300)).toBe(`dns ${seen}`);
    expect(await outside.ask("tcp", address, 8082)).toBe(`web ${seen}`);
  });

  test("the host at 127.0.0.1 and at its own addresses", async () => {
    expect(await machine.ask("tcp", "127.0.0.1", 8080)).toBe(`web ${gateway}`);
    expect(await machine.ask("tcp", "127.0.0.1", 8081)).toBe(`web ${gateway}`);
    expect(await machine.ask("tcp", address, 8080)).toStartWith("web ");
    expect(await machine.ask("tcp", gateway, 8080)).toStartWith("web ");
    expect(await machine.ask("udp", "127.0.0.1", 5300)).toBe(`dns ${gateway}`);
  });

  test.each(["0", "1"])(
    "another container and itself over the host's addresses (bridge-nf-call-iptables=%s)",
    async (value) => {
      machine.run("sysctl", "-qw", `net.bridge.bridge-nf-call-iptables=${value}`);
      for (const from of [neighbour, container]) {
        expect(await from.ask("tcp", address, 8080)).toStartWith("web ");
        expect(await from.ask("tcp", gateway, 8080)).toStartWith("web ");
        expect(await from.ask("udp", address, 5300)).toStartWith("dns ");
      }
      expect(await neighbour.ask("tcp", web.address, 80)).toBe(`web ${other.address}`);
    },
  );
});

describe("nobody reaches from outside", () => {
  test("a port that is not published, at any address", async () => {
    await container.serve("tcp", 81, "hidden");
    expect(await neighbour.ask("tcp", web.address, 81)).toStartWith("hidden");
    expect(await outside.ask("tcp", web.address, 81)).toBe("nothing");
    // Published, but not as the container's own address.
    expect(await outside.ask("tcp", web.address, 80)).toBe("nothing");
  });

  test("a port that is published on 127.0.0.1, or on another address", async () => {
    expect(await outside.ask("tcp", address, 8081)).toBe("ECONNREFUSED");
    expect(await outside.ask("tcp", gateway, 8082)).not.toStartWith("web");
  });

  test("127.0.0.1 of the host by routing it there (CVE-2020-8558)", async () => {
    const attacker = async (host: Host, device: string, next: string) => {
      // A host that has no loopback address itself sends such packets over the cable.
      host.run("ip", "address", "del", "127.0.0.1/8", "dev", "lo");
      host.run("sysctl", "-qw", `net.ipv4.conf.${device}.route_localnet=1`, "net.ipv4.conf.all.route_localnet=1");
      host.run("ip", "route", "replace", "127.0.0.0/8", "via", next, "dev", device);
      return [await host.ask("tcp", "127.0.0.1", 8081), await host.ask("tcp", "127.0.0.1", 9000)];
    };
    expect(await attacker(outside, "near", address)).toEqual(["nothing", "nothing"]);
    expect(await attacker(neighbour, "eth0", gateway)).toEqual(["nothing", "nothing"]);
    // Both get through without the rule, so it is the rule that this test sees.
    machine.run("nft", "flush", "chain", "ip", `gantry-${lab.home.bridge}`, "raw");
    expect(await outside.ask("tcp", "127.0.0.1", 8081)).toStartWith("web");
    expect(await neighbour.ask("tcp", "127.0.0.1", 9000)).toStartWith("secret");
  });
});

describe("the host", () => {
  test("ignores router advertisements on the bridge and its ports, and has no IPv6 there", () => {
    const devices = machine
      .run("ls", "/proc/sys/net/ipv6/conf")
      .split("\n")
      .filter((name) => /^gveth|^gt/.test(name));
    expect(devices).toContain(lab.home.bridge);
    expect(devices.length).toBeGreaterThan(2);
    for (const device of devices) {
      expect(machine.run("cat", `/proc/sys/net/ipv6/conf/${device}/accept_ra`)).toBe("0\n");
      expect(machine.run("cat", `/proc/sys/net/ipv6/conf/${device}/disable_ipv6`)).toBe("1\n");
    }
  });

  test("forwards for containers only when forwarding was off before", async () => {
    expect(machine.run("cat", "/proc/sys/net/ipv4/ip_forward")).toBe("1\n");
    expect(server.log.join("\n")).toContain("net.ipv4.ip_forward was 0 and is 1 now");
    expect(await container.ask("tcp", elsewhere, 80)).toStartWith("far ");
    expect(await outside.ask("tcp", elsewhere, 80)).toBe("nothing");
    machine.run("nft", "delete", "table", "ip", "gantry-forwarding");
    expect(await outside.ask("tcp", elsewhere, 80)).toStartWith("far ");
  });
});
