/**
 * The end of a container's process: recorded and answered first, then torn down. A restart policy may begin it again.
 */
import type { Exit, RunningProcess } from "../../runtime/runtime.ts";
import { type Container, isRunning } from "./container.ts";
import { eventAttributes, type Parts } from "./containers.ts";
import { removeFiles } from "./files.ts";
import { begin } from "./lifecycle.ts";
import { destroyContainer } from "./remove.ts";
import { unmountShm } from "./shm.ts";
import { tellVolumes } from "./volumes.ts";

const firstDelay = 100;
const longestDelay = 60_000;
/** A container that ran this long starts its delays anew (Docker's rule). */
const settled = 10_000;

export function watchExit(parts: Parts, container: Container, process: RunningProcess): void {
  process.exit.then(
    (exit) => container.lock(() => ended(parts, container, process, exit)),
    (error: Error) => parts.log.error(`container ${container.record.id}: its exit was lost: ${error.message}`),
  );
}

async function ended(parts: Parts, container: Container, process: RunningProcess, exit: Exit): Promise<void> {
  // The server ended, or it was begun anew meanwhile.
  if (container.process !== process || !isRunning(container)) return;
  const { record } = container;
  const published = (container.state.bindings ?? []).length > 0;
  parts.endpoints.leave(container);
  tellVolumes(parts, record, "unmount");
  container.state = {
    ...container.state,
    status: "exited",
    pid: 0,
    exitCode: exit.code,
    oomKilled: exit.oomKilled,
    finishedAt: exit.at,
  };
  delete container.process;
  if (exit.oomKilled) parts.events.emit("container", "oom", record.id, eventAttributes(record));
  const lived = Date.parse(exit.at) - Date.parse(container.state.startedAt);
  parts.events.emit(
    "container",
    "die",
    record.id,
    eventAttributes(record, {
      execDuration: String(Math.max(0, Math.floor(lived / 1000))),
      exitCode: String(exit.code),
    }),
  );
  // A port is free when the end is told: somebody may wait for it. The rest goes on behind the answer.
  if (published) await freePorts(parts, container);
  const again = !container.removing && !parts.closing() && shallRestart(container);
  container.teardown = teardown(parts, container);
  if (record.hostConfig.AutoRemove && !container.removing && !container.restartAsked) {
    await destroyContainer(parts, container, true, () => answer(container, exit.code));
    return;
  }
  if (again) scheduleRestart(parts, container, lived);
  parts.store.saveState(container);
  answer(container, exit.code);
}

async function freePorts(parts: Parts, container: Container): Promise<void> {
  try {
    await parts.endpoints.disconnect(container);
  } catch (error) {
    parts.log.error(`container ${container.record.id}: its ports: ${(error as Error).message}`);
  }
}

function answer(container: Container, code: number): void {
  for (const exited of container.exits) exited(code);
  container.exits.clear();
}

/** Gives back what it held on the host. Goes on behind the answer; a next start waits for it. */
async function teardown(parts: Parts, container: Container): Promise<void> {
  const { id } = container.record;
  const steps = [
    () => parts.endpoints.disconnect(container),
    () => parts.runtime.remove(id),
    async () => parts.snapshots.unmount(id),
    async () => unmountShm(parts, container.record),
    async () => removeFiles(parts, container.record),
  ];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      parts.log.error(`container ${id}: ${(error as Error).message}`);
    }
  }
}

function shallRestart(container: Container): boolean {
  const { record, state } = container;
  const { Name: name, MaximumRetryCount: most = 0 } = record.hostConfig.RestartPolicy as unknown as {
    Name: string;
    MaximumRetryCount?: number;
  };
  if (state.stopped) return false;
  if (name === "always" || name === "unless-stopped") return true;
  return name === "on-failure" && state.exitCode !== 0 && (most === 0 || state.restartCount < most);
}

function scheduleRestart(parts: Parts, container: Container, lived: number): void {
  const before = lived >= settled ? 0 : (container.restart?.delay ?? 0);
  const delay = Math.min(before === 0 ? firstDelay : before * 2, longestDelay);
  container.state = { ...container.state, status: "restarting", restartCount: container.state.restartCount + 1 };
  const timer = setTimeout(() => void container.lock(() => restart(parts, container)), delay);
  container.restart = { timer, delay };
}

async function restart(parts: Parts, container: Container): Promise<void> {
  if (container.state.status !== "restarting" || container.removing || parts.closing()) return;
  try {
    await begin(parts, container);
  } catch (error) {
    parts.log.warn(`container ${container.record.id} could not be restarted: ${(error as Error).message}`);
    if (container.removed || container.state.stopped || !shallRestart(container)) return;
    scheduleRestart(parts, container, 0);
    parts.store.saveState(container);
  }
}

/** Forgets a restart that waits. The delay is kept only while its loop goes on. */
export function cancelRestart(container: Container): void {
  clearTimeout(container.restart?.timer);
  delete container.restart;
}
