/** Mounts: mount(2), umount2(2), the newer calls on mount descriptors, and what is mounted where. */
import { readFileSync } from "node:fs";
import { address, check, cstring, errno, nr, SysError, syscall } from "./libc.ts";
import { place, toBytes } from "./names.ts";
import { statAt } from "./nodes.ts";

/** Flags of mount(2), from the kernel's include/uapi/linux/mount.h. */
export const flags = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  REMOUNT: 32,
  BIND: 4096,
  REC: 16384,
  UNBINDABLE: 1 << 17,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
  SHARED: 1 << 20,
} as const;

/** mount(2). `data` are the file system's own options, at most 4095 bytes. Throws SysError. */
export function mount(source: string, target: string, type: string, mountFlags = 0, data = ""): void {
  const bytes = cstring(data);
  if (bytes.length > 4096)
    throw new Error(`the options of the mount at ${target} take ${bytes.length} bytes, over 4096`);
  const strings = [cstring(source), cstring(target), cstring(type)] as const;
  const [a, b, c] = [address(strings[0]), address(strings[1]), address(strings[2])];
  check(syscall(nr("mount"), a, b, c, mountFlags, address(bytes)), "mount", target);
}

/** Binds a file or directory to another place: without the mounts below it unless `recursive`. */
export function bindMount(
  source: string,
  target: string,
  options: { readonly?: boolean; recursive?: boolean } = {},
): void {
  mount(source, target, "none", flags.BIND | (options.recursive ? flags.REC : 0));
  if (!options.readonly) return;
  try {
    // The read-only flag of a bind is taken only by a second call.
    mount("none", target, "none", flags.BIND | flags.REMOUNT | flags.RDONLY);
  } catch (error) {
    unmount(target, { lazy: true });
    throw error;
  }
}

/** Sets how mount events go between this mount and its copies: `flags.PRIVATE`, `SLAVE`, `SHARED` (and `REC`). */
export function setPropagation(target: string, propagation: number): void {
  mount("none", target, "none", propagation);
}

const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;
const EINVAL = 22;
const ENOENT = 2;

/**
 * umount2(2); false when nothing is mounted there. `lazy` takes it off at once, though files on it are still open
 * (MNT_DETACH). Never follows a symbolic link. Throws SysError, EBUSY above all.
 */
export function unmount(target: string, options: { lazy?: boolean } = {}): boolean {
  const path = cstring(target);
  if (syscall(nr("umount2"), address(path), (options.lazy ? MNT_DETACH : 0) | UMOUNT_NOFOLLOW) === 0) return true;
  const error = errno();
  if (error === EINVAL || error === ENOENT) return false;
  throw new SysError("umount", error, target);
}

/** Whether `path` is a mount point. One system call, except on kernels before 5.8. */
export function isMounted(path: string): boolean {
  const status = statAt(-100, toBytes(path));
  if (!status) return false;
  return status.mountRoot ?? listMounts().some((one) => one.target === path);
}

export interface Mount {
  id: number;
  parent: number;
  /** `major:minor` of the device that it shows. */
  device: string;
  /** What of the file system is mounted. */
  root: string;
  target: string;
  /** Flags of the mount, as `rw,nosuid`. */
  options: string;
  /** `shared:N`, `master:N` and the like. */
  propagation: string[];
  type: string;
  source: string;
  /** Options of the file system. */
  superOptions: string;
}

/** The mounts of this process, in the kernel's order (proc_pid_mountinfo(5)). */
export function listMounts(): Mount[] {
  return parseMounts(readFileSync("/proc/self/mountinfo", "utf8"));
}

/** mountinfo's text; its escapes (`\040` for a space) are undone. */
export function parseMounts(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    const fields = line.split(" ");
    const dash = fields.indexOf("-", 6);
    if (dash === -1) continue;
    const field = (index: number) => (fields[index] ?? "").replace(/\\([0-7]{3})/g, (_, code) => escaped(code));
    mounts.push({
      id: Number(fields[0]),
      parent: Number(fields[1]),
      device: field(2),
      root: field(3),
      target: field(4),
      options: field(5),
      propagation: fields.slice(6, dash),
      type: field(dash + 1),
      source: field(dash + 2),
      superOptions: field(dash + 3),
    });
  }
  return mounts;
}

const escaped = (octal: string): string => String.fromCharCode(Number.parseInt(octal, 8));

const AT_FDCWD = -100;
const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const command = { SET_FLAG: 0, SET_STRING: 1, CREATE: 6 } as const;
/** fsconfig(2) takes no longer value. */
export const configurationLimit = 255;

/** Flags of a mount made by fsmount(2), from include/uapi/linux/mount.h. */
export const attributes = { RDONLY: 1, NOSUID: 2, NODEV: 4, NOEXEC: 8, IDMAP: 0x100000 } as const;

type Settings = readonly (readonly [key: string, value?: string])[];

/**
 * Makes a file system from `settings`, in their order, and attaches it at `target`: fsopen, fsconfig, fsmount, move_mount.
 * A setting without a value is a flag. Throws SysError; its message holds what the kernel says about it.
 */
export function mountConfigured(type: string, target: string, settings: Settings, mountAttributes = 0): void {
  const fd = configure(type, settings, mountAttributes, target);
  try {
    attach(fd, target);
  } finally {
    syscall(nr("close"), fd);
  }
}

/**
 * The same without a place: a descriptor of the mount's root, below which names can be opened. The mount is gone when it
 * is closed. `subject` stands in errors.
 */
export function configure(type: string, settings: Settings, mountAttributes: number, subject: string): number {
  const typeName = cstring(type);
  const context = check(syscall(nr("fsopen"), address(typeName), FSOPEN_CLOEXEC), "fsopen", type);
  try {
    for (const [key, value] of settings) {
      const name = place(key, "fsconfig", 0);
      const text = value === undefined ? 0 : place(toBytes(value), "fsconfig", 1);
      const kind = value === undefined ? command.SET_FLAG : command.SET_STRING;
      const result = syscall(nr("fsconfig"), context, kind, name, text, 0);
      if (result === -1) throw configurationError(context, `${type}: ${key}${value === undefined ? "" : `=${value}`}`);
    }
    if (syscall(nr("fsconfig"), context, command.CREATE, 0, 0, 0) === -1) throw configurationError(context, subject);
    const fd = syscall(nr("fsmount"), context, FSMOUNT_CLOEXEC, mountAttributes);
    if (fd === -1) throw configurationError(context, subject);
    return fd;
  } finally {
    syscall(nr("close"), context);
  }
}

/** Attaches a detached mount (from fsmount or open_tree) at a path: move_mount(2). */
export function attach(fd: number, target: string): void {
  const [empty, path] = [cstring(""), cstring(target)];
  const result = syscall(nr("move_mount"), fd, address(empty), AT_FDCWD, address(path), MOVE_MOUNT_F_EMPTY_PATH);
  check(result, "move_mount", target);
}

/** The kernel explains itself in lines that are read from the context. */
function configurationError(context: number, subject: string): SysError {
  const failed = errno();
  const lines: string[] = [];
  const buffer = Buffer.from(new ArrayBuffer(1024));
  for (let i = 0; i < 8; i++) {
    const length = syscall(nr("read"), context, address(buffer), buffer.length);
    if (length <= 0) break;
    lines.push(buffer.toString("utf8", 0, length).trim());
  }
  return new SysError("mount", failed, lines.length > 0 ? `${subject} (${lines.join("; ")})` : subject);
}

const OPEN_TREE_CLONE = 1;
const AT_EMPTY_PATH = 0x1000;

/**
 * A detached, read-only copy of the mount at `path`, with its IDs mapped as in the user namespace `namespace` (a descriptor):
 * open_tree(2), mount_setattr(2), Linux 5.12. The caller closes it. Throws SysError: EINVAL when the file system cannot.
 */
export function openMapped(path: string, namespace: number): number {
  const name = cstring(path);
  const tree = syscall(nr("open_tree"), AT_FDCWD, address(name), OPEN_TREE_CLONE | 0x80000);
  check(tree, "open_tree", path);
  const settings = new BigUint64Array(new ArrayBuffer(32));
  settings[0] = BigInt(attributes.IDMAP | attributes.RDONLY);
  settings[3] = BigInt(namespace);
  const empty = cstring("");
  const result = syscall(nr("mount_setattr"), tree, address(empty), AT_EMPTY_PATH, address(settings), 32);
  if (result === -1) {
    const error = new SysError("mount_setattr", errno(), path);
    syscall(nr("close"), tree);
    throw error;
  }
  return tree;
}
