/**
 * At start: what ran goes on, what ended meanwhile is recorded, what an earlier server left half-made is swept.
 * The database decides: a process whose start was never recorded was never acknowledged.
 */
import { mkdirSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { unmount } from "../../sys/mount.ts";
import { now } from "../clock.ts";
import { type Container, isRunning } from "./container.ts";
import type { Parts } from "./containers.ts";
import { watchExit } from "./exit.ts";
import { startContainer } from "./lifecycle.ts";
import { streamsOf } from "./process.ts";
import { destroyContainer } from "./remove.ts";
import { unmountShm } from "./shm.ts";

/** What Docker gives a container whose end nobody saw. */
const lostExitCode = 255;

export async function restoreContainers(parts: Parts): Promise<void> {
  mkdirSync(parts.folder, { recursive: true, mode: 0o710 });
  const wereActive: Container[] = [];
  for (const container of parts.store.all()) {
    if (isRunning(container)) {
      wereActive.push(container);
      await reconnect(parts, container);
    } else if (container.state.status === "restarting") {
      wereActive.push(container);
      container.state = { ...container.state, status: "exited" };
    } else if (container.state.status === "removing") {
      container.state = { ...container.state, status: "exited" };
    }
  }
  const live = parts.store.all().filter((one) => one.process !== undefined);
  await sweepRuntime(parts, new Set(live.map((one) => one.record.id)));
  await parts.bridge.restore(
    live.flatMap(({ record, state }) =>
      state.endpoint ? [{ id: record.id, endpoint: state.endpoint, bindings: state.bindings ?? [] }] : [],
    ),
  );
  await sweepSnapshots(parts);
  await prepareLost(parts);
  await sweepFolders(parts);
  parts.volumes.sweep();
  for (const container of live) watchExit(parts, container, container.process!);
  for (const container of parts.store.all()) {
    if (container.process) continue;
    if (container.record.hostConfig.AutoRemove && container.state.status !== "created") {
      await container.lock(() => destroyContainer(parts, container, true));
    }
  }
  restartByPolicy(parts, wereActive);
}

async function reconnect(parts: Parts, container: Container): Promise<void> {
  const { record } = container;
  try {
    const process = await parts.runtime.reconnect(record.id, streamsOf(record));
    if (process) {
      // A restart by policy that was cut off between its making and its start: nobody was told that it runs.
      if (!parts.runtime.isStarted(record.id)) await parts.runtime.start(record.id);
      container.process = process;
      return;
    }
    parts.log.warn(`container ${record.id} is gone: the machine was restarted, or somebody ended its supervisor`);
  } catch (error) {
    parts.log.error(`container ${record.id} cannot be reached: ${(error as Error).message}`);
  }
  const { endpoint: _endpoint, bindings: _bindings, ...rest } = container.state;
  container.state = { ...rest, status: "exited", pid: 0, exitCode: lostExitCode, finishedAt: now() };
  parts.store.saveState(container);
}

async function sweepRuntime(parts: Parts, live: Set<string>): Promise<void> {
  for (const id of await parts.runtime.list()) {
    if (live.has(id)) continue;
    parts.log.info(`removing what is left of the process of ${id}`);
    await attempt(parts, () => parts.runtime.remove(id));
  }
}

async function sweepSnapshots(parts: Parts): Promise<void> {
  for (const id of parts.snapshots.list()) {
    const container = parts.store.byId(id);
    if (!container) {
      await attempt(parts, () => parts.snapshots.remove(id));
    } else if (!container.process) {
      await attempt(parts, async () => parts.snapshots.unmount(id));
      await attempt(parts, async () => unmountShm(parts, container.record));
    }
  }
}

/** A container whose creation a power cut followed at once may be without its writable part, to which nothing was written. */
async function prepareLost(parts: Parts): Promise<void> {
  for (const { record } of parts.store.all()) {
    if (parts.snapshots.has(record.id)) continue;
    parts.log.warn(`container ${record.id} has lost its writable part: it gets an empty one`);
    await attempt(parts, () => parts.snapshots.prepare(record.id, record.chain));
  }
}

async function sweepFolders(parts: Parts): Promise<void> {
  for (const id of readdirSync(parts.folder)) {
    if (parts.store.byId(id)) continue;
    await attempt(parts, () => rm(join(parts.folder, id), { recursive: true, force: true }));
  }
  mkdirSync(parts.files, { recursive: true, mode: 0o711 });
  for (const id of readdirSync(parts.files)) {
    if (parts.store.byId(id)?.process) continue;
    await attempt(parts, async () => {
      unmount(join(parts.files, id, "shm"), { lazy: true });
      await rm(join(parts.files, id), { recursive: true, force: true });
    });
  }
}

async function attempt(parts: Parts, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    parts.log.error(`sweep: ${(error as Error).message}`);
  }
}

function restartByPolicy(parts: Parts, wereActive: Container[]): void {
  for (const container of parts.store.all()) {
    if (container.process || container.removed) continue;
    const { Name: name } = container.record.hostConfig.RestartPolicy as unknown as { Name: string };
    const wanted =
      (name === "always" && container.state.status !== "created") ||
      (name === "unless-stopped" && !container.state.stopped && container.state.status !== "created") ||
      (name === "on-failure" && wereActive.includes(container) && container.state.exitCode !== 0);
    if (!wanted) continue;
    startContainer(parts, container).catch((error: Error) =>
      parts.log.warn(`container ${container.record.id} could not be restarted: ${error.message}`),
    );
  }
}
