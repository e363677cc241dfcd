/** A container's volumes: the first copy of the image's content, and who uses what. */
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { copyTree } from "../../storage/copy/copy.ts";
import { openRoot } from "../../sys/rooted.ts";
import type { Container, ContainerRecord, MountRecord } from "./container.ts";
import type { Parts } from "./containers.ts";

/**
 * Copies what the image has at the mount's place into a volume that is still empty. The copy is made beside it and
 * takes its place in one rename: a crash leaves the volume empty or whole.
 */
export async function fillVolume(parts: Parts, container: Container, mount: MountRecord): Promise<void> {
  const data = parts.volumes.data(mount.source);
  if (existsSync(data) && readdirSync(data).length > 0) return;
  const { id } = container.record;
  const root = openRoot(parts.snapshots.mount(id));
  try {
    const source = root.stat(mount.destination);
    if (!source?.isDirectory) return;
    const staging = parts.volumes.staging(mount.source);
    await rm(staging, { recursive: true, force: true });
    mkdirSync(staging, { mode: 0o755 });
    await copyTree(root, mount.destination, staging);
    await rename(staging, data);
  } finally {
    root.close();
    parts.snapshots.unmount(id);
  }
}

/** Docker's events of the volumes that a container begins or ends to use. */
export function tellVolumes(parts: Parts, record: ContainerRecord, action: "mount" | "unmount"): void {
  for (const mount of record.mounts) {
    if (mount.type !== "volume") continue;
    parts.events.emit("volume", action, mount.source, {
      driver: "local",
      container: record.id,
      ...(action === "mount"
        ? { destination: mount.destination, "read/write": String(!mount.readonly), propagation: mount.propagation }
        : {}),
    });
  }
}

/** IDs of the containers that use a volume. */
export const volumeUsers = (containers: Iterable<Container>, name: string): string[] =>
  [...containers]
    .filter((one) => one.record.mounts.some((mount) => mount.type === "volume" && mount.source === name))
    .map((one) => one.record.id);
