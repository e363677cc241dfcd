import { describe, expect, test } from "bun:test";
import { buildSpec, checkAnnotations, type SpecInput } from "./build.ts";
import {
  allCapabilities,
  defaultCapabilities,
  parseCapabilitySet,
  resolveCapabilities,
  serverCapabilities,
} from "./capabilities.ts";
import { hostDevices, parseDeviceRule, resolveDevice } from "./devices.ts";
import { SpecError } from "./errors.ts";
import { orderMounts, tmpfsMount } from "./mounts.ts";
import { resolveResources } from "./resources.ts";
import { resolveRlimits } from "./rlimits.ts";
import { checkSysctls } from "./sysctls.ts";

const available = allCapabilities;
const capabilities = (add: string[], drop: string[], more = {}) =>
  resolveCapabilities({ add, drop, privileged: false, available, ...more });

describe("capabilities", () => {
  test("the default is Docker's set", () => {
    expect(capabilities([], [])).toEqual(parseCapabilitySet("00000000a80425fb"));
  });
  test("added and dropped, with and without prefix, in any case", () => {
    expect(capabilities(["net_admin"], ["CAP_CHOWN", "Kill"])).toEqual(
      allCapabilities.filter(
        (name) => name === "CAP_NET_ADMIN" || (defaultCapabilities.includes(name) && !/CHOWN|KILL/.test(name)),
      ),
    );
  });
  test("ALL", () => {
    expect(capabilities([], ["ALL"])).toEqual([]);
    expect(capabilities(["CHOWN"], ["all"])).toEqual(["CAP_CHOWN"]);
    expect(capabilities(["ALL"], [])).toEqual(allCapabilities);
    expect(capabilities(["ALL"], ["SYS_ADMIN"])).not.toContain("CAP_SYS_ADMIN");
    expect(capabilities(["ALL"], ["ALL"])).toEqual(allCapabilities);
  });
  test("never more than the server has", () => {
    const own = allCapabilities.filter((name) => name !== "CAP_SYS_RESOURCE" && name !== "CAP_MKNOD");
    expect(capabilities(["ALL"], [], { available: own })).toEqual(own);
    expect(capabilities([], [], { available: own })).not.toContain("CAP_MKNOD");
    expect(capabilities([], [], { available: own, privileged: true })).toEqual(own);
    expect(() => capabilities(["SYS_RESOURCE"], [], { available: own })).toThrow("CAP_SYS_RESOURCE");
  });
  test("unknown names are refused", () => {
    expect(() => capabilities(["FLY"], [])).toThrow('unknown capability: "CAP_FLY"');
    expect(() => capabilities([], ["FLY"])).toThrow(SpecError);
  });
  test("the server's own are read", () => {
    expect(serverCapabilities()).toContain("CAP_CHOWN");
  });
});

describe("sysctls", () => {
  const own = { network: true, ipc: true, uts: true };
  test.each(["net.ipv4.ip_forward", "kernel.shmmax", "fs.mqueue.msg_max", "net/ipv4/ip_forward", "kernel.domainname"])(
    "%s is allowed in namespaces of its own",
    (name) => {
      expect(checkSysctls({ [name]: "1" }, own)).toEqual({ [name]: "1" });
      expect(() => checkSysctls({ [name]: "1" }, { network: false, ipc: false, uts: false })).toThrow("not allowed");
    },
  );
  test.each([
    "vm.swappiness",
    "kernel.panic",
    "kernel.hostname",
    "fs.file-max",
    "..",
    "net..x",
    "net.ipv4/../../kernel/panic",
    "",
  ])("%j is refused", (name) => {
    expect(() => checkSysctls({ [name]: "1" }, own)).toThrow(SpecError);
  });
});

describe("limits of processes", () => {
  test("OCI's names; -1 is no limit; the last of a name counts", () => {
    expect(
      resolveRlimits([
        { name: "nofile", soft: 1, hard: 2 },
        { name: "NOFILE", soft: 3, hard: 4 },
      ]),
    ).toEqual([{ type: "RLIMIT_NOFILE", soft: 3, hard: 4 }]);
    expect(resolveRlimits([{ name: "core", soft: 0, hard: -1 }])[0]!.hard).toBeGreaterThan(2 ** 63);
  });
  test.each([
    [{ name: "files", soft: 1, hard: 1 }, "invalid ulimit type"],
    [{ name: "nofile", soft: 2, hard: 1 }, "less than or equal"],
    [{ name: "nofile", soft: -1, hard: 1 }, "less than or equal"],
    [{ name: "nofile", soft: 1.5, hard: 2 }, "invalid ulimit value"],
  ])("%j", (ulimit, message) => {
    expect(() => resolveRlimits([ulimit])).toThrow(message);
  });
});

describe("resources", () => {
  const support = { swap: true, cpus: 4 };
  test("nothing asked, nothing limited", () => {
    expect(resolveResources({}, support)).toEqual({ resources: {}, warnings: [] });
    expect(
      resolveResources({ PidsLimit: -1, Memory: 0, CpuShares: 0, CpuQuota: null } as never, support).resources,
    ).toEqual({});
  });
  test("as much swap as memory, unless said otherwise", () => {
    const memory = 64 << 20;
    expect(resolveResources({ Memory: memory }, support).resources.memory).toEqual({ limit: memory, swap: 2 * memory });
    expect(resolveResources({ Memory: memory, MemorySwap: -1 }, support).resources.memory?.swap).toBe(-1);
    expect(resolveResources({ Memory: memory, MemorySwap: memory }, support).resources.memory?.swap).toBe(memory);
    const limited = resolveResources({ Memory: memory, MemorySwap: memory }, { ...support, swap: false });
    expect(limited.resources.memory).toEqual({ limit: memory });
    expect(limited.warnings).toHaveLength(1);
  });
  test("cpus are a quota", () => {
    expect(resolveResources({ NanoCpus: 1.5e9 }, support).resources.cpu).toEqual({ period: 100_000, quota: 150_000 });
    expect(resolveResources({ CpusetCpus: "0-1,3", CpuShares: 512 }, support).resources.cpu).toEqual({
      shares: 512,
      cpus: "0-1,3",
    });
  });
  test.each([
    [{ Memory: 1 << 20 }, "Minimum memory limit allowed is 6MB"],
    [{ Memory: -5 }, "invalid Memory: -5"],
    [{ MemorySwap: 1 << 30 }, "always set the Memory limit"],
    [{ Memory: 64 << 20, MemorySwap: 32 << 20 }, "larger than memory limit"],
    [{ Memory: 64 << 20, MemoryReservation: 128 << 20 }, "memory reservation"],
    [{ NanoCpus: 5e9 }, "range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available"],
    [{ NanoCpus: 1e9, CpuPeriod: 5000 }, "Nano CPUs and CPU Period"],
    [{ CpuPeriod: 10 }, "CPU cfs period"],
    [{ CpuQuota: 10 }, "CPU cfs quota"],
    [{ CpusetCpus: "a-b" }, "Invalid value a-b for cpuset cpus"],
    [{ BlkioWeight: 5 }, "blkio weight"],
    [{ BlkioDeviceReadBps: [{ Path: "/dev/null", Rate: 5 }] }, "/dev/null"],
    [{ MemorySwappiness: 101 }, "0-100"],
    [{ PidsLimit: 1.5 }, "invalid PidsLimit"],
  ])("%j", (host, message) => {
    expect(() => resolveResources(host, support)).toThrow(message);
  });
});

describe("devices", () => {
  test("a node, a folder, the host's", () => {
    expect(resolveDevice("/dev/null", "/dev/x", "rw")).toEqual([
      {
        device: { type: "c", path: "/dev/x", major: 1, minor: 3, fileMode: 0o666, uid: 0, gid: 0 },
        rule: { allow: true, type: "c", major: 1, minor: 3, access: "rw" },
      },
    ]);
    const all = hostDevices().map((device) => device.path);
    expect(all).toContain("/dev/null");
    expect(all.filter((path) => path.startsWith("/dev/pts/"))).toEqual([]);
  });
  test("what is none is refused", () => {
    expect(() => resolveDevice("/dev/nothing", "/dev/x", "rwm")).toThrow("no such file");
    expect(() => resolveDevice("/etc/passwd", "/dev/x", "rwm")).toThrow("not a device node");
    expect(() => resolveDevice("/dev/null", "/dev/x", "rr")).toThrow("invalid device mode: rr");
  });
  test("rules", () => {
    expect(parseDeviceRule("c 1:* rm")).toEqual({ allow: true, type: "c", major: 1, access: "rm" });
    for (const text of ["", "x 1:1 r", "c 1 r", "c 1:1", "c -1:1 r", "c 1:1 rwx"]) {
      expect(() => parseDeviceRule(text)).toThrow(`'${text}'`);
    }
  });
});

describe("mounts", () => {
  test("tmpfs is careful unless told otherwise", () => {
    expect(tmpfsMount("/t", "").options).toEqual(["noexec", "nosuid", "nodev"]);
    expect(tmpfsMount("/t", "size=64m,exec,ro").options).toEqual(["nosuid", "nodev", "size=64m", "exec", "ro"]);
    expect(() => tmpfsMount("/t", "bogus")).toThrow('"bogus"');
    expect(() => tmpfsMount("/t", "size=1m,context=x")).toThrow(SpecError);
  });
  test("parents first, the container's own instead of the defaults", () => {
    const at = (destination: string, source = "") => ({ destination, source });
    const defaults = [at("/proc"), at("/dev"), at("/dev/pts"), at("/sys")];
    const ordered = orderMounts(defaults, [at("/a/b/c"), at("/a"), at("/sys", "own")]);
    expect(ordered.map((each) => each.destination)).toEqual(["/proc", "/dev", "/dev/pts", "/a", "/sys", "/a/b/c"]);
    expect(orderMounts(defaults, [at("/dev", "own")]).map((each) => each.destination)).toEqual([
      "/proc",
      "/sys",
      "/dev",
    ]);
  });
});

describe("the specification", () => {
  const minimal: SpecInput = {
    rootfs: "/r",
    args: ["sh"],
    env: [],
    cwd: "/",
    user: { uid: 0, gid: 0 },
    terminal: false,
    namespaces: { network: "private" },
  };
  test("is confined by default", () => {
    const spec = buildSpec(minimal);
    expect(spec.process!.capabilities!.inheritable).toEqual([]);
    expect(spec.linux.seccomp?.defaultAction).toBe("SCMP_ACT_ERRNO");
    expect(spec.linux.resources!.devices![0]).toEqual({ allow: false, access: "rwm" });
    expect(spec.linux.maskedPaths).toContain("/proc/kcore");
    expect(spec.linux.readonlyPaths).toContain("/proc/sys");
    expect(spec.linux.namespaces.map(({ type }) => type).sort()).toEqual(["ipc", "mount", "network", "pid", "uts"]);
    expect(spec.mounts.find(({ destination }) => destination === "/sys")!.options).toContain("ro");
    expect(spec.annotations).toBeUndefined();
  });
  test("privileged", () => {
    const spec = buildSpec({ ...minimal, privileged: true });
    expect(spec.linux.seccomp).toBeUndefined();
    expect(spec.linux.maskedPaths).toEqual([]);
    expect(spec.linux.resources!.devices).toEqual([{ allow: true, access: "rwm" }]);
    expect(spec.linux.devices!.length).toBeGreaterThan(5);
  });
  test("namespaces of others and of the host", () => {
    const spec = buildSpec({
      ...minimal,
      hostname: "h",
      namespaces: { network: { path: "/n", own: true }, pid: "host", ipc: "host", uts: "host", cgroup: "private" },
    });
    expect(spec.linux.namespaces).toEqual([{ type: "mount" }, { type: "network", path: "/n" }, { type: "cgroup" }]);
    expect(spec.hostname).toBeUndefined();
    expect(spec.linux.sysctl).toHaveProperty(["net.ipv4.ping_group_range"]);
    expect(spec.mounts.find(({ destination }) => destination === "/dev/shm")!.source).toBe("/dev/shm");
    expect(buildSpec({ ...minimal, namespaces: { network: "host" } }).linux.sysctl).toBeUndefined();
  });
  test("an init is process 1", () => {
    const spec = buildSpec({ ...minimal, init: "/usr/bin/catatonit" });
    expect(spec.process!.args).toEqual(["/sbin/docker-init", "--", "sh"]);
    expect(spec.mounts.at(-1)).toMatchObject({ source: "/usr/bin/catatonit", destination: "/sbin/docker-init" });
  });
  test.each([
    [{ args: [] }, "no command specified"],
    [{ args: ["a\0b"] }, "NUL"],
    [{ env: ["A=\0"] }, "NUL"],
    [{ cwd: "relative" }, "absolute path"],
    [{ oomScoreAdj: 2000 }, "2000"],
    [{ shmSize: -1 }, "SHM size"],
  ] as [Partial<SpecInput>, string][])("%j", (more, message) => {
    expect(() => buildSpec({ ...minimal, ...more })).toThrow(message);
  });
  test("annotations of the runtime are refused", () => {
    checkAnnotations({ "com.example": "x" });
    for (const name of ["run.oci.seccomp_bpf_data", "Run.OCI.handler"]) {
      expect(() => checkAnnotations({ [name]: "x" })).toThrow(SpecError);
    }
  });
});
