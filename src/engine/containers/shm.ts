/**
 * /dev/shm of containers that share it (`--ipc shareable`): a tmpfs that the engine mounts on the host, so that another
 * container can have it too. All others get theirs from the runtime, or that of the one they join.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { flags, isMounted, mount, unmount } from "../../sys/mount.ts";
import { conflict } from "../errors.ts";
import type { ContainerRecord } from "./container.ts";
import type { Parts } from "./containers.ts";

const shares = (record: ContainerRecord): boolean => record.hostConfig.IpcMode === "shareable";
const folderOf = (parts: Parts, record: ContainerRecord): string => join(parts.files, record.id, "shm");

/** Before the start. Does nothing for a container whose /dev/shm is its own. */
export function mountShm(parts: Parts, record: ContainerRecord): void {
  if (!shares(record)) return;
  const folder = folderOf(parts, record);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (isMounted(folder)) return;
  mount(
    "shm",
    folder,
    "tmpfs",
    flags.NOSUID | flags.NODEV | flags.NOEXEC,
    `mode=1777,size=${record.hostConfig.ShmSize}`,
  );
}

/** After the end, and before the container's folder is removed. Containers that joined keep what they have. */
export function unmountShm(parts: Parts, record: ContainerRecord): void {
  if (shares(record)) unmount(folderOf(parts, record), { lazy: true });
}

/** The folder to mount at /dev/shm instead of a new tmpfs. Throws 404, and 409 when the other shares nothing. */
export function shmSource(parts: Parts, record: ContainerRecord): string | undefined {
  const mode = record.hostConfig.IpcMode ?? "";
  if (shares(record)) return folderOf(parts, record);
  if (mode === "host") return "/dev/shm";
  if (!mode.startsWith("container:")) return undefined;
  const other = parts.store.find(mode.slice("container:".length)).record;
  const source = shmSource(parts, other);
  if (source !== undefined) return source;
  throw conflict(
    `cannot join IPC of container ${other.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
  );
}
