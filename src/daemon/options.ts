/**
 * What the server can be told, by flag and by daemon.json: one table for both, with dockerd's names and meanings
 * (dockerd's reference, "Daemon configuration file").
 */

export type Pool = { base: string; size: number };

export interface DaemonOptions {
  /** `unix:///path`, `tcp://host:port`, `fd://`. */
  hosts: string[];
  dataRoot: string;
  execRoot: string;
  pidfile: string;
  /** Name of the group that may use the socket. */
  group: string;
  debug: boolean;
  logLevel: "debug" | "info" | "warn" | "error" | "fatal";
  bridge: string;
  bip?: string;
  addressPools: Pool[];
  mtu: number;
  registryMirrors: string[];
  insecureRegistries: string[];
  maxConcurrentDownloads: number;
  embeddedHub: "off" | "fallback" | "only";
  liveRestore: boolean;
  /** Derived from the execution root when absent, so that two servers never share one. */
  cgroupParent?: string;
  dns: string[];
  dnsSearch: string[];
  dnsOptions: string[];
  labels: string[];
  tls: boolean;
  tlsVerify: boolean;
  /** `--tls=false` was spelled out: TCP without TLS is wanted. */
  insecureTcp: boolean;
  tlsCaCert: string;
  tlsCert: string;
  tlsKey: string;
  shutdownTimeout: number;
  /** Ready network namespaces that wait for containers. */
  networkPool: number;
  /** Supervisors that wait for containers. */
  supervisorPool: number;
}

export const defaultPools: Pool[] = [
  { base: "172.17.0.0/16", size: 16 },
  { base: "172.18.0.0/16", size: 16 },
  { base: "172.19.0.0/16", size: 16 },
  { base: "172.20.0.0/14", size: 16 },
  { base: "172.24.0.0/14", size: 16 },
  { base: "172.28.0.0/14", size: 16 },
  { base: "192.168.0.0/16", size: 20 },
];

export function defaultOptions(): DaemonOptions {
  return {
    hosts: [],
    dataRoot: "/var/lib/gantry",
    execRoot: "/run/gantry",
    pidfile: "/run/gantry/gantry.pid",
    group: "",
    debug: false,
    logLevel: "info",
    bridge: "gantry0",
    addressPools: defaultPools,
    mtu: 1500,
    registryMirrors: [],
    insecureRegistries: [],
    maxConcurrentDownloads: 3,
    embeddedHub: "fallback",
    liveRestore: true,
    dns: [],
    dnsSearch: [],
    dnsOptions: [],
    labels: [],
    tls: false,
    tlsVerify: false,
    insecureTcp: false,
    tlsCaCert: "",
    tlsCert: "",
    tlsKey: "",
    shutdownTimeout: 15,
    networkPool: 3,
    supervisorPool: 2,
  };
}

/** A value or name that the server refuses. */
export class OptionError extends Error {}

interface Option {
  flag: string;
  short?: string;
  /** The key in daemon.json; undefined when only a flag exists. */
  key?: string;
  kind: "string" | "boolean" | "number" | "list";
  help: string;
  /** Sets the value; throws OptionError without naming the option (the caller does). Lists are set item by item. */
  set(options: DaemonOptions, value: string): void;
}

const text =
  (name: "dataRoot" | "execRoot" | "pidfile" | "group" | "tlsCaCert" | "tlsCert" | "tlsKey") =>
  (options: DaemonOptions, value: string) => {
    options[name] = value;
  };

const path = (name: "dataRoot" | "execRoot" | "pidfile") => (options: DaemonOptions, value: string) => {
  if (!value.startsWith("/")) throw new OptionError(`${JSON.stringify(value)} is not an absolute path`);
  options[name] = value.length > 1 ? value.replace(/\/+$/, "") : value;
};

const flag = (name: "debug" | "liveRestore" | "tls" | "tlsVerify") => (options: DaemonOptions, value: string) => {
  if (!/^(true|false|1|0|t|f|T|F|TRUE|FALSE|True|False)$/.test(value)) {
    throw new OptionError(`${JSON.stringify(value)} is not true or false`);
  }
  options[name] = /^[1tT]/.test(value);
};

const count =
  (
    name: "mtu" | "maxConcurrentDownloads" | "shutdownTimeout" | "networkPool" | "supervisorPool",
    low: number,
    high: number,
  ) =>
  (options: DaemonOptions, value: string) => {
    const number = Number(value);
    if (!Number.isInteger(number) || number < low || number > high) {
      throw new OptionError(`${JSON.stringify(value)} is not a whole number from ${low} to ${high}`);
    }
    options[name] = number;
  };

const list =
  (name: "registryMirrors" | "insecureRegistries" | "dns" | "dnsSearch" | "dnsOptions" | "labels") =>
  (options: DaemonOptions, value: string) => {
    options[name] = [...options[name], value];
  };

function setTls(options: DaemonOptions, value: string): void {
  flag("tls")(options, value);
  options.insecureTcp = !options.tls;
}

function setHost(options: DaemonOptions, value: string): void {
  const host = /^[a-z]+:\/\//.test(value) ? value : `tcp://${value}`;
  if (!/^(unix:\/\/\/.+|tcp:\/\/[^/]*:\d{1,5}|fd:\/\/.*)$/.test(host)) {
    throw new OptionError(`${JSON.stringify(value)} is not unix:///PATH, tcp://ADDRESS:PORT or fd://`);
  }
  options.hosts = [...options.hosts, host];
}

function setLevel(options: DaemonOptions, value: string): void {
  const levels = ["debug", "info", "warn", "error", "fatal"] as const;
  const level = levels.find((one) => one === value);
  if (level === undefined) throw new OptionError(`${JSON.stringify(value)} is not one of ${levels.join(", ")}`);
  options.logLevel = level;
}

function setHub(options: DaemonOptions, value: string): void {
  if (value !== "off" && value !== "fallback" && value !== "only") {
    throw new OptionError(`${JSON.stringify(value)} is not off, fallback or only`);
  }
  options.embeddedHub = value;
}

function setBridge(options: DaemonOptions, value: string): void {
  // IFNAMSIZ is 16 with the NUL; the nft table is named after it.
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$/.test(value)) {
    throw new OptionError(`${JSON.stringify(value)} is not an interface name of at most 15 characters`);
  }
  options.bridge = value;
}

function setParent(options: DaemonOptions, value: string): void {
  if (!/^\/?[a-zA-Z0-9][a-zA-Z0-9_.:/-]*$/.test(value) || value.includes("..") || value.includes("//")) {
    throw new OptionError(`${JSON.stringify(value)} is not a cgroup path`);
  }
  options.cgroupParent = value.startsWith("/") ? value : `/${value}`;
}

function setPool(options: DaemonOptions, value: string): void {
  const fields = new Map(value.split(",").map((part) => part.split("=", 2) as [string, string]));
  addPool(options, fields.get("base") ?? "", Number(fields.get("size")));
}

function addPool(options: DaemonOptions, base: string, size: number): void {
  const [address = "", prefix] = base.split("/");
  const bits = Number(prefix);
  const valid = /^\d{1,3}(\.\d{1,3}){3}$/.test(address) && address.split(".").every((part) => Number(part) <= 255);
  if (
    !valid ||
    !Number.isInteger(bits) ||
    bits < 1 ||
    bits > 30 ||
    !Number.isInteger(size) ||
    size < bits ||
    size > 30
  ) {
    throw new OptionError(`base=${base},size=${size} is not an address pool (base=172.30.0.0/16,size=24 is one)`);
  }
  options.addressPools = [...(options.addressPools === defaultPools ? [] : options.addressPools), { base, size }];
}

function setBip(options: DaemonOptions, value: string): void {
  if (!/^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/.test(value)) {
    throw new OptionError(`${JSON.stringify(value)} is not an address with prefix length (172.30.0.1/16 is one)`);
  }
  options.bip = value;
}

export const daemonOptions: Option[] = [
  { flag: "host", short: "H", key: "hosts", kind: "list", help: "Daemon socket(s) to connect to", set: setHost },
  {
    flag: "data-root",
    key: "data-root",
    kind: "string",
    help: "Root directory of persistent state",
    set: path("dataRoot"),
  },
  {
    flag: "exec-root",
    key: "exec-root",
    kind: "string",
    help: "Root directory for execution state files",
    set: path("execRoot"),
  },
  {
    flag: "pidfile",
    short: "p",
    key: "pidfile",
    kind: "string",
    help: "Path to use for daemon PID file",
    set: path("pidfile"),
  },
  { flag: "group", short: "G", key: "group", kind: "string", help: "Group for the unix socket", set: text("group") },
  { flag: "debug", short: "D", key: "debug", kind: "boolean", help: "Enable debug mode", set: flag("debug") },
  {
    flag: "log-level",
    short: "l",
    key: "log-level",
    kind: "string",
    help: "debug, info, warn, error or fatal",
    set: setLevel,
  },
  { flag: "bridge", short: "b", key: "bridge", kind: "string", help: "Name of the containers' bridge", set: setBridge },
  { flag: "bip", key: "bip", kind: "string", help: "IPv4 address of the bridge", set: setBip },
  { flag: "default-address-pool", kind: "list", help: "Address pool for networks (base=…,size=…)", set: setPool },
  { flag: "mtu", key: "mtu", kind: "number", help: "MTU of the containers' network", set: count("mtu", 68, 65535) },
  {
    flag: "registry-mirror",
    key: "registry-mirrors",
    kind: "list",
    help: "Preferred registry mirror",
    set: list("registryMirrors"),
  },
  {
    flag: "insecure-registry",
    key: "insecure-registries",
    kind: "list",
    help: "Allow plain HTTP and unverified TLS with this registry",
    set: list("insecureRegistries"),
  },
  {
    flag: "max-concurrent-downloads",
    key: "max-concurrent-downloads",
    kind: "number",
    help: "Layers of one pull that are fetched at a time",
    set: count("maxConcurrentDownloads", 1, 100),
  },
  {
    flag: "embedded-hub",
    key: "embedded-hub",
    kind: "string",
    help: "off, fallback or only: when images come from the hub in this server",
    set: setHub,
  },
  {
    flag: "live-restore",
    key: "live-restore",
    kind: "boolean",
    help: "Leave containers running when the server ends",
    set: flag("liveRestore"),
  },
  {
    flag: "cgroup-parent",
    key: "cgroup-parent",
    kind: "string",
    help: "Parent cgroup of all containers",
    set: setParent,
  },
  { flag: "dns", key: "dns", kind: "list", help: "DNS server for containers", set: list("dns") },
  {
    flag: "dns-search",
    key: "dns-search",
    kind: "list",
    help: "DNS search domain for containers",
    set: list("dnsSearch"),
  },
  { flag: "dns-opt", key: "dns-opts", kind: "list", help: "DNS option for containers", set: list("dnsOptions") },
  { flag: "label", key: "labels", kind: "list", help: "key=value label of the server", set: list("labels") },
  { flag: "tls", key: "tls", kind: "boolean", help: "Use TLS; implied by --tlsverify", set: setTls },
  {
    flag: "tlsverify",
    key: "tlsverify",
    kind: "boolean",
    help: "Use TLS and verify the client",
    set: flag("tlsVerify"),
  },
  {
    flag: "tlscacert",
    key: "tlscacert",
    kind: "string",
    help: "Trust only certificates signed by this CA",
    set: text("tlsCaCert"),
  },
  { flag: "tlscert", key: "tlscert", kind: "string", help: "Path to the TLS certificate", set: text("tlsCert") },
  { flag: "tlskey", key: "tlskey", kind: "string", help: "Path to the TLS key", set: text("tlsKey") },
  {
    flag: "shutdown-timeout",
    key: "shutdown-timeout",
    kind: "number",
    help: "Seconds for containers to end without live-restore",
    set: count("shutdownTimeout", 0, 3600),
  },
  {
    flag: "network-pool",
    key: "network-pool",
    kind: "number",
    help: "Ready network namespaces kept for new containers",
    set: count("networkPool", 0, 64),
  },
  {
    flag: "supervisor-pool",
    key: "supervisor-pool",
    kind: "number",
    help: "Supervisors (conmon and crun) kept ready for new containers",
    set: count("supervisorPool", 0, 64),
  },
];

export { addPool };
