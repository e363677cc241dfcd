/**
 * Every flag of `docker run --help` has its effect, or is refused by name; none is ignored. The list of flags is taken
 * from the stock client when the test runs.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  type Client,
  clients,
  describeNeeding,
  engineNeeds,
  find,
  type Lab,
  needing,
  program,
  run,
  startLab,
} from "./harness/harness.ts";

// A test that takes longer is ended with everything that this process started, the server too.
setDefaultTimeout(60_000);

const unified = existsSync("/sys/fs/cgroup/cgroup.controllers");

/** Some block device, for limits that name one. */
const disk = readdirSync("/dev").find((name) => /^(vda|sda|nvme\d+n1|loop0)$/.test(name)) ?? "none";
const { rdev } = existsSync(`/dev/${disk}`) ? statSync(`/dev/${disk}`) : { rdev: 0 };
const diskNumber = `${rdev >> 8}:${rdev & 0xff}`;

interface Case {
  args: string[];
  /** For `sh -c`; or the words that follow the image. */
  run?: string | string[];
  /** Exactly, or a pattern. */
  stdout?: string | RegExp;
  stderr?: string | RegExp;
  code?: number;
  /** It is refused with 125 (or `code`), and these words. */
  refused?: RegExp;
  /** What one of the streams says. */
  either?: RegExp;
  /** What `inspect -f` says of it. */
  inspect?: [format: string, answer: string | RegExp];
  only?: "docker" | "gantry";
  /** Not on this machine. */
  skip?: boolean;
}

/** What the control group holds: the file's name on version 1 (with its controller) and on version 2. */
function limit(
  args: string[],
  v1: [file: string, value: string] | undefined,
  v2: [file: string, value: string] | undefined,
): Case {
  const [file, value] = (unified ? v2 : v1) ?? ["", ""];
  if (file === "") return { args, skip: true };
  return { args, run: `cat /sys/fs/cgroup/${file}`, stdout: new RegExp(`^${value}$`, "m") };
}

const capability = (name: string) => `grep ${name} /proc/self/status | cut -f 2`;

/** By flag. `elsewhere` names the file that tests it. */
function table(folder: string): Record<string, Case[] | { elsewhere: string }> {
  const weight = "cd /sys/fs/cgroup; cat blkio/blkio.weight* io.bfq.weight io.weight 2> /dev/null; true";
  const windows = /windows/i;
  return {
    "add-host": [
      { args: ["--add-host", "somewhere:10.1.2.3"], run: "grep somewhere /etc/hosts", stdout: "10.1.2.3\tsomewhere\n" },
      { args: ["--add-host", "gate:host-gateway"], run: "grep gate /etc/hosts", stdout: /^\d+\.\d+\.\d+\.1\tgate\n$/ },
      { args: ["--add-host", "somewhere"], refused: /bad format for add-host: "?somewhere/ },
      { args: ["--add-host", "somewhere:nowhere"], refused: /invalid IP address in add-host: "?nowhere/ },
    ],
    annotation: [
      {
        args: ["--annotation", "org.example.a=b"],
        inspect: ['{{index .HostConfig.Annotations "org.example.a"}}', "b"],
      },
      { args: ["--annotation", "run.oci.keep_original_groups=1"], refused: /run\.oci\.keep_original_groups/ },
    ],
    attach: [
      { args: ["-a", "stdout"], run: "echo out; echo err >&2", stdout: "out\n", stderr: "" },
      { args: ["-a", "stderr"], run: "echo out; echo err >&2", stdout: "", stderr: "err\n" },
      { args: ["-a", "stdfoo"], refused: /stdfoo/ },
    ],
    "blkio-weight": [
      // Kernels without weights are told of in Docker's words.
      {
        args: ["--blkio-weight", "300"],
        run: weight,
        either: /^(default )?300$|^default 2930$|Weight discarded/m,
        code: 0,
      },
      { args: ["--blkio-weight", "5"], refused: /Range of blkio weight is from 10 to 1000/ },
    ],
    "blkio-weight-device": [
      {
        args: ["--blkio-weight-device", `/dev/${disk}:200`],
        run: weight,
        either: new RegExp(`^${diskNumber} (200|1920)$|Weight-device discarded`, "m"),
        skip: unified && !usesBfq(),
      },
      { args: ["--blkio-weight-device", "/dev/no-such:200"], refused: /no-such/, code: 127 },
    ],
    "cap-add": [
      { args: ["--cap-add", "NET_ADMIN"], run: capability("CapEff"), stdout: "00000000a80435fb\n" },
      { args: ["--cap-add", "NO_SUCH"], refused: /NO_SUCH/ },
    ],
    "cap-drop": [
      { args: ["--cap-drop", "ALL"], run: capability("CapBnd"), stdout: "0000000000000000\n" },
      { args: ["--cap-drop", "CAP_CHOWN"], run: "chown 1:1 /tmp; echo $?", stdout: "1\n", stderr: /not permitted/ },
      { args: ["--cap-drop", "ALL", "--cap-add", "CHOWN"], run: capability("CapEff"), stdout: "0000000000000001\n" },
    ],
    "cgroup-parent": [{ args: ["--cgroup-parent", "/x"], refused: /--cgroup-parent/ }],
    cgroupns: [
      {
        args: ["--cgroupns", "host"],
        run: "readlink /proc/self/ns/cgroup",
        stdout: `${readlinkSync("/proc/self/ns/cgroup")}\n`,
      },
      {
        args: ["--cgroupns", "private"],
        run: "readlink /proc/self/ns/cgroup; tail -n 1 /proc/self/cgroup",
        stdout: /^cgroup:\[\d+\]\n0::\/\n$/,
      },
      { args: ["--cgroupns", "x"], refused: /cgroup/i },
    ],
    cidfile: { elsewhere: "run.test.ts" },
    "cpu-count": [{ args: ["--cpu-count", "1"], refused: windows, code: 1 }],
    "cpu-percent": [{ args: ["--cpu-percent", "1"], refused: windows, code: 1 }],
    "cpu-period": [
      limit(
        ["--cpu-period", "50000", "--cpu-quota", "25000"],
        ["cpu/cpu.cfs_period_us", "50000"],
        ["cpu.max", "25000 50000"],
      ),
      { args: ["--cpu-period", "10"], refused: /CPU cfs period can not be less than 1ms/ },
    ],
    "cpu-quota": [
      limit(["--cpu-quota", "25000"], ["cpu/cpu.cfs_quota_us", "25000"], ["cpu.max", "25000 100000"]),
      { args: ["--cpu-quota", "10"], refused: /CPU cfs quota can not be less than 1ms/ },
    ],
    "cpu-rt-period": [{ args: ["--cpu-rt-period", "1000"], refused: /--cpu-rt-period/ }],
    "cpu-rt-runtime": [{ args: ["--cpu-rt-runtime", "1000"], refused: /--cpu-rt-runtime/ }],
    "cpu-shares": [limit(["-c", "512"], ["cpu/cpu.shares", "512"], ["cpu.weight", "20"])],
    cpus: [
      limit(["--cpus", "0.5"], ["cpu/cpu.cfs_quota_us", "50000"], ["cpu.max", "50000 100000"]),
      { args: ["--cpus", "1000"], refused: /range of CPUs is from 0.01 to/ },
    ],
    "cpuset-cpus": [
      limit(["--cpuset-cpus", "0"], ["cpuset/cpuset.cpus", "0"], ["cpuset.cpus", "0"]),
      { args: ["--cpuset-cpus", "a"], refused: /Invalid value a for cpuset cpus/ },
      { args: ["--cpuset-cpus", "4000"], refused: /4000/ },
    ],
    "cpuset-mems": [
      limit(["--cpuset-mems", "0"], ["cpuset/cpuset.mems", "0"], ["cpuset.mems", "0"]),
      { args: ["--cpuset-mems", "a"], refused: /Invalid value a for cpuset mems/ },
    ],
    detach: { elsewhere: "run.test.ts" },
    "detach-keys": { elsewhere: "terminal.test.ts" },
    device: [
      {
        args: ["--device", "/dev/kmsg:/dev/mine:w"],
        run: ": > /dev/mine && echo opened; head -c 1 /dev/mine",
        stdout: "opened\n",
        code: 1,
      },
      { args: ["--device", "/dev/no-such-device"], refused: /no-such-device/, code: 127 },
    ],
    "device-cgroup-rule": [
      {
        args: ["--device-cgroup-rule", "c 1:11 rwm"],
        run: "mknod /tmp/k c 1 11 && : > /tmp/k && echo opened",
        stdout: "opened\n",
      },
      { args: [], run: "mknod /tmp/k c 1 11 && : > /tmp/k", code: 1, stderr: /not permitted/ },
      { args: ["--device-cgroup-rule", "x"], refused: /invalid device cgroup format/ },
    ],
    "device-read-bps": [
      limit(
        ["--device-read-bps", `/dev/${disk}:1mb`],
        ["blkio/blkio.throttle.read_bps_device", `${diskNumber} 1048576`],
        ["io.max", `${diskNumber} rbps=1048576 .*`],
      ),
      { args: ["--device-read-bps", "/dev/no-such:1mb"], refused: /no-such/, code: 127 },
    ],
    "device-read-iops": [
      limit(
        ["--device-read-iops", `/dev/${disk}:100`],
        ["blkio/blkio.throttle.read_iops_device", `${diskNumber} 100`],
        ["io.max", `${diskNumber} .*riops=100 .*`],
      ),
    ],
    "device-write-bps": [
      limit(
        ["--device-write-bps", `/dev/${disk}:1mb`],
        ["blkio/blkio.throttle.write_bps_device", `${diskNumber} 1048576`],
        ["io.max", `${diskNumber} .*wbps=1048576 .*`],
      ),
    ],
    "device-write-iops": [
      limit(
        ["--device-write-iops", `/dev/${disk}:100`],
        ["blkio/blkio.throttle.write_iops_device", `${diskNumber} 100`],
        ["io.max", `${diskNumber} .*wiops=100`],
      ),
    ],
    "disable-content-trust": [
      { args: ["--disable-content-trust"], run: "echo runs", stdout: "runs\n" },
      { args: ["--disable-content-trust=false"], refused: /content.trust/, only: "gantry" },
    ],
    dns: [
      { args: ["--dns", "10.9.8.7"], run: "grep ^nameserver /etc/resolv.conf", stdout: "nameserver 10.9.8.7\n" },
      { args: ["--dns", "x"], refused: /ip address is not correctly formatted: x/i },
    ],
    "dns-option": [
      { args: ["--dns-option", "ndots:3"], run: "grep ^options /etc/resolv.conf", stdout: "options ndots:3\n" },
    ],
    "dns-search": [
      { args: ["--dns-search", "a.example"], run: "grep ^search /etc/resolv.conf", stdout: "search a.example\n" },
    ],
    domainname: [
      { args: ["--domainname", "a.example"], run: "cat /proc/sys/kernel/domainname", stdout: "a.example\n" },
    ],
    entrypoint: [
      { args: ["--entrypoint", "echo"], run: ["a", "b"], stdout: "a b\n" },
      { args: ["--entrypoint", ""], run: ["echo", "a"], stdout: "a\n" },
    ],
    env: [
      {
        args: ["-e", "A=1", "-e", "B=x y=z"],
        run: 'echo "$A,$B,$HOME,$PATH"',
        stdout: "1,x y=z,/root,/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
      },
      { args: ["-e", "PATH"], run: "echo $PATH", stdout: `${process.env.PATH}\n` },
      { args: ["-e", "NOT_SET_ANYWHERE"], run: "env | grep -c NOT_SET", stdout: "0\n", code: 1 },
      { args: ["-e", "=x"], refused: /invalid environment variable: =x/ },
    ],
    "env-file": [
      { args: ["--env-file", join(folder, "env")], run: 'echo "$A,$B,$C"', stdout: "1,two words,#no comment\n" },
      { args: ["--env-file", join(folder, "no-such-file")], refused: /no-such-file: no such file/ },
    ],
    expose: [
      {
        args: ["--expose", "81", "--expose", "90-91/udp"],
        inspect: ["{{range $p, $_ := .Config.ExposedPorts}}{{$p}} {{end}}", "81/tcp 90/udp 91/udp "],
      },
      { args: ["--expose", "x"], refused: /expose|invalid/i },
    ],
    gpus: [{ args: ["--gpus", "all"], refused: /--gpus/ }],
    "group-add": [
      { args: ["--group-add", "nobody", "--group-add", "7"], run: "id -G", stdout: /^0 .*\b65534\b/ },
      { args: ["--group-add", "nobody", "--group-add", "7"], run: "grep Groups /proc/self/status", stdout: /\b7\b/ },
      { args: ["--group-add", "no-such-group"], refused: /Unable to find group no-such-group/i },
    ],
    "health-cmd": [{ args: ["--health-cmd", "true"], refused: /--health-cmd/ }],
    "health-interval": [{ args: ["--health-interval", "5s"], refused: /--health-/ }],
    "health-retries": [{ args: ["--health-retries", "5"], refused: /--health-/ }],
    "health-start-interval": [{ args: ["--health-start-interval", "5s"], refused: /--health-/ }],
    "health-start-period": [{ args: ["--health-start-period", "5s"], refused: /--health-/ }],
    "health-timeout": [{ args: ["--health-timeout", "5s"], refused: /--health-/ }],
    help: [{ args: ["--help"], stdout: /Usage:/ }],
    hostname: [
      {
        args: ["-h", "somebody"],
        run: "hostname; cat /etc/hostname; grep -c somebody /etc/hosts; echo $HOSTNAME",
        stdout: "somebody\nsomebody\n1\nsomebody\n",
      },
      { args: ["-h", "some_body!"], refused: /some_body!/ },
    ],
    init: [
      {
        args: ["--init"],
        run: "cat /proc/1/comm; echo $$",
        stdout: /^(docker-init|catatonit)\n[2-9]\d*\n$/,
        skip: find("catatonit") === undefined,
      },
    ],
    interactive: { elsewhere: "run.test.ts" },
    "io-maxbandwidth": [{ args: ["--io-maxbandwidth", "1"], refused: windows, code: 1 }],
    "io-maxiops": [{ args: ["--io-maxiops", "1"], refused: windows, code: 1 }],
    ip: [
      {
        args: ["--ip", "172.30.1.1"],
        refused: /user.specified IP address is supported on user.defined networks only/i,
      },
    ],
    ip6: [
      {
        args: ["--ip6", "2001:db8::1"],
        refused: /user.specified IP address is supported on user.defined networks only/i,
      },
    ],
    ipc: [
      { args: ["--ipc", "host"], run: "readlink /proc/self/ns/ipc", stdout: `${readlinkSync("/proc/self/ns/ipc")}\n` },
      { args: ["--ipc", "container:other"], run: "cat /dev/shm/mark", stdout: "from other\n" },
      { args: ["--ipc", "container:alone"], refused: /non-shareable IPC \(hint: use IpcMode:shareable/ },
      { args: ["--ipc", "none"], run: "ls /dev/shm", code: 1, stderr: /No such file/ },
      { args: ["--ipc", "private"], run: "ls /dev/shm", stdout: "" },
      { args: ["--ipc", "container:no-such"], refused: /No such container: no-such/ },
      { args: ["--ipc", "x"], refused: /invalid IPC mode: x/ },
    ],
    isolation: [
      { args: ["--isolation", "default"], run: "echo runs", stdout: "runs\n" },
      { args: ["--isolation", "hyperv"], refused: /invalid isolation.*hyperv/i },
    ],
    // The stock client leaves it out by itself.
    "kernel-memory": [{ args: ["--kernel-memory", "10m"], refused: /--kernel-memory/, only: "gantry" }],
    label: [{ args: ["-l", "a=b", "-l", "c"], inspect: ['{{.Config.Labels.a}},{{index .Config.Labels "c"}}', "b,"] }],
    "label-file": [
      {
        args: ["--label-file", join(folder, "labels")],
        inspect: ["{{.Config.Labels.a}} {{.Config.Labels.b}}", "1 two words"],
      },
    ],
    link: [{ args: ["--link", "other"], refused: /--link/ }],
    "link-local-ip": [{ args: ["--link-local-ip", "169.254.1.1"], refused: /link.local/i }],
    "log-driver": [
      { args: ["--log-driver", "none"], run: "echo shown", stdout: "shown\n" },
      { args: ["--log-driver", "json-file"], run: "echo shown", stdout: "shown\n" },
      { args: ["--log-driver", "syslog"], refused: /syslog/ },
      { args: ["--log-driver", "no-such"], refused: /no log driver named 'no-such' is registered/ },
    ],
    "log-opt": [{ args: ["--log-opt", "max-size=10m"], refused: /--log-opt/ }],
    "mac-address": [
      {
        args: ["--mac-address", "92:d0:c6:0a:29:33"],
        run: "cat /sys/class/net/eth0/address",
        stdout: "92:d0:c6:0a:29:33\n",
      },
      { args: ["--mac-address", "x"], refused: /mac.address/i },
    ],
    memory: [
      limit(["-m", "64m"], ["memory/memory.limit_in_bytes", "67108864"], ["memory.max", "67108864"]),
      { args: ["-m", "1m"], refused: /Minimum memory limit allowed is 6MB/ },
    ],
    "memory-reservation": [
      limit(
        ["--memory-reservation", "32m"],
        ["memory/memory.soft_limit_in_bytes", "33554432"],
        ["memory.low", "33554432"],
      ),
    ],
    "memory-swap": [
      {
        ...limit(
          ["-m", "64m", "--memory-swap", "96m"],
          ["memory/memory.memsw.limit_in_bytes", "100663296"],
          ["memory.swap.max", "33554432"],
        ),
        skip: !unified && !existsSync("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes"),
      },
      { args: ["--memory-swap", "96m"], refused: /You should always set the Memory limit when using Memoryswap limit/ },
    ],
    "memory-swappiness": [
      limit(["--memory-swappiness", "10"], ["memory/memory.swappiness", "10"], undefined),
      { args: ["--memory-swappiness", "101"], refused: /101/ },
    ],
    mount: { elsewhere: "volumes.test.ts" },
    name: { elsewhere: "run.test.ts" },
    network: [
      { args: ["--network", "none"], run: "ls /sys/class/net", stdout: "lo\n" },
      {
        args: ["--network", "host"],
        run: "readlink /proc/self/ns/net; hostname",
        stdout: `${readlinkSync("/proc/self/ns/net")}\n${readFileSync("/proc/sys/kernel/hostname", "utf8")}`,
      },
      {
        args: ["--network", "container:other"],
        run: "readlink /proc/self/ns/net; hostname",
        stdout: /^net:\[\d+\]\nother-host\n$/,
      },
      { args: ["--network", "bridge"], run: "ls /sys/class/net", stdout: "eth0\nlo\n" },
      { args: ["--network", "no-such"], refused: /network no-such not found/ },
      { args: ["--network", "container:no-such"], refused: /No such container: no-such/ },
      {
        args: ["--network", "container:other", "-p", "80:80"],
        refused: /port publishing and the container type network mode/,
      },
      { args: ["--network", "container:other", "-h", "x"], refused: /hostname and the network mode/ },
    ],
    "network-alias": [
      {
        args: ["--network-alias", "x"],
        refused: /network-scoped alias.* supported/i,
      },
    ],
    "no-healthcheck": [{ args: ["--no-healthcheck"], run: "echo runs", stdout: "runs\n" }],
    "oom-kill-disable": [
      limit(["--oom-kill-disable", "-m", "64m"], ["memory/memory.oom_control", "oom_kill_disable 1"], undefined),
    ],
    "oom-score-adj": [
      { args: ["--oom-score-adj", "500"], run: "cat /proc/self/oom_score_adj", stdout: "500\n" },
      { args: ["--oom-score-adj", "2000"], refused: /2000/ },
    ],
    pid: [
      { args: ["--pid", "host"], run: "readlink /proc/self/ns/pid", stdout: `${readlinkSync("/proc/self/ns/pid")}\n` },
      {
        args: ["--pid", "container:other"],
        run: "cat /proc/1/cmdline | tr '\\0' ' '",
        stdout: /^sh -c echo from other/,
      },
      { args: ["--pid", "container:no-such"], refused: /No such container: no-such/ },
      { args: ["--pid", "x"], refused: /PID mode/ },
    ],
    "pids-limit": [
      limit(["--pids-limit", "33"], ["pids/pids.max", "33"], ["pids.max", "33"]),
      limit(["--pids-limit", "-1"], ["pids/pids.max", "max"], ["pids.max", "max"]),
    ],
    platform: [
      {
        args: ["--platform", `linux/${process.arch === "arm64" ? "arm64" : "amd64"}`],
        run: "echo runs",
        stdout: "runs\n",
      },
      { args: ["--platform", "linux/s390x", "--pull", "never"], refused: /does not match the specified platform/ },
    ],
    privileged: [
      {
        args: ["--privileged"],
        run: `${capability("CapEff")}; grep Seccomp: /proc/self/status; mount -t tmpfs none /tmp && echo mounted; ls /dev/${disk}`,
        stdout: new RegExp(`^${fullCapabilities()}\nSeccomp:\t0\nmounted\n/dev/${disk}\n$`),
      },
    ],
    publish: [
      {
        args: ["-p", "127.0.0.1::80/udp"],
        inspect: [
          '{{range index .NetworkSettings.Ports "80/udp"}}{{.HostIp}} {{.HostPort}}{{end}}',
          /^127\.0\.0\.1 [1-9]\d*$/,
        ],
      },
      { args: ["-p", "x"], refused: /invalid/i },
    ],
    "publish-all": [
      {
        args: ["-P", "--expose", "81"],
        inspect: ['{{range index .NetworkSettings.Ports "81/tcp"}}{{.HostPort}}{{end}}', /[1-9]/],
      },
    ],
    pull: [
      { args: ["--pull", "always"], run: "echo runs", stdout: "runs\n", stderr: /Image is up to date/ },
      { args: ["--pull", "sometimes"], refused: /invalid pull option: 'sometimes'/ },
    ],
    quiet: [{ args: ["--pull", "always", "-q"], run: "echo runs", stdout: "runs\n", stderr: "" }],
    "read-only": [
      {
        args: ["--read-only"],
        run: "touch /tmp/x; echo x > /dev/shm/x && echo shm",
        code: 0,
        stdout: "shm\n",
        stderr: /Read-only file system/,
      },
    ],
    restart: { elsewhere: "lifecycle.test.ts" },
    rm: { elsewhere: "run.test.ts" },
    runtime: [
      { args: ["--runtime", "crun"], run: "echo runs", stdout: "runs\n" },
      { args: ["--runtime", "no-such"], refused: /unknown or invalid runtime name: no-such/ },
    ],
    "security-opt": [
      {
        args: ["--security-opt", "seccomp=unconfined"],
        run: "grep Seccomp: /proc/self/status",
        stdout: "Seccomp:\t0\n",
      },
      {
        args: ["--security-opt", `seccomp=${join(folder, "seccomp.json")}`],
        run: "mkdir /tmp/x; echo $?",
        stdout: "1\n",
        stderr: /not permitted/,
      },
      {
        args: ["--security-opt", "no-new-privileges"],
        run: "grep NoNewPrivs /proc/self/status",
        stdout: "NoNewPrivs:\t1\n",
      },
      { args: ["--security-opt", "systempaths=unconfined"], run: "mount | grep -c ' /proc/'", stdout: "0\n", code: 1 },
      { args: ["--security-opt", "no-such=x"], refused: /no-such/ },
      { args: ["--security-opt", `seccomp=${join(folder, "no-such-file")}`], refused: /opening seccomp profile/ },
      { args: ["--security-opt", "seccomp={}x"], refused: /seccomp/ },
    ],
    "shm-size": [{ args: ["--shm-size", "16m"], run: "mount | grep ' /dev/shm '", stdout: /size=16384k/ }],
    "sig-proxy": { elsewhere: "terminal.test.ts" },
    "stop-signal": [
      { args: ["--stop-signal", "SIGUSR1"], inspect: ["{{.Config.StopSignal}}", "SIGUSR1"] },
      { args: ["--stop-signal", "SIGNO"], refused: /Invalid signal: SIGNO/i },
    ],
    "stop-timeout": [{ args: ["--stop-timeout", "3"], inspect: ["{{.Config.StopTimeout}}", "3"] }],
    "storage-opt": [{ args: ["--storage-opt", "size=1G"], refused: /--storage-opt/ }],
    sysctl: [
      { args: ["--sysctl", "net.ipv4.ip_forward=1"], run: "cat /proc/sys/net/ipv4/ip_forward", stdout: "1\n" },
      { args: ["--sysctl", "kernel.msgmax=9000"], run: "cat /proc/sys/kernel/msgmax", stdout: "9000\n" },
      { args: ["--sysctl", "vm.swappiness=1"], refused: /vm\.swappiness/ },
    ],
    tmpfs: [
      {
        args: ["--tmpfs", "/t:size=1m,mode=1770"],
        run: "mount | grep ' /t '; touch /t/x && ls -ld /t | cut -c 1-10",
        stdout: /^tmpfs on \/t type tmpfs \(rw,nosuid,nodev,noexec,.*size=1024k,mode=1770\)\ndrwxrwx--T\n$/,
      },
      { args: ["--tmpfs", "/t:bad=1"], refused: /bad=1/ },
    ],
    tty: { elsewhere: "terminal.test.ts" },
    ulimit: [
      { args: ["--ulimit", "nofile=100:200"], run: "ulimit -n; ulimit -Hn", stdout: "100\n200\n" },
      { args: ["--ulimit", "no-such=1"], refused: /no-such/ },
    ],
    "use-api-socket": [
      { args: ["--use-api-socket"], refused: /use-api-socket/, only: "gantry" },
      // The stock client makes mounts of it.
      {
        args: ["--use-api-socket"],
        run: "test -S /var/run/docker.sock && echo there",
        stdout: "there\n",
        only: "docker",
      },
    ],
    user: [
      { args: ["-u", "nobody"], run: "id -u; id -g; echo $HOME", stdout: "65534\n65534\n/\n" },
      { args: ["-u", "12:34"], run: "id -u; id -g", stdout: "12\n34\n" },
      { args: ["-u", "no-such-user"], refused: /unable to find user no-such-user: no matching entries in passwd file/ },
    ],
    userns: [
      {
        args: ["--userns", "host"],
        run: "readlink /proc/self/ns/user",
        stdout: `${readlinkSync("/proc/self/ns/user")}\n`,
      },
      { args: ["--userns", "x"], refused: /invalid USER mode|--userns/ },
    ],
    uts: [
      {
        args: ["--uts", "host"],
        run: "readlink /proc/self/ns/uts; hostname",
        stdout: `${readlinkSync("/proc/self/ns/uts")}\n${readFileSync("/proc/sys/kernel/hostname", "utf8")}`,
      },
      { args: ["--uts", "x"], refused: /invalid UTS mode/ },
    ],
    volume: { elsewhere: "volumes.test.ts" },
    "volume-driver": [{ args: ["--volume-driver", "no-such"], refused: /--volume-driver|no-such/ }],
    "volumes-from": [{ args: ["--volumes-from", "other"], refused: /--volumes-from/ }],
    workdir: [
      { args: ["-w", "/var/tmp"], run: "pwd", stdout: "/var/tmp\n" },
      { args: ["-w", "/made/on/demand"], run: "pwd", stdout: "/made/on/demand\n" },
      {
        args: ["-w", "relative"],
        refused: /the working directory 'relative' is invalid, it needs to be an absolute path/,
      },
    ],
  };
}

function usesBfq(): boolean {
  const file = `/sys/block/${disk}/queue/scheduler`;
  return existsSync(file) && readFileSync(file, "utf8").includes("[bfq]");
}

function fullCapabilities(): string {
  return /CapBnd:\t(\S+)/.exec(readFileSync("/proc/self/status", "utf8"))![1]!;
}

describeNeeding(...engineNeeds)("the flags of run", () => {
  const folder = mkdtempSync("/tmp/gantry-flags-");
  const flags = table(folder);
  let lab: Lab;

  beforeAll(async () => {
    writeFileSync(join(folder, "env"), "# a comment\nA=1\n\nB=two words\nC=#no comment\n");
    writeFileSync(join(folder, "labels"), "a=1\nb=two words\n");
    const profile = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" }],
    };
    writeFileSync(join(folder, "seccomp.json"), JSON.stringify(profile));
    lab = await startLab();
    const script = "echo from other > /dev/shm/mark; sleep 1000 & wait";
    const make = async (name: string, body: Record<string, unknown>) => {
      const made = await lab.server.request(`/containers/create?name=${name}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ Image: lab.image, Cmd: ["sh", "-c", script], ...body }),
      });
      expect(made.status).toBe(201);
      expect((await lab.server.request(`/containers/${name}/start`, { method: "POST" })).status).toBe(204);
    };
    await make("other", { Hostname: "other-host", HostConfig: { IpcMode: "shareable" } });
    await make("alone", {});
  }, 60_000);
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await lab?.cleanup();
  }, 60_000);

  needing("docker")("are all here", async () => {
    const { stdout } = await run([program("docker"), "run", "--help"]);
    const known = [...stdout.matchAll(/^ {2,6}(?:-\w, )?--([a-z0-9-]+)/gm)].map((match) => match[1]!);
    expect(known.length).toBeGreaterThan(90);
    expect(known.filter((name) => flags[name] === undefined)).toEqual([]);
    const ours = (await lab.server.cli(["run", "--help"])).stdout;
    const foreign = ["cpu-count", "cpu-percent", "io-maxbandwidth", "io-maxiops"];
    expect(known.filter((name) => !ours.includes(`--${name} `) && !foreign.includes(name))).toEqual([]);
  });

  for (const [flag, cases] of Object.entries(flags)) {
    test(`--${flag} is tested`, () => {
      if (Array.isArray(cases)) expect(cases.length).toBeGreaterThan(0);
      else
        expect(readFileSync(join(import.meta.dir, cases.elsewhere), "utf8")).toMatch(
          new RegExp(`--${flag}|"-${flag[0]}"`),
        );
    });
  }

  for (const client of clients) {
    describeNeeding(...client.needs)(`by ${client.name}`, () => {
      for (const [flag, cases] of Object.entries(flags)) {
        if (!Array.isArray(cases)) continue;
        for (const one of cases.filter(({ only }) => only === undefined || only === client.name)) {
          const name = `--${flag}: ${one.args.join(" ").replace(folder, "FOLDER")}`;
          (one.skip ? test.skip : test)(name, () => check(client, one), 20_000);
        }
      }
      test("nothing is left", async () => {
        const left = (await client.call(lab.server, ["ps", "-a", "--format", "{{.Names}}"])).stdout;
        expect(left).toBe("alone\nother\n");
      });
    });
  }

  async function check(
    client: Client,
    { args, run: script, stdout, stderr, code = 0, refused, either, inspect }: Case,
  ): Promise<void> {
    const call = (argv: string[]) => client.call(lab.server, argv);
    const command =
      script === undefined
        ? inspect
          ? ["sleep", "1000"]
          : ["true"]
        : typeof script === "string"
          ? ["sh", "-c", script]
          : script;
    if (inspect) {
      const started = await call(["run", "-d", ...args, lab.image, ...command]);
      expect(started).toMatchObject({ code: 0 });
      const id = started.stdout.trim();
      const [format, answer] = inspect;
      try {
        const said = (await call(["inspect", "-f", format, id])).stdout.trimEnd();
        if (typeof answer === "string") expect(said).toBe(answer.trimEnd());
        else expect(said).toMatch(answer);
      } finally {
        await call(["rm", "-f", id]);
      }
      return;
    }
    const result = await call(["run", "--rm", ...args, lab.image, ...command]);
    if (refused) {
      expect(result.stderr).toMatch(refused);
      expect(result).toMatchObject({ code: code === 0 ? 125 : code, stdout: "" });
      return;
    }
    for (const [said, wanted] of [
      [result.stderr, stderr],
      [result.stdout, stdout],
    ] as const) {
      if (typeof wanted === "string") expect(said).toBe(wanted);
      else if (wanted) expect(said).toMatch(wanted);
    }
    if (either) expect(result.stdout + result.stderr).toMatch(either);
    expect(result).toMatchObject({ code });
  }
});
