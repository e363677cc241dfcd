/** What the kernel must have, as /proc shows it. */
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import type { Check } from "./doctor.ts";

/** openat2(2) and pidfd_open(2), without which images cannot be unpacked safely. */
const oldestKernel = [5, 6] as const;
/** Layers of an overlay mounted with an ID mapping. */
const mappedLayers = [5, 19] as const;

const namespaces = ["mnt", "pid", "net", "ipc", "uts", "cgroup", "user"];

/** Numbers of capabilities(7), and what the server does with them. */
const capabilities = [
  [21, "CAP_SYS_ADMIN", "mounts"],
  [12, "CAP_NET_ADMIN", "networks"],
  [27, "CAP_MKNOD", "devices"],
  [0, "CAP_CHOWN", "owners of files"],
] as const;

export function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

export function atLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [ours = 0, ourMinor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return ours > major || (ours === major && ourMinor >= minor);
}

export function checkPrivileges(
  uid: number = process.geteuid?.() ?? -1,
  status: string = read("/proc/self/status") ?? "",
): Check {
  const name = "privileges";
  if (uid !== 0) {
    return { name, status: "failed", found: `user ${uid}`, advice: "the server needs root for now: use sudo" };
  }
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  const lacking = capabilities.filter(([bit]) => ((effective >> BigInt(bit)) & 1n) === 0n);
  if (lacking.length === 0) return { name, status: "ok", found: "root" };
  return {
    name,
    status: "failed",
    found: `root without ${lacking.map(([, capability, use]) => `${capability} (${use})`).join(", ")}`,
    advice: "give them to this container or service, for instance with --privileged",
  };
}

export function checkKernel(version: string = release()): Check {
  const name = "kernel";
  if (!atLeast(version, oldestKernel)) {
    return { name, status: "failed", found: version, advice: `Linux ${oldestKernel.join(".")} or newer is needed` };
  }
  if (!atLeast(version, mappedLayers)) {
    const advice = `user namespaces for containers need Linux ${mappedLayers.join(".")} or newer`;
    return { name, status: "warning", found: version, advice };
  }
  return { name, status: "ok", found: version };
}

export function checkNamespaces(exists: (path: string) => boolean = existsSync): Check {
  const name = "namespaces";
  const lacking = namespaces.filter((one) => !exists(`/proc/self/ns/${one}`));
  const needed = lacking.filter((one) => one !== "user");
  if (needed.length > 0) {
    const advice = "use a kernel with CONFIG_NAMESPACES and all kinds of them";
    return { name, status: "failed", found: `no ${needed.join(", ")} namespaces`, advice };
  }
  const most = Number(read("/proc/sys/user/max_user_namespaces") ?? Number.NaN);
  if (lacking.length > 0 || most === 0) {
    const advice = most === 0 ? "sysctl -w user.max_user_namespaces=10000" : "use a kernel with CONFIG_USER_NS";
    return { name, status: "warning", found: "no user namespaces", advice };
  }
  return { name, status: "ok", found: namespaces.join(", ") };
}

const hasOverlay = (): boolean => /\boverlay$/m.test(read("/proc/filesystems") ?? "");

/** A kernel that has overlayfs as a module loads it at the first mount; looking tells only whether it is there now. */
export function checkOverlay(options: { repair: boolean }): Check {
  const name = "overlay";
  if (hasOverlay()) return { name, status: "ok", found: "in the kernel" };
  if (options.repair) {
    try {
      Bun.spawnSync(["modprobe", "overlay"], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
    } catch {
      // No modprobe: then the advice says what remains.
    }
    if (hasOverlay()) return { name, status: "repaired", found: "module loaded" };
  }
  return {
    name,
    status: "failed",
    found: "no overlayfs",
    advice: "modprobe overlay, or a kernel with CONFIG_OVERLAY_FS",
  };
}

/** What confines containers beside namespaces. */
export function checkConfinement(): Check[] {
  const actions = read("/proc/sys/kernel/seccomp/actions_avail") ?? "";
  const seccomp: Check = /\berrno\b/.test(actions)
    ? { name: "seccomp", status: "ok", found: "filters" }
    : {
        name: "seccomp",
        status: "failed",
        found: "no filters",
        advice:
          "use a kernel with CONFIG_SECCOMP_FILTER; else containers run only with --security-opt seccomp=unconfined",
      };
  const on = read("/sys/module/apparmor/parameters/enabled")?.trim() === "Y";
  return [seccomp, { name: "AppArmor", status: "ok", found: on ? "on" : "not in use on this machine" }];
}
