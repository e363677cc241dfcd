import { describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CgroupLayout } from "../runtime/cgroup/layout.ts";
import { judge as judgeCgroups } from "./cgroups.ts";
import { doctorCommand, table } from "./command.ts";
import { type Check, canRun, checkMachine } from "./doctor.ts";
import { checkKernel, checkNamespaces, checkPrivileges } from "./kernel.ts";
import { checkAddresses, droppingChains, occupiedBy } from "./network.ts";
import { judge, programs } from "./programs.ts";
import { checkDataRoot, nearest } from "./storage.ts";

describe("privileges", () => {
  test("root with everything", () => {
    expect(checkPrivileges(0, "CapEff:\t000001ffffffffff\n").status).toBe("ok");
  });
  test("root in a container without privileges: names what lacks", () => {
    const check = checkPrivileges(0, "CapEff:\t00000000a80425fb\n");
    expect(check).toMatchObject({ status: "failed", advice: expect.stringContaining("--privileged") });
    expect(check.found).toContain("CAP_SYS_ADMIN");
    expect(check.found).not.toContain("CAP_MKNOD");
  });
  test("a user", () => {
    expect(checkPrivileges(1000, "")).toMatchObject({ status: "failed", advice: expect.stringContaining("sudo") });
  });
});

describe("kernel", () => {
  test.each([
    ["6.1.0-37-amd64", "ok"],
    ["5.19.0", "ok"],
    ["5.10.0", "warning"],
    ["5.5.19", "failed"],
    ["4.19.0", "failed"],
  ])("%s: %s", (version, status) => expect(checkKernel(version).status).toBe(status as Check["status"]));

  test("lacks a namespace", () => {
    expect(checkNamespaces((path) => !path.endsWith("/net"))).toMatchObject({
      status: "failed",
      found: "no net namespaces",
    });
    expect(checkNamespaces((path) => !path.endsWith("/user")).status).toBe("warning");
  });
});

describe("cgroups", () => {
  const v2: CgroupLayout = {
    version: "v2",
    trees: new Map(),
    unified: "/sys/fs/cgroup",
    unifiedControllers: ["cpu", "io", "memory", "pids"],
    unmounted: [],
  };
  const tree = (...names: string[]) => new Map(names.map((name) => [name, `/sys/fs/cgroup/${name}`]));

  test("v2", () => expect(judgeCgroups(v2, () => true)).toMatchObject({ status: "ok", found: "v2" }));
  test("v2 without the memory controller", () => {
    const check = judgeCgroups({ ...v2, unifiedControllers: ["cpu", "pids"] }, () => true);
    expect(check).toMatchObject({ status: "warning", found: "v2, without memory" });
  });
  test("v1 and hybrid", () => {
    const trees = tree("cpu,cpuacct", "memory", "pids", "devices", "freezer");
    const v1: CgroupLayout = { version: "v1", trees, unifiedControllers: [], unmounted: [] };
    expect(judgeCgroups(v1, () => true)).toMatchObject({ status: "ok", found: "v1" });
    const hybrid: CgroupLayout = { ...v1, version: "hybrid", unified: "/sys/fs/cgroup/unified" };
    expect(judgeCgroups(hybrid, () => true).status).toBe("ok");
    trees.delete("freezer");
    expect(judgeCgroups(v1, () => true)).toMatchObject({ status: "warning", found: "v1, without freezer" });
  });
  test("none", () => {
    const none: CgroupLayout = { version: "v1", trees: new Map(), unifiedControllers: [], unmounted: [] };
    expect(judgeCgroups(none).status).toBe("failed");
  });
});

describe("programs", () => {
  const crun = programs.find(({ program }) => program === "crun")!;
  const said = (version: string, features: string) => `crun version ${version}\nspec: 1.0.0\n${features}\n`;
  test.each([
    [said("1.8.1", "+SYSTEMD +SECCOMP +EBPF"), "ok"],
    [said("1.21", "+SECCOMP"), "ok"],
    [said("0.17", "+SECCOMP"), "warning"],
    [said("1.8.1", "+SYSTEMD"), "failed"],
    ["something else", "warning"],
  ])("%j: %s", (text, status) => expect(judge(crun, text).status).toBe(status as Check["status"]));

  test.each([
    ["conmon", "conmon version 2.1.6\ncommit: unknown\n", "2.1.6"],
    ["nft", "nftables v1.0.6 (Lester Gooch #5)\n", "1.0.6"],
    ["ip", "ip utility, iproute2-6.1.0, libbpf 1.1.2\n", "6.1.0"],
    ["ip", "ip utility, iproute2-ss200127\n", "200127"],
    ["catatonit", "tini version 0.1.7_catatonit\n", "0.1.7_catatonit"],
    ["catatonit", "catatonit version 0.2.1\n", "0.2.1"],
  ])("the version of %s", (name, text, version) => {
    expect(judge(programs.find(({ program }) => program === name)!, text).found).toBe(version);
  });
});

describe("data root", () => {
  test("is refused on overlayfs, by name", () => {
    const check = checkDataRoot("/var/lib/gantry", 0x794c7630);
    expect(check.status).toBe("failed");
    expect(check.found).toContain("/var/lib/gantry lies on overlayfs");
  });
  test("need not be there yet", () => {
    expect(nearest("/usr/nowhere/at/all")).toBe("/usr");
    expect(checkDataRoot("/var/lib/gantry", 0xef53)).toMatchObject({ status: "ok", found: "/var/lib/gantry on ext4" });
  });
});

describe("addresses", () => {
  const head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
  const routes = `${head}eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
gantry0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
`;
  const pools = [
    { base: "172.17.0.0/16", size: 16 },
    { base: "172.18.0.0/16", size: 16 },
  ];
  test("reads the routes of others", () => {
    expect(occupiedBy(routes, "gantry0").map(({ by }) => by)).toEqual(["route 172.17.0.0/16 of docker0"]);
  });
  test("takes the next pool when the first is taken", () => {
    const check = checkAddresses({ bridge: "gantry0", pools }, routes);
    expect(check).toMatchObject({ status: "ok", found: "gantry0 can have 172.18.0.0/16 (172.18.0.1)" });
  });
  test("says what collides", () => {
    const asked = checkAddresses({ bridge: "gantry0", bip: "172.17.5.1/24", pools }, routes);
    expect(asked).toMatchObject({ status: "failed", found: expect.stringContaining("docker0") });
    expect(checkAddresses({ bridge: "other0", pools }, routes).status).toBe("failed");
    expect(checkAddresses({ bridge: "gantry0", bip: "nonsense", pools }, routes).found).toContain("nonsense");
  });
});

test("a firewall that drops what is forwarded is found, ours and others' hooks are not", () => {
  const chain = (family: string, table: string, hook: string, policy: string) => ({
    chain: { family, table, name: "FORWARD", hook, policy },
  });
  const listing = {
    nftables: [
      { metainfo: { version: "1.0.6" } },
      chain("ip", "filter", "forward", "drop"),
      chain("ip", "filter", "input", "drop"),
      chain("ip6", "filter", "forward", "drop"),
      chain("inet", "gantry_gantry0", "forward", "drop"),
      chain("inet", "firewalld", "forward", "accept"),
    ],
  };
  expect(droppingChains(listing).map(({ table }) => table)).toEqual(["filter"]);
  expect(droppingChains(undefined)).toEqual([]);
});

test("the table says what to do", () => {
  const checks: Check[] = [
    { name: "a", status: "ok", found: "b" },
    { name: "long name", status: "failed", found: "c", advice: "do d" },
  ];
  expect(table(checks)).toBe(`ok        a          b
failed    long name  c
                     → do d

Containers cannot run until what failed is put right.`);
  expect(canRun(checks)).toBe(false);
  expect(canRun(checks.slice(0, 1))).toBe(true);
});

describe("the whole check", () => {
  test("makes every check, and none has advice without a reason", async () => {
    const folder = mkdtempSync(join(tmpdir(), "gantry-doctor-test-"));
    try {
      const checks = await checkMachine({ dataRoot: join(folder, "data"), repair: false });
      const names = checks.map(({ name }) => name);
      expect(names).toContain("cgroups");
      expect(names).toContain("crun");
      expect(new Set(names).size).toBe(names.length);
      for (const { status, found, advice } of checks) {
        expect(found).not.toBe("");
        expect(advice !== undefined).toBe(status === "warning" || status === "failed");
      }
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("starts no process when it is not thorough", async () => {
    const quick = (await checkMachine({ repair: false, thorough: false })).map(({ name }) => name);
    expect(quick).toContain("cgroups");
    expect(quick).not.toContain("bridge and NAT");
  });
});

test("a wrong flag ends with 125", async () => {
  const said: string[] = [];
  const original = console.error;
  console.error = (text: string) => void said.push(text);
  try {
    expect(await doctorCommand(["--nonsense"])).toBe(125);
    expect(await doctorCommand(["--data-root", "relative"])).toBe(125);
    expect(await doctorCommand(["--bip"])).toBe(125);
    expect(await doctorCommand(["extra"])).toBe(125);
  } finally {
    console.error = original;
  }
  expect(said[0]).toStartWith("unknown flag: --nonsense\n");
  expect(said[1]).toContain('"relative"');
});
