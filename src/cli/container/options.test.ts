import { expect, test } from "bun:test";
import { csvFields } from "./csv.ts";
import {
  checkCgroupRule,
  parseDevices,
  parseGpus,
  parseIopsDevice,
  parseRateDevice,
  parseWeightDevice,
} from "./devices.ts";
import { checkLabel, checkVariable, parsePairs } from "./environment.ts";
import { cpus, parseUlimit } from "./limits.ts";
import { parseMount } from "./mounts.ts";
import { checkMac, networksOf, parseNetwork } from "./networks.ts";
import { parsePorts } from "./ports.ts";
import { portsText } from "./ports-text.ts";
import { capabilitySets, restartPolicy } from "./request.ts";
import { parseSecurity } from "./security.ts";
import { parseVolumes } from "./volumes.ts";

/** What each input is refused with: Docker's texts, as its client prints them. */
function refused(parse: (text: string) => unknown, cases: [string, string][]): void {
  for (const [text, reason] of cases) {
    let message = "nothing";
    try {
      parse(text);
    } catch (error) {
      message = (error as Error).message;
    }
    expect([text, message]).toEqual([text, reason]);
  }
}

test("ports: each form, ranges, protocols", () => {
  const { exposed, bindings } = parsePorts(
    [
      "80",
      "8080:81",
      "127.0.0.1:443:443/udp",
      "[::1]::90",
      "8000-8005:91",
      "7000-7001:100-101",
      "published=5,target=6,protocol=udp",
    ],
    ["200-201/udp", "80"],
  );
  expect(bindings).toEqual({
    "80/tcp": [{ HostIp: "", HostPort: "" }],
    "81/tcp": [{ HostIp: "", HostPort: "8080" }],
    "443/udp": [{ HostIp: "127.0.0.1", HostPort: "443" }],
    "90/tcp": [{ HostIp: "::1", HostPort: "" }],
    "91/tcp": [{ HostIp: "", HostPort: "8000-8005" }],
    "100/tcp": [{ HostIp: "", HostPort: "7000" }],
    "101/tcp": [{ HostIp: "", HostPort: "7001" }],
    "6/udp": [{ HostIp: "", HostPort: "5" }],
  });
  expect(exposed).toContain("201/udp");
  refused(
    (text) => parsePorts([text], []),
    [
      ["80:x", "invalid containerPort: x"],
      ["x:80", "invalid hostPort: x"],
      ["1:2:3:4", "invalid IP address: 1:2"],
      ["80/foo", "invalid proto: foo"],
      ["1-2:1-3", "invalid ranges specified for container and host Ports: 1-3 and 1-2"],
      ["1.2.3:80:90", "invalid IP address: 1.2.3"],
      [":::", "invalid IP address: :"],
      ["", "no port specified: <empty>"],
      ["80:", "no port specified: 80:<empty>"],
      ["80-79", "invalid containerPort: 80-79"],
      ["65536", "invalid containerPort: 65536"],
      ["a=b,c", "invalid publish opts format (should be name=value but got 'c')"],
    ],
  );
  refused(
    (text) => parsePorts([], [text]),
    [
      ["x", 'invalid range format for --expose: x, error: strconv.ParseUint: parsing "x": invalid syntax'],
      ["5-2", "invalid range format for --expose: 5-2, error: invalid range specified for port: 5-2"],
      ["1:2", "invalid port format for --expose: 1:2"],
    ],
  );
});

test("ports as ps shows them", () => {
  const port = (PrivatePort: number, PublicPort?: number, IP?: string, Type = "tcp") => ({
    PrivatePort,
    ...(PublicPort === undefined ? {} : { PublicPort }),
    ...(IP === undefined ? {} : { IP }),
    Type: Type as "tcp",
  });
  expect(portsText([port(81), port(80), port(90)])).toBe("80-81/tcp, 90/tcp");
  expect(portsText([port(80, 8080, "0.0.0.0"), port(80, 8080, "::"), port(9, 9, "::"), port(10, 10, "::")])).toBe(
    "[::]:9-10->9-10/tcp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
  );
  expect(portsText(null)).toBe("");
});

test("volumes: paths are made absolute, names stay, targets alone are anonymous", () => {
  expect(parseVolumes(["/a:/b", "vol:/c:ro", "./rel:/r", "/anon", ":", "a:b", "/a:/b"])).toEqual({
    binds: ["/a:/b", "vol:/c:ro", `${process.cwd()}/rel:/r`],
    anonymous: ["/anon", ":", "a:b"],
  });
  refused(
    (text) => parseVolumes([text]),
    [
      ["", "invalid empty volume spec"],
      ["/a:/b:ro:z", "invalid spec: /a:/b:ro:z: too many colons"],
      ["/a::ro", "invalid spec: /a::ro: empty section between colons"],
    ],
  );
});

test("mounts", () => {
  expect(parseMount("type=bind,src=/a,dst=/b,readonly,bind-propagation=rslave")).toEqual({
    Type: "bind",
    Source: "/a",
    Target: "/b",
    ReadOnly: true,
    BindOptions: { Propagation: "rslave" },
  });
  expect(parseMount('TYPE=tmpfs,"target=/a,b",tmpfs-size=1k,tmpfs-mode=1777')).toEqual({
    Type: "tmpfs",
    Target: "/a,b",
    TmpfsOptions: { SizeBytes: 1024, Mode: 0o1777 },
  });
  expect(parseMount("dst=/v,volume-opt=a=b=c,volume-label=x,volume-nocopy=0")).toEqual({
    Type: "volume",
    Target: "/v",
    VolumeOptions: { DriverConfig: { Options: { a: "b=c" } }, Labels: { x: "" }, NoCopy: false },
  });
  refused(parseMount, [
    ["", "EOF"],
    ["type", "invalid field 'type' must be a key=value pair"],
    ["type=bind", "target is required"],
    ["foo=bar,target=/x", "unexpected key 'foo' in 'foo=bar'"],
    ["type=bind,volume-driver=x,dst=/x", "cannot mix 'volume-*' options with mount type 'bind'"],
    ["bind-propagation=shared,target=/x", "cannot mix 'bind-*' options with mount type 'volume'"],
    ["tmpfs-size=1,dst=/x", "cannot mix 'tmpfs-*' options with mount type 'volume'"],
    ["type=bind,readonly=maybe,dst=/x", "invalid value for readonly: maybe"],
    ["type=tmpfs,tmpfs-size=x,dst=/x", "invalid value for tmpfs-size: x"],
    ["type=tmpfs,tmpfs-mode=9,dst=/x", "invalid value for tmpfs-mode: 9"],
    [
      "type=bind,bind-recursive=foo,dst=/x",
      'invalid value for bind-recursive: foo (must be "enabled", "disabled", "writable", or "readonly")',
    ],
    [
      "type=bind,bind-recursive=readonly,ro,dst=/x",
      "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction",
    ],
  ]);
});

test("comma-separated values", () => {
  expect(csvFields('a,"b,c","d""e",')).toEqual(["a", "b,c", 'd"e', ""]);
  refused(csvFields, [
    ["", "EOF"],
    ['a"b', 'parse error on line 1, column 2: bare " in non-quoted-field'],
    ['"a', 'parse error on line 1, column 3: extraneous or missing " in quoted-field'],
    ['"a"b', 'parse error on line 1, column 3: extraneous or missing " in quoted-field'],
  ]);
  // Quoting any fields and reading them gives them back.
  let state = 7;
  const next = (limit: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % limit;
  };
  for (let round = 0; round < 300; round++) {
    const fields = Array.from({ length: 1 + next(5) }, () =>
      Array.from({ length: 1 + next(6) }, () => 'ab ,"='[next(6)]).join(""),
    );
    expect(csvFields(fields.map((field) => `"${field.replaceAll('"', '""')}"`).join(","))).toEqual(fields);
  }
});

const noFlags = { "network-alias": [], link: [], ip: "", ip6: "", "link-local-ip": [], "mac-address": "" };

test("networks", () => {
  const long = parseNetwork("name=net1,alias=a,alias=b,ip=1.2.3.4,driver-opt=K=v,gw-priority=5");
  expect(networksOf([long], { ...noFlags, ip6: "::1", link: ["x:y"] })).toEqual({
    mode: "net1",
    endpoints: {
      net1: {
        Aliases: ["a", "b"],
        Links: ["x:y"],
        DriverOpts: { k: "v" },
        IPAMConfig: { IPv4Address: "1.2.3.4", IPv6Address: "::1" },
        GwPriority: 5,
      },
    },
  });
  expect(networksOf([], { ...noFlags, link: ["x:y"] })).toEqual({ mode: "default", endpoints: { default: {} } });
  refused(parseNetwork, [
    ["name=x,foo=bar", "invalid field key foo"],
    ["name=x,driver-opt=a", "invalid key value pair format in driver options"],
    ["alias=x", "network name/id is not specified"],
  ]);
  const networks = (names: string[], flags = {}) => networksOf(names.map(parseNetwork), { ...noFlags, ...flags });
  expect(() => networks(["a", "a"])).toThrow('network "a" is specified multiple times');
  expect(() => networks(["a", "host"])).toThrow("cannot attach both user-defined and non-user-defined");
  expect(() => networks([""])).toThrow("no name set for network");
  expect(() => networks([], { "network-alias": ["x"] })).toThrow("network-scoped aliases are only supported");
  expect(() => networks(["name=a,ip=1.2.3.4"], { ip: "1.2.3.5" })).toThrow(
    "conflicting options: cannot specify both --ip and per-network IPv4 address",
  );
  expect(checkMac("02-42-ac-11-00-02")).toBe("02-42-ac-11-00-02");
  refused(checkMac, [
    ["x", "x is not a valid mac address"],
    ["02:42-ac:11:00:02", "02:42-ac:11:00:02 is not a valid mac address"],
  ]);
});

test("devices and their limits", () => {
  expect(parseDevices(["/dev/null", "/dev/zero:/dev/x", "/dev/full:r", "/a:/b:rw", "vendor.com/class=gpu0"])).toEqual({
    mappings: [
      { PathOnHost: "/dev/null", PathInContainer: "/dev/null", CgroupPermissions: "rwm" },
      { PathOnHost: "/dev/zero", PathInContainer: "/dev/x", CgroupPermissions: "rwm" },
      { PathOnHost: "/dev/full", PathInContainer: "/dev/full", CgroupPermissions: "r" },
      { PathOnHost: "/a", PathInContainer: "/b", CgroupPermissions: "rw" },
    ],
    cdi: ["vendor.com/class=gpu0"],
  });
  refused(
    (text) => parseDevices([text]),
    [
      ["", "bad format for path: "],
      ["a:b:c:d", "bad format for path: a:b:c:d"],
      ["/dev/null:/x:q", "bad mode specified: q"],
      ["null", "null is not an absolute path"],
    ],
  );
  expect(parseGpus("2", [])).toEqual([{ Capabilities: [["gpu"]], Options: {}, Count: 2 }]);
  expect(parseGpus('"device=1,2",capabilities=compute', [])).toEqual([
    { Capabilities: [["compute", "gpu"]], Options: {}, DeviceIDs: ["1", "2"] },
  ]);
  refused(
    (text) => parseGpus(text, []),
    [
      ["x", 'invalid count (x): value must be either "all" or an integer: invalid syntax'],
      ["foo=bar", "unexpected key 'foo' in 'foo=bar'"],
      ["1,count=2", "gpu request key 'count' can be specified only once"],
    ],
  );
  expect(checkCgroupRule("c 1:* rwm")).toBe("c 1:* rwm");
  refused(checkCgroupRule, [["x", "invalid device cgroup format 'x'"]]);
  expect(parseWeightDevice("/dev/x:500")).toEqual({ Path: "/dev/x", Weight: 500 });
  expect(parseRateDevice("/dev/x:1mb")).toEqual({ Path: "/dev/x", Rate: 1048576 });
  expect(parseIopsDevice("/dev/x:5")).toEqual({ Path: "/dev/x", Rate: 5 });
  refused(parseWeightDevice, [
    ["x", "bad format: x"],
    ["/x:1", "bad format for device path: /x:1"],
    ["/dev/x:5", "invalid weight for device: /dev/x:5"],
  ]);
});

test("limits", () => {
  expect(parseUlimit("nofile=1:2")).toEqual({ Name: "nofile", Soft: 1, Hard: 2 });
  expect(parseUlimit("core=-1")).toEqual({ Name: "core", Soft: -1, Hard: -1 });
  refused(parseUlimit, [
    ["x", "invalid ulimit argument: x"],
    ["foo=1", "invalid ulimit type: foo"],
    ["nofile=x", 'strconv.ParseInt: parsing "x": invalid syntax'],
    ["nofile=5:2", "ulimit soft limit must be less than or equal to hard limit: 5 > 2"],
    ["nofile=-1:2", "ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: 2"],
    ["nofile=1:2:3", "too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`"],
  ]);
  const parse = (text: string) => cpus("").set(text, 0);
  expect(["1.5", ".5", "1/2", "1e1", "-1", "0.000000001"].map(parse)).toEqual([15e8, 5e8, 5e8, 1e10, -1e9, 1]);
  refused(parse, [
    ["x", "failed to parse x as a rational number"],
    ["", "failed to parse  as a rational number"],
    ["1/0", "failed to parse 1/0 as a rational number"],
    ["0.0000000001", "value is too precise"],
    ["1/3", "value is too precise"],
  ]);
});

test("environment and labels", () => {
  process.env.GANTRY_TEST_VARIABLE = "own";
  try {
    expect(["A=1", "A=", "NOT_SET_ANYWHERE", "GANTRY_TEST_VARIABLE"].map(checkVariable)).toEqual([
      "A=1",
      "A=",
      "NOT_SET_ANYWHERE",
      "GANTRY_TEST_VARIABLE=own",
    ]);
  } finally {
    delete process.env.GANTRY_TEST_VARIABLE;
  }
  refused(checkVariable, [
    ["=", "invalid environment variable: ="],
    ["=x", "invalid environment variable: =x"],
  ]);
  refused(checkLabel, [
    ["", "invalid label '': empty name"],
    ["=b", "invalid label '=b': empty name"],
    ["a b=c", "label 'a b=c' contains whitespaces"],
  ]);
  const lookup = (name: string) => (name === "KNOWN" ? "v" : undefined);
  expect(parsePairs("f", "\uFEFFA=1\r\n  # no\n\n  B= 2 \nKNOWN\nUNKNOWN\nC=a=b", lookup)).toEqual([
    "A=1",
    "B= 2 ",
    "KNOWN=v",
    "C=a=b",
  ]);
  refused(
    (text) => parsePairs("f", text, lookup),
    [
      ["=x", "invalid env file (f): no variable name on line '=x'"],
      ["a b=x", "invalid env file (f): variable 'a b' contains whitespaces"],
    ],
  );
});

test("security options, restart policies, capabilities", () => {
  expect(parseSecurity(["no-new-privileges", "seccomp=unconfined", "systempaths=unconfined", "label:disable"])).toEqual(
    {
      options: ["no-new-privileges", "seccomp=unconfined", "label:disable"],
      systemPaths: true,
    },
  );
  refused(
    (text) => parseSecurity([text]),
    [
      ["x", 'Invalid --security-opt: "x"'],
      [
        "seccomp=/nonexistent",
        "opening seccomp profile (/nonexistent) failed: open /nonexistent: no such file or directory",
      ],
    ],
  );
  expect(restartPolicy("on-failure:3") as object).toEqual({ Name: "on-failure", MaximumRetryCount: 3 });
  refused(restartPolicy, [
    [":2", "invalid restart policy format: no policy provided before colon"],
    ["a:b", "invalid restart policy format: maximum retry count must be an integer"],
  ]);
  expect(capabilitySets(["sys_admin", "CAP_CHOWN", "sys_admin"], ["all", "chown"])).toEqual({
    add: ["CAP_CHOWN", "CAP_SYS_ADMIN"],
    drop: ["ALL"],
  });
});
