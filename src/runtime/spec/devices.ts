/** Devices of the host for a container: `--device`, `--device-cgroup-rule`, and all of them for privileged ones. */
import { lstatSync, readdirSync, realpathSync, type Stats, statSync } from "node:fs";
import { SpecError } from "./errors.ts";
import type { Device, DeviceRule } from "./types.ts";

export interface DeviceGrant {
  device: Device;
  rule: DeviceRule;
}

/** The kernel's 64-bit dev_t, as glibc's major() and minor() take it apart. */
export function deviceNumbers(rdev: number): { major: number; minor: number } {
  const value = BigInt(rdev);
  return {
    major: Number(((value >> 8n) & 0xfffn) | ((value >> 32n) & 0xfffff000n)),
    minor: Number((value & 0xffn) | ((value >> 12n) & 0xffffff00n)),
  };
}

/**
 * The devices at a path of the host: one node, or all below a folder (then at the same names below `containerPath`).
 * `access` is of `rwm`. Throws SpecError with Docker's texts.
 */
export function resolveDevice(hostPath: string, containerPath: string, access: string): DeviceGrant[] {
  if (!/^[rwm]{1,3}$/.test(access) || new Set(access).size !== access.length) {
    throw new SpecError(`invalid device mode: ${access}`);
  }
  let path: string;
  let stats: Stats;
  try {
    path = realpathSync(hostPath);
    stats = statSync(path);
  } catch {
    throw new SpecError(
      `error gathering device information while adding custom device ${JSON.stringify(hostPath)}: no such file or directory`,
    );
  }
  if (stats.isDirectory()) {
    const found = below(path, containerPath, access, 0);
    if (found.length > 0) return found;
  }
  const type = nodeType(stats);
  if (type === undefined) {
    throw new SpecError(
      `error gathering device information while adding custom device ${JSON.stringify(hostPath)}: not a device node`,
    );
  }
  return [grant(stats, type, containerPath, access)];
}

function below(folder: string, containerFolder: string, access: string, depth: number): DeviceGrant[] {
  // Deep enough for /dev/bus/usb and /dev/snd; a loop cannot come: links are not followed.
  if (depth > 8) return [];
  const grants: DeviceGrant[] = [];
  for (const name of readdirSync(folder).sort()) {
    let stats: Stats;
    try {
      stats = lstatSync(`${folder}/${name}`);
    } catch {
      continue;
    }
    const type = nodeType(stats);
    if (type !== undefined) grants.push(grant(stats, type, `${containerFolder}/${name}`, access));
    else if (stats.isDirectory() && !skipped.has(name)) {
      grants.push(...below(`${folder}/${name}`, `${containerFolder}/${name}`, access, depth + 1));
    }
  }
  return grants;
}

/** Folders of /dev that are file systems of their own or no devices. */
const skipped = new Set(["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"]);

/** All of the host's devices, for a privileged container. /dev/console stays out: it would be the host's. */
export function hostDevices(): Device[] {
  return below("/dev", "/dev", "rwm", 0)
    .map((each) => each.device)
    .filter((device) => device.path !== "/dev/console");
}

function nodeType(stats: Stats): "c" | "b" | undefined {
  return stats.isCharacterDevice() ? "c" : stats.isBlockDevice() ? "b" : undefined;
}

function grant(stats: Stats, type: "c" | "b", path: string, access: string): DeviceGrant {
  const { major, minor } = deviceNumbers(stats.rdev);
  return {
    device: { type, path, major, minor, fileMode: stats.mode & 0o777, uid: stats.uid, gid: stats.gid },
    rule: { allow: true, type, major, minor, access },
  };
}

/** `c 1:3 rwm`, with `*` for any number: `--device-cgroup-rule`. */
export function parseDeviceRule(text: string): DeviceRule {
  const match = /^([acb]) (\d{1,7}|\*):(\d{1,7}|\*) ([rwm]{1,3})$/.exec(text);
  if (match === null) throw new SpecError(`invalid device cgroup rule format: '${text}'`);
  const [, type, major, minor, access] = match as unknown as [string, "a" | "c" | "b", string, string, string];
  return {
    allow: true,
    type,
    ...(major === "*" ? {} : { major: Number(major) }),
    ...(minor === "*" ? {} : { minor: Number(minor) }),
    access,
  };
}
