/** `docker exec`: a further process in a running container. Execs live as long as their container runs, and in memory. */
import type { ExecConfig, ExecInspectResponse } from "@docker/node-sdk";
import { LaunchError, type RunningProcess } from "../../runtime/runtime.ts";
import { type Container, isRunning } from "../containers/container.ts";
import { eventAttributes, isGone, type Parts } from "../containers/containers.ts";
import { makeExecProcess } from "../containers/process.ts";
import type { Execs } from "../engine.ts";
import { conflict, EngineError, invalid, notFound } from "../errors.ts";
import { newId } from "../identifier.ts";

interface Exec {
  id: string;
  container: Container;
  config: ExecConfig;
  process?: RunningProcess;
  started: boolean;
  running: boolean;
  exitCode: number | null;
  pid: number;
}

/** Execs that ended are kept this long for `inspect` (Docker collects them after five minutes too). */
const keep = 5 * 60_000;

export function createExecs(parts: Parts): Execs {
  const execs = new Map<string, Exec>();

  function find(id: string): Exec {
    const exec = execs.get(id);
    if (!exec || exec.container.removed) throw notFound(`No such exec instance: ${id}`);
    return exec;
  }

  async function create(ref: string, config: ExecConfig): Promise<string> {
    const container = parts.store.find(ref);
    const { record, state } = container;
    if (state.status === "paused")
      throw conflict(`container ${record.name} is paused, unpause the container before exec`);
    if (state.status === "restarting")
      throw conflict(`container ${record.id} is restarting, wait until the container is running`);
    if (!isRunning(container)) throw conflict(`container ${record.id} is not running`);
    if (!config.Cmd || config.Cmd.length === 0) throw invalid("no exec command specified");
    for (const variable of config.Env ?? []) {
      if (variable === "" || variable.startsWith("=") || variable.includes("\0")) {
        throw invalid(`invalid environment variable: ${JSON.stringify(variable)}`);
      }
    }
    if (config.WorkingDir && !config.WorkingDir.startsWith("/")) {
      throw invalid(`the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`);
    }
    const id = newId();
    execs.set(id, { id, container, config, started: false, running: false, exitCode: null, pid: 0 });
    container.execs.add(id);
    parts.events.emit(
      "container",
      `exec_create: ${config.Cmd.join(" ")}`,
      record.id,
      eventAttributes(record, { execID: id }),
    );
    return id;
  }

  async function start(execId: string, options: Parameters<Execs["start"]>[1]) {
    const exec = find(execId);
    const { container, config } = exec;
    const { record } = container;
    if (exec.started) throw conflict(`exec ${execId} has already run`);
    if (container.state.status === "paused")
      throw conflict(`container ${record.id} is paused, unpause the container before exec`);
    if (!isRunning(container)) throw conflict(`container ${record.id} is not running`);
    exec.started = true;
    const terminal = config.Tty ?? false;
    const openStdin = (config.AttachStdin ?? false) && !options.detach;
    parts.events.emit(
      "container",
      `exec_start: ${config.Cmd!.join(" ")}`,
      record.id,
      eventAttributes(record, { execID: execId }),
    );
    try {
      exec.process = await parts.runtime.exec(record.id, {
        execId,
        process: makeExecProcess(parts, container, config),
        streams: { terminal, openStdin, stdinOnce: true },
        detached: options.detach,
        ...(options.size ? { size: options.size } : {}),
      });
    } catch (error) {
      exec.exitCode = error instanceof LaunchError && error.kind === "not-found" ? 127 : 126;
      finish(exec);
      throw error instanceof LaunchError
        ? new EngineError("invalid", `OCI runtime exec failed: ${error.message}`)
        : error;
    }
    exec.running = true;
    exec.pid = exec.process.pid;
    const exited = exec.process.exit.then((exit) => {
      exec.running = false;
      exec.exitCode = exit.code;
      parts.events.emit(
        "container",
        "exec_die",
        record.id,
        eventAttributes(record, { execID: execId, exitCode: String(exit.code) }),
      );
      finish(exec);
    });
    if (options.detach) return undefined;
    return { terminal, openStdin, attachment: exec.process.attachment, exited };
  }

  function finish(exec: Exec): void {
    exec.container.execs.delete(exec.id);
    setTimeout(() => execs.delete(exec.id), keep).unref();
  }

  function inspect(execId: string): ExecInspectResponse {
    const exec = find(execId);
    const { config, container } = exec;
    const [entrypoint = "", ...args] = config.Cmd ?? [];
    return {
      ID: exec.id,
      Running: exec.running,
      ExitCode: exec.exitCode,
      ProcessConfig: {
        tty: config.Tty ?? false,
        entrypoint,
        arguments: args,
        privileged: config.Privileged ?? false,
        ...(config.User ? { user: config.User } : {}),
      },
      OpenStdin: config.AttachStdin ?? false,
      OpenStderr: config.AttachStderr ?? false,
      OpenStdout: config.AttachStdout ?? false,
      // Docker's mark of those that it forgets next.
      CanRemove: false,
      ContainerID: container.record.id,
      DetachKeys: config.DetachKeys ?? "",
      Pid: exec.pid,
    } as unknown as ExecInspectResponse;
  }

  return {
    create,
    start,
    inspect,
    async resize(execId, rows, columns) {
      const exec = find(execId);
      if (!exec.process || !exec.running) throw conflict(`exec ${execId} is not running`);
      try {
        await exec.process.resize(rows, columns);
      } catch (error) {
        if (!isGone(error)) throw error;
        throw conflict(`exec ${execId} is not running`);
      }
    },
  };
}
