/** The flags that `run` and `create` share: all that says what container to make. */

import { isIP } from "node:net";
import type { DeviceRequest, ThrottleDevice } from "@docker/node-sdk";
import { bool, custom, cut, int, list, map, optional, optionalInt, quote, string, uint } from "../flags/flag.ts";
import { checkCgroupRule, parseGpus, parseIopsDevice, parseRateDevice, parseWeightDevice } from "./devices.ts";
import { checkLabel, checkVariable } from "./environment.ts";
import { bytes, cpus, duration, swapBytes, ulimitFlag } from "./limits.ts";
import { type MountRequest, parseMount } from "./mounts.ts";
import { type NetworkOption, parseNetwork } from "./networks.ts";

const throttle = (help: string, parse: (text: string) => { Path: string; Rate: number }) =>
  custom<ThrottleDevice[]>(
    help,
    { type: "list", shown: "(default [])" },
    () => [],
    (text, before) => [...before, parse(text)],
  );

export const containerFlags = {
  "add-host": list("Add a custom host-to-IP mapping (host:ip)", {}, checkHost),
  annotation: map("Add an annotation to the container (passed through to the OCI runtime)"),
  attach: list("Attach to STDIN, STDOUT or STDERR", { short: "a" }, checkStream),
  "blkio-weight": uint("Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)", 16),
  "blkio-weight-device": custom<{ Path: string; Weight: number }[]>(
    "Block IO weight (relative device weight)",
    { type: "list", shown: "(default [])" },
    () => [],
    (text, before) => [...before, parseWeightDevice(text)],
  ),
  "cap-add": list("Add Linux capabilities"),
  "cap-drop": list("Drop Linux capabilities"),
  "cgroup-parent": string("Optional parent cgroup for the container"),
  cgroupns: string(
    `Cgroup namespace to use (host|private)
'host':    Run the container in the Docker host's cgroup namespace
'private': Run the container in its own private cgroup namespace
'':        Use the cgroup namespace as configured by the
           default-cgroupns-mode option on the daemon (default)`,
  ),
  cidfile: string("Write the container ID to the file"),
  "cpu-count": int("CPU count (Windows only)", { hidden: true }),
  "cpu-percent": int("CPU percent (Windows only)", { hidden: true }),
  "cpu-period": int("Limit CPU CFS (Completely Fair Scheduler) period"),
  "cpu-quota": int("Limit CPU CFS (Completely Fair Scheduler) quota"),
  "cpu-rt-period": int("Limit CPU real-time period in microseconds"),
  "cpu-rt-runtime": int("Limit CPU real-time runtime in microseconds"),
  "cpu-shares": int("CPU shares (relative weight)", { short: "c" }),
  cpus: cpus("Number of CPUs"),
  "cpuset-cpus": string("CPUs in which to allow execution (0-3, 0,1)"),
  "cpuset-mems": string("MEMs in which to allow execution (0-3, 0,1)"),
  device: list("Add a host device to the container"),
  "device-cgroup-rule": custom<string[]>(
    "Add a rule to the cgroup allowed devices list",
    { type: "list" },
    () => [],
    (text, before) => [...before, checkCgroupRule(text)],
  ),
  "device-read-bps": throttle("Limit read rate (bytes per second) from a device", parseRateDevice),
  "device-read-iops": throttle("Limit read rate (IO per second) from a device", parseIopsDevice),
  "device-write-bps": throttle("Limit write rate (bytes per second) to a device", parseRateDevice),
  "device-write-iops": throttle("Limit write rate (IO per second) to a device", parseIopsDevice),
  "disable-content-trust": bool("Skip image verification", { default: true }),
  dns: list("Set custom DNS servers", {}, checkAddress),
  "dns-opt": list("Set DNS options", { hidden: true }),
  "dns-option": list("Set DNS options"),
  "dns-search": list("Set custom DNS search domains", {}, checkDomain),
  domainname: string("Container NIS domain name"),
  entrypoint: optional("Overwrite the default ENTRYPOINT of the image"),
  env: list("Set environment variables", { short: "e" }, checkVariable),
  "env-file": list("Read in a file of environment variables"),
  expose: list("Expose a port or a range of ports"),
  gpus: custom<DeviceRequest[]>(
    "GPU devices to add to the container ('all' to pass all GPUs)",
    { type: "gpu-request" },
    () => [],
    parseGpus,
  ),
  "group-add": list("Add additional groups to join"),
  "health-cmd": string("Command to run to check health"),
  "health-interval": duration("Time between running the check (ms|s|m|h)"),
  "health-retries": int("Consecutive failures needed to report unhealthy"),
  "health-start-interval": duration("Time between running the check during the start period (ms|s|m|h)"),
  "health-start-period": duration(
    "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h)",
  ),
  "health-timeout": duration("Maximum time to allow one check to run (ms|s|m|h)"),
  hostname: string("Container host name", { short: "h" }),
  init: bool("Run an init inside the container that forwards signals and reaps processes"),
  interactive: bool("Keep STDIN open even if not attached", { short: "i" }),
  "io-maxbandwidth": bytes("Maximum IO bandwidth limit for the system drive (Windows only)", { hidden: true }),
  "io-maxiops": uint("Maximum IOps limit for the system drive (Windows only)", 64, { hidden: true }),
  ip: string("IPv4 address (e.g., 172.30.100.104)"),
  ip6: string("IPv6 address (e.g., 2001:db8::33)"),
  ipc: string("IPC mode to use"),
  isolation: string("Container isolation technology"),
  "kernel-memory": bytes("Kernel memory limit"),
  label: list("Set meta data on a container", { short: "l" }, checkLabel),
  "label-file": list("Read in a line delimited file of labels"),
  link: list("Add link to another container", {}, checkLink),
  "link-local-ip": list("Container IPv4/IPv6 link-local addresses"),
  "log-driver": string("Logging driver for the container"),
  "log-opt": list("Log driver options"),
  "mac-address": string("Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
  memory: bytes("Memory limit", { short: "m" }),
  "memory-reservation": bytes("Memory soft limit"),
  "memory-swap": swapBytes("Swap limit equal to memory plus swap: '-1' to enable unlimited swap"),
  "memory-swappiness": int("Tune container memory swappiness (0 to 100)", { default: -1 }),
  mount: custom<MountRequest[]>(
    "Attach a filesystem mount to the container",
    { type: "mount" },
    () => [],
    (text, before) => [...before, parseMount(text)],
  ),
  name: string("Assign a name to the container"),
  net: custom<NetworkOption[]>(
    "Connect a container to a network",
    { type: "network", hidden: true },
    () => [],
    (text, before) => [...before, parseNetwork(text)],
  ),
  "net-alias": list("Add network-scoped alias for the container", { hidden: true }),
  network: custom<NetworkOption[]>(
    "Connect a container to a network",
    { type: "network" },
    () => [],
    (text, before) => [...before, parseNetwork(text)],
  ),
  "network-alias": list("Add network-scoped alias for the container"),
  "no-healthcheck": bool("Disable any container-specified HEALTHCHECK"),
  "oom-kill-disable": bool("Disable OOM Killer"),
  "oom-score-adj": int("Tune host's OOM preferences (-1000 to 1000)"),
  pid: string("PID namespace to use"),
  "pids-limit": int("Tune container pids limit (set -1 for unlimited)"),
  platform: string("Set platform if server is multi-platform capable"),
  privileged: bool("Give extended privileges to this container"),
  publish: list("Publish a container's port(s) to the host", { short: "p" }),
  "publish-all": bool("Publish all exposed ports to random ports", { short: "P" }),
  quiet: bool("Suppress the pull output", { short: "q" }),
  "read-only": bool("Mount the container's root filesystem as read only"),
  restart: string("Restart policy to apply when a container exits", { default: "no" }),
  rm: bool("Automatically remove the container and its associated anonymous volumes when it exits"),
  runtime: string("Runtime to use for this container"),
  "security-opt": list("Security Options"),
  "shm-size": bytes("Size of /dev/shm"),
  "stop-signal": string("Signal to stop the container"),
  "stop-timeout": optionalInt("Timeout (in seconds) to stop a container"),
  "storage-opt": list("Storage driver options for the container"),
  sysctl: map("Sysctl options", {}, checkSysctl),
  tmpfs: list("Mount a tmpfs directory"),
  tty: bool("Allocate a pseudo-TTY", { short: "t" }),
  ulimit: ulimitFlag("Ulimit options"),
  "use-api-socket": bool("Bind mount Docker API socket and required auth"),
  user: string("Username or UID (format: <name|uid>[:<group|gid>])", { short: "u" }),
  userns: string("User namespace to use"),
  uts: string("UTS namespace to use"),
  volume: list("Bind mount a volume", { short: "v" }),
  "volume-driver": string("Optional volume driver for the container"),
  "volumes-from": list("Mount volumes from the specified container(s)"),
  workdir: string("Working directory inside the container", { short: "w" }),
  help: bool("Print usage"),
};

function checkHost(text: string): string {
  const separator = text.includes("=") ? "=" : ":";
  const at = text.indexOf(separator);
  if (at <= 0) throw new Error(`bad format for add-host: ${quote(text)}`);
  const host = text.slice(0, at);
  const address = text.slice(at + 1).replace(/^\[(.*)\]$/, "$1");
  if (address !== "host-gateway" && isIP(address) === 0) {
    throw new Error(`invalid IP address in add-host: ${quote(address)}`);
  }
  return `${host}:${address}`;
}

function checkStream(text: string): string {
  const stream = text.toLowerCase();
  if (stream === "stdin" || stream === "stdout" || stream === "stderr") return stream;
  throw new Error("valid streams are STDIN, STDOUT and STDERR");
}

function checkAddress(text: string): string {
  const address = text.trim();
  if (isIP(address) !== 0) return address;
  throw new Error(`IP address is not correctly formatted: ${text}`);
}

const label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const domain = new RegExp(`^${label}(?:\\.${label})*\\.?$`);

function checkDomain(text: string): string {
  const name = text.trim();
  if (name === ".") return name;
  if (name.length < 255 && /[a-zA-Z]/.test(name) && domain.test(name)) return name;
  throw new Error(`${text} is not a valid domain`);
}

function checkLink(text: string): string {
  const parts = text.split(":");
  if (text === "" || parts.length > 2 || parts[0] === "") throw new Error(`bad format for links: ${text}`);
  return text;
}

const sysctls =
  /^(?:kernel\.(?:msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|net\..+|fs\.mqueue\..+)$/;

function checkSysctl(text: string): string {
  const { key, found } = cut(text);
  if (!found || !sysctls.test(key)) throw new Error(`sysctl '${text}' is not allowed`);
  return text;
}
