import { describe, expect, test } from "bun:test";
import { hostnameFile, hostsFile, hostsFileOfHost, readExtraHost } from "./hosts.ts";
import { namesStubOnly, resolvFile, resolvFileOfHost } from "./resolv.ts";

describe("/etc/hosts", () => {
  const last = (text: string, count: number) => text.trimEnd().split("\n").slice(-count);

  test("has the standard names and the container's own", () => {
    const text = hostsFile({ hostname: "web", address: "172.17.0.2" });
    expect(text.split("\n")[0]).toBe("127.0.0.1\tlocalhost");
    expect(last(text, 1)).toEqual(["172.17.0.2\tweb"]);
    expect(hostsFile({ hostname: "web" })).not.toContain("web");
  });

  test("puts the full name before the short one", () => {
    expect(hostsFile({ hostname: "web", domainname: "example.org", address: "10.0.0.2" })).toEndWith(
      "10.0.0.2\tweb.example.org web\n",
    );
    expect(hostsFile({ hostname: "web.example.org", address: "10.0.0.2" })).toEndWith(
      "10.0.0.2\tweb.example.org web\n",
    );
  });

  test("adds hosts, IPv6 and the gateway among them", () => {
    const extraHosts = ["db:10.1.2.3", "six:fd00::7", "bracket:[fd00::8]", "host.docker.internal:host-gateway"];
    const text = hostsFile({ hostname: "web", address: "172.17.0.2", extraHosts, hostGateway: "172.17.0.1" });
    expect(last(text, 5)).toEqual([
      "10.1.2.3\tdb",
      "fd00::7\tsix",
      "fd00::8\tbracket",
      "172.17.0.1\thost.docker.internal",
      "172.17.0.2\tweb",
    ]);
    expect(hostsFileOfHost("127.0.0.1 localhost", ["db:10.1.2.3"])).toBe("127.0.0.1 localhost\n10.1.2.3\tdb\n");
  });

  test.each([
    ["", 'bad format for add-host: ""'],
    ["db", 'bad format for add-host: "db"'],
    [":10.0.0.1", 'bad format for add-host: ":10.0.0.1"'],
    ["db:10.0.0", 'invalid IP address in add-host: "10.0.0"'],
    ["a\n127.0.0.1 b:10.0.0.1", "bad format for add-host"],
  ])("refuses %j", (entry, message) => {
    expect(() => readExtraHost(entry)).toThrow(message);
  });

  test("refuses host-gateway where there is none", () => {
    expect(() => hostsFile({ hostname: "a", extraHosts: ["h:host-gateway"] })).toThrow("host-gateway");
  });

  test("hostname is one line", () => {
    expect(hostnameFile("web")).toBe("web\n");
  });
});

describe("/etc/resolv.conf", () => {
  const lines = (text: string) => text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

  test("keeps what a container can use", () => {
    const host =
      "# a\nnameserver 10.0.0.53\nnameserver 127.0.0.1\nnameserver ::1\nnameserver fd00::1\nnameserver x\nsearch a b\nsearch c\noptions ndots:2\noptions edns0\nsortlist 10.0.0.0\n";
    const { content, usedDefaults } = resolvFile(host);
    expect(lines(content)).toEqual(["nameserver 10.0.0.53", "search c", "options ndots:2 edns0", "sortlist 10.0.0.0"]);
    expect(usedDefaults).toBe(false);
  });

  test("puts in public servers when none is left", () => {
    for (const host of ["", "nameserver 127.0.0.53\n", "nameserver ::1\n"]) {
      const { content, usedDefaults } = resolvFile(host);
      expect(lines(content)).toEqual(["nameserver 8.8.8.8", "nameserver 8.8.4.4"]);
      expect(usedDefaults).toBe(true);
    }
  });

  test("each list that is asked for replaces the host's", () => {
    const host = "nameserver 10.0.0.53\nsearch a\noptions x";
    expect(lines(resolvFile(host, { dns: ["127.0.0.1", "fd00::1"] }).content)).toEqual([
      "nameserver 127.0.0.1",
      "nameserver fd00::1",
      "search a",
      "options x",
    ]);
    expect(lines(resolvFile(host, { search: ["."], options: ["ndots:1"] }).content)).toEqual([
      "nameserver 10.0.0.53",
      "options ndots:1",
    ]);
  });

  test("on the host's network it is the host's", () => {
    const host = "# mine\nnameserver 127.0.0.53\n";
    expect(resolvFileOfHost(host)).toBe(host);
    expect(lines(resolvFileOfHost(host, { search: ["a"] }))).toEqual(["nameserver 127.0.0.53", "search a"]);
  });

  test("refuses what would make lines of its own", () => {
    expect(() => resolvFile("", { dns: ["dns.example.org"] })).toThrow("dns.example.org is not an ip address");
    expect(() => resolvFile("", { search: ["a\nnameserver 1.2.3.4"] })).toThrow("is not a search domain");
    expect(() => resolvFile("", { options: ["a b"] })).toThrow("is not a resolver option");
  });

  test("knows systemd-resolved's stub", () => {
    expect(namesStubOnly("nameserver 127.0.0.53\noptions edns0\n")).toBe(true);
    expect(namesStubOnly("nameserver 127.0.0.53\nnameserver 10.0.0.1\n")).toBe(false);
    expect(namesStubOnly("")).toBe(false);
  });
});
