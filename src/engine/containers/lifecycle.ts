/** start, stop, kill, restart, pause: the transitions that a user asks for. */
import { now } from "../clock.ts";
import { conflict, EngineError } from "../errors.ts";
import { type Container, isActive, isRunning } from "./container.ts";
import { eventAttributes, type Parts } from "./containers.ts";
import { cancelRestart, watchExit } from "./exit.ts";
import { launch } from "./launch.ts";
import { destroyContainer } from "./remove.ts";
import { readSignal } from "./signals.ts";
import { tellVolumes } from "./volumes.ts";

/** false when it runs already. */
export function startContainer(parts: Parts, container: Container): Promise<boolean> {
  return container.lock(async () => {
    if (container.removing || container.removed) {
      throw conflict("container is marked for removal and cannot be started");
    }
    if (container.state.status === "paused") throw conflict("cannot start a paused container, try unpause instead");
    if (container.state.status === "running") return false;
    if (container.state.status === "dead") throw conflict("container is marked for removal and cannot be started");
    cancelRestart(container);
    container.state = { ...container.state, stopped: false, restartCount: 0 };
    await begin(parts, container);
    return true;
  });
}

/** Launches it and records the outcome; the lock is held. Throws what the start failed with. */
export async function begin(parts: Parts, container: Container): Promise<void> {
  const { record } = container;
  try {
    await launch(parts, container);
  } catch (error) {
    const exitCode = error instanceof StartFailure ? error.exitCode : 128;
    const message = error instanceof Error ? error.message : String(error);
    const status = container.state.status === "created" ? "created" : "exited";
    container.state = { ...container.state, status, pid: 0, exitCode, error: message, finishedAt: now() };
    for (const arrive of container.arrivals) arrive(undefined);
    container.arrivals.clear();
    parts.store.saveState(container);
    for (const exited of container.exits) exited(exitCode);
    container.exits.clear();
    if (record.hostConfig.AutoRemove) await destroyContainer(parts, container, true);
    throw error;
  }
  container.state = {
    ...container.state,
    status: "running",
    pid: container.process!.pid,
    exitCode: 0,
    error: "",
    oomKilled: false,
    startedAt: now(),
  };
  parts.store.saveStart(container);
  tellVolumes(parts, record, "mount");
  parts.events.emit("container", "start", record.id, eventAttributes(record));
  watchExit(parts, container, container.process!);
}

/** A start that failed: Docker's exit code beside its text. */
export class StartFailure extends EngineError {
  constructor(
    kind: "invalid" | "internal",
    message: string,
    readonly exitCode: number,
  ) {
    super(kind, message);
  }
}

/** Resolves with the code at its next exit (at once when it does not run). */
export function nextExit(container: Container): Promise<number> {
  return new Promise((resolve) => container.exits.add(resolve));
}

export async function stopContainer(
  parts: Parts,
  container: Container,
  options: { signal?: string; timeout?: number },
): Promise<boolean> {
  const { record } = container;
  const signal = readSignal(options.signal || record.config.StopSignal || "SIGTERM");
  const timeout = options.timeout ?? record.config.StopTimeout ?? 10;
  if (container.state.status === "restarting") {
    cancelRestart(container);
    container.state = { ...container.state, status: "exited", stopped: true };
    parts.store.saveState(container);
    return true;
  }
  if (!isRunning(container)) return false;
  container.state = { ...container.state, stopped: true };
  parts.store.saveState(container);
  await end(parts, container, signal, timeout);
  parts.events.emit("container", "stop", record.id, eventAttributes(record));
  return true;
}

/** Sends `signal`, then SIGKILL after `timeout` seconds (-1: never), and waits for the exit. */
export async function end(parts: Parts, container: Container, signal: number, timeout: number): Promise<void> {
  const { record } = container;
  const exited = nextExit(container);
  if (!isRunning(container)) return;
  // A frozen process gets no signal.
  if (container.state.status === "paused") await unpauseContainer(parts, container);
  await signalProcess(parts, container, signal);
  if (timeout < 0) {
    await exited;
    return;
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), timeout * 1000);
  });
  const outcome = await Promise.race([exited, late]);
  clearTimeout(timer);
  if (outcome !== "late" || !isRunning(container)) return;
  parts.log.info(`container ${record.id} did not end within ${timeout} s of signal ${signal}: SIGKILL`);
  await signalProcess(parts, container, 9);
  await exited;
}

async function signalProcess(parts: Parts, container: Container, signal: number): Promise<void> {
  try {
    await parts.runtime.kill(container.record.id, signal);
    parts.events.emit(
      "container",
      "kill",
      container.record.id,
      eventAttributes(container.record, { signal: String(signal) }),
    );
  } catch (error) {
    // It ended in the meantime: its exit is on the way.
    if (isRunning(container))
      parts.log.debug(`signal ${signal} to ${container.record.id}: ${(error as Error).message}`);
  }
}

export async function killContainer(parts: Parts, container: Container, text: string): Promise<void> {
  const { record } = container;
  const signal = readSignal(text || "SIGKILL");
  if (!isRunning(container)) {
    if (container.state.status === "restarting") {
      await stopContainer(parts, container, {});
      return;
    }
    throw conflict(`cannot kill container: ${record.name}: container ${record.id} is not running`);
  }
  const exited = signal === 9 ? nextExit(container) : undefined;
  if (signal === 9 || signal === 15) {
    // Docker counts a kill as a manual stop: the restart policy leaves it alone.
    container.state = { ...container.state, stopped: true };
    parts.store.saveState(container);
  }
  if (signal === 9 && container.state.status === "paused") await unpauseContainer(parts, container);
  await signalProcess(parts, container, signal);
  await exited;
}

export async function restartContainer(
  parts: Parts,
  container: Container,
  options: { signal?: string; timeout?: number },
): Promise<void> {
  container.restartAsked = true;
  try {
    if (isActive(container)) await stopContainer(parts, container, options);
    await startContainer(parts, container);
  } finally {
    delete container.restartAsked;
  }
  parts.events.emit("container", "restart", container.record.id, eventAttributes(container.record));
}

export function pauseContainer(parts: Parts, container: Container): Promise<void> {
  const { record } = container;
  return container.lock(async () => {
    if (container.state.status === "paused") throw conflict(`Container ${record.id} is already paused`);
    if (container.state.status === "restarting")
      throw conflict(`Container ${record.id} is restarting, wait until the container is running`);
    if (container.state.status !== "running") throw conflict(`Container ${record.id} is not running`);
    await parts.runtime.pause(record.id);
    container.state = { ...container.state, status: "paused" };
    parts.store.saveState(container);
    parts.events.emit("container", "pause", record.id, eventAttributes(record));
  });
}

export function unpauseContainer(parts: Parts, container: Container): Promise<void> {
  const { record } = container;
  return container.lock(async () => {
    if (container.state.status !== "paused") throw conflict(`Container ${record.id} is not paused`);
    await parts.runtime.resume(record.id);
    container.state = { ...container.state, status: "running" };
    parts.store.saveState(container);
    parts.events.emit("container", "unpause", record.id, eventAttributes(record));
  });
}
