/** The start of a container, step by step; what a failed step leaves is undone in reverse. */
import { existsSync, mkdirSync } from "node:fs";
import { NetworkError } from "../../network/network.ts";
import { LaunchError } from "../../runtime/runtime.ts";
import { buildSpec } from "../../runtime/spec/build.ts";
import { SpecError } from "../../runtime/spec/errors.ts";
import { openRoot } from "../../sys/rooted.ts";
import { EngineError } from "../errors.ts";
import type { Container } from "./container.ts";
import type { Parts } from "./containers.ts";
import { removeFiles, writeFiles } from "./files.ts";
import { logPath } from "./inspect.ts";
import { StartFailure } from "./lifecycle.ts";
import { environment, streamsOf, userOf } from "./process.ts";
import { mountShm, unmountShm } from "./shm.ts";
import { specInput } from "./specification.ts";

/** Leaves `container.process` set and the command running, or throws and leaves nothing. */
export async function launch(parts: Parts, container: Container): Promise<void> {
  const { record } = container;
  const { id } = record;
  await container.teardown;
  const undo: (() => Promise<void> | void)[] = [];
  try {
    const connection = parts.endpoints.connect(container);
    undo.push(async () => {
      await connection.catch(() => {});
      await parts.endpoints.disconnect(container);
    });
    const rootfs = parts.snapshots.mount(id);
    undo.push(() => parts.snapshots.unmount(id));
    mountShm(parts, record);
    undo.push(() => {
      unmountShm(parts, record);
      removeFiles(parts, record);
    });
    makeBindSources(container);
    const { namespace } = await connection;
    const mode = record.hostConfig.NetworkMode!;
    const files = writeFiles(parts, container);
    const { user, env } = prepareRoot(container, rootfs);
    const spec = buildSpec(
      specInput(parts, record, {
        rootfs,
        user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
        env,
        network: mode === "host" ? "host" : { path: namespace! },
        files,
      }),
    );
    const log = logPath(parts, record);
    const [rows = 0, columns = 0] = record.hostConfig.ConsoleSize ?? [];
    const process = await parts.runtime.create({
      id,
      spec,
      streams: streamsOf(record),
      ...(log ? { logPath: log } : {}),
      ...(rows > 0 && columns > 0 ? { size: { rows, columns } } : {}),
    });
    undo.push(async () => {
      delete container.process;
      await parts.runtime.remove(id);
    });
    container.process = process;
    // Whoever attached before the start listens before the first instruction.
    for (const arrive of container.arrivals) arrive(process);
    container.arrivals.clear();
    await Promise.resolve();
    await parts.runtime.start(id);
  } catch (error) {
    for (const step of undo.reverse()) {
      try {
        await step();
      } catch (failed) {
        parts.log.error(`container ${id}: undoing its start: ${(failed as Error).message}`);
      }
    }
    throw startFailure(error);
  }
}

/** `-v /host:/x` makes the host's folder when it is not there. */
function makeBindSources({ record }: Container): void {
  for (const mount of record.mounts) {
    if (mount.type !== "bind" || existsSync(mount.source)) continue;
    try {
      mkdirSync(mount.source, { recursive: true, mode: 0o755 });
    } catch (error) {
      throw new EngineError(
        "internal",
        `error while creating mount source path '${mount.source}': ${(error as Error).message}`,
      );
    }
  }
}

/** The working folder is made, the user looked up; both confined to the container's root. */
function prepareRoot(container: Container, rootfs: string) {
  const { config, hostConfig } = container.record;
  const root = openRoot(rootfs);
  try {
    const user = userOf(root, config.User ?? "", hostConfig.GroupAdd ?? []);
    if (config.WorkingDir && config.WorkingDir !== "/" && !hostConfig.ReadonlyRootfs) {
      root.mkdirAll(config.WorkingDir, 0o755, 0, 0);
    }
    return { user, env: environment({ ...config, Tty: config.Tty ?? false } as never, user) };
  } finally {
    root.close();
  }
}

/** Docker's status and exit code for each kind of failure; the CLI finds 126 and 127 by the text. */
function startFailure(error: unknown): unknown {
  if (error instanceof LaunchError) {
    const text = `failed to create task for container: failed to create shim task: OCI runtime create failed: ${error.message}`;
    if (error.kind === "not-found") return new StartFailure("invalid", text, 127);
    if (error.kind === "not-executable") return new StartFailure("invalid", text, 126);
    return new StartFailure("internal", text, 128);
  }
  if (error instanceof SpecError) return new StartFailure("invalid", error.message, 128);
  if (error instanceof NetworkError) {
    return new StartFailure(error.kind === "invalid" ? "invalid" : "internal", error.message, 128);
  }
  if (error instanceof EngineError) return error;
  return error;
}
