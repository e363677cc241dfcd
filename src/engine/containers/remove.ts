/** Removing and renaming. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { conflict, invalid } from "../errors.ts";
import { type Container, isActive, isRunning } from "./container.ts";
import { eventAttributes, type Parts } from "./containers.ts";
import { cancelRestart } from "./exit.ts";
import { end } from "./lifecycle.ts";
import { checkName } from "./names.ts";
import { volumeUsers } from "./volumes.ts";

export async function removeContainer(
  parts: Parts,
  container: Container,
  options: { force: boolean; volumes: boolean },
): Promise<void> {
  const { record } = container;
  if (container.removing) throw conflict(`removal of container ${record.name} is already in progress`);
  if (isActive(container) && !options.force) {
    const advice =
      container.state.status === "paused"
        ? "container is paused and must be unpaused first"
        : "container is running: stop the container before removing or force remove";
    throw conflict(`cannot remove container "/${record.name}": ${advice}`);
  }
  container.removing = true;
  cancelRestart(container);
  if (isRunning(container)) await end(parts, container, 9, 10);
  await container.lock(() => destroyContainer(parts, container, options.volumes));
}

/**
 * Takes the row away, which is the removal as far as anybody sees, answers the waiters, and clears its files behind the
 * answer: what a crash leaves of them is swept at start. The lock is held.
 */
export async function destroyContainer(
  parts: Parts,
  container: Container,
  withVolumes: boolean,
  answered?: () => void,
): Promise<void> {
  if (container.removed) return;
  container.removing = true;
  const { record, state } = container;
  const volumes = withVolumes ? ownVolumes(parts, container) : [];
  // One that was started and removes itself is removed again by the next start, should a power cut bring its row back.
  parts.store.delete(container, record.hostConfig.AutoRemove === true && state.status !== "created");
  // They are off the list at once; only their files take time.
  const discarded = volumes.map((name) => parts.volumes.discard(name));
  parts.events.emit("container", "destroy", record.id, eventAttributes(record));
  answered?.();
  for (const arrive of container.arrivals) arrive(undefined);
  container.arrivals.clear();
  for (const exited of container.exits) exited(state.exitCode);
  container.exits.clear();
  for (const removed of container.removals) removed(state.exitCode);
  container.removals.clear();
  container.teardown = clear(parts, container, discarded);
}

/** Its anonymous volumes that no other container uses. */
function ownVolumes(parts: Parts, { record }: Container): string[] {
  return record.mounts
    .filter((mount) => mount.anonymous && mount.type === "volume")
    .map((mount) => mount.source)
    .filter((name) => volumeUsers(parts.store.all(), name).every((user) => user === record.id));
}

async function clear(parts: Parts, container: Container, discarded: Promise<void>[]): Promise<void> {
  const { id } = container.record;
  const volumes = Promise.allSettled(discarded);
  await container.teardown;
  try {
    await parts.runtime.remove(id);
    await parts.snapshots.remove(id);
    await rm(join(parts.folder, id), { recursive: true, force: true });
    for (const one of await volumes) if (one.status === "rejected") throw one.reason as Error;
  } catch (error) {
    parts.log.error(`container ${id} was removed, but its files were not: ${(error as Error).message}`);
  }
}

export function renameContainer(parts: Parts, container: Container, name: string): Promise<void> {
  return container.lock(async () => {
    const { record } = container;
    const wanted = checkName(name);
    if (wanted === record.name) {
      throw invalid("Renaming a container with the same name as its current name");
    }
    const oldName = record.name;
    parts.store.reserve(wanted, record.id);
    parts.store.rename(container, wanted);
    parts.events.emit("container", "rename", record.id, eventAttributes(container.record, { oldName: `/${oldName}` }));
  });
}
