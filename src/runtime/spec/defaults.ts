/** What every container gets when nothing else is said: Docker's choices. */
import type { DeviceRule, SpecMount } from "./types.ts";

export const defaultShmSize = 64 << 20;

const quiet = ["nosuid", "noexec", "nodev"];

/** Mounts below /proc, /dev and /sys. `writable` is for privileged containers. */
export function defaultMounts(options: { writable: boolean; shmSize: number }): SpecMount[] {
  const access = options.writable ? "rw" : "ro";
  return [
    { destination: "/proc", type: "proc", source: "proc", options: [...quiet] },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...quiet, access] },
    { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [...quiet, access] },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: [...quiet] },
    {
      destination: "/dev/shm",
      type: "tmpfs",
      source: "shm",
      options: [...quiet, "mode=1777", `size=${options.shmSize}`],
    },
  ];
}

/** Hidden: they tell of the host, or act on it. */
export const defaultMaskedPaths = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];

export const defaultReadonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/**
 * Nothing, but for null, zero, full, random, urandom, tty and console. crun adds the pseudo-terminals, and the making of
 * nodes: a node is useless while the rules here keep it from being opened.
 */
export const defaultDeviceRules: DeviceRule[] = [
  { allow: false, access: "rwm" },
  ...[
    [1, 3],
    [1, 5],
    [1, 7],
    [1, 8],
    [1, 9],
    [5, 0],
    [5, 1],
  ].map(([major, minor]): DeviceRule => ({ allow: true, type: "c", major: major!, minor: minor!, access: "rwm" })),
];

export const privilegedDeviceRules: DeviceRule[] = [{ allow: true, access: "rwm" }];

/** Set in a network namespace of the container's own: ping without privileges, and every port for every user. */
export const defaultSysctls: Record<string, string> = {
  "net.ipv4.ip_unprivileged_port_start": "0",
  "net.ipv4.ping_group_range": "0 2147483647",
};
