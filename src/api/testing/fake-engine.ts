/** An engine in memory, for the API's tests: containers whose processes are fake-process.ts's. */
import type { ContainerCreateRequest, EventMessage, ExecConfig } from "@docker/node-sdk";
import type { Engine, Filters, LogRecord, ProgressMessage, WaitResult } from "../../engine/engine.ts";
import { conflict, invalid, notFound } from "../../engine/errors.ts";
import type { Attachment } from "../../runtime/runtime.ts";
import { type FakeProcess, knowsCommand, startProcess } from "./fake-process.ts";

export interface FakeContainer {
  id: string;
  name: string;
  request: ContainerCreateRequest;
  process?: FakeProcess;
  running: boolean;
  exitCode: number;
  records: LogRecord[];
  /** Called at each change of state or log. */
  watchers: Set<() => void>;
  removed: boolean;
}

export interface FakeEngine extends Engine {
  /** Every call, as `containers.create` with its arguments. */
  calls: { name: string; args: unknown[] }[];
  all: Map<string, FakeContainer>;
  /** What a pull does. */
  pulling: (
    progress: (message: ProgressMessage) => void,
    signal: AbortSignal,
    options: Record<string, unknown>,
  ) => Promise<void>;
  emit(event: EventMessage): void;
  /** Iterations of events and logs that were not ended. */
  streams: number;
  execs: Engine["execs"] & { detach?: () => void };
  detached: string[];
}

const hex = (bytes: number) => Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("hex");

export function createFakeEngine(): FakeEngine {
  const all = new Map<string, FakeContainer>();
  const execs = new Map<
    string,
    { container: FakeContainer; config: ExecConfig; process?: FakeProcess; code?: number }
  >();
  const calls: FakeEngine["calls"] = [];
  const past: EventMessage[] = [];
  const eventWatchers = new Set<() => void>();

  const find = (ref: string): FakeContainer => {
    for (const container of all.values()) {
      if (container.name === ref || container.id.startsWith(ref)) return container;
    }
    throw notFound(`No such container: ${ref}`);
  };
  const changed = (container: FakeContainer) => {
    for (const watcher of [...container.watchers]) watcher();
  };
  const vanish = (container: FakeContainer) => {
    container.removed = true;
    all.delete(container.id);
    changed(container);
  };
  const until = (container: FakeContainer, holds: () => boolean, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = () => {
        if (holds()) stop(resolve);
      };
      const abort = () => stop(() => reject(new Error("aborted")));
      const stop = (then: () => void) => {
        container.watchers.delete(check);
        signal?.removeEventListener("abort", abort);
        then();
      };
      container.watchers.add(check);
      signal?.addEventListener("abort", abort);
      check();
    });

  async function* recordsOf(
    container: FakeContainer,
    follow: boolean,
    signal?: AbortSignal,
  ): AsyncGenerator<LogRecord> {
    engine.streams++;
    try {
      for (let at = 0; ; ) {
        while (at < container.records.length) yield container.records[at++] as LogRecord;
        if (!follow || !container.running || signal?.aborted) return;
        await until(container, () => container.records.length > at || !container.running, signal).catch(() => {});
      }
    } finally {
      engine.streams--;
    }
  }

  const engine: FakeEngine = {
    calls,
    all,
    streams: 0,
    detached: [],
    pulling: async () => {},
    emit(event) {
      past.push(event);
      for (const watcher of [...eventWatchers]) watcher();
    },
    containers: {
      async create(name, request, platform) {
        calls.push({ name: "containers.create", args: [name, request, platform] });
        if (request.Image === "absent") throw notFound("No such image: absent:latest");
        const id = hex(32);
        all.set(id, {
          id,
          name: name ?? `fake_${id.slice(0, 8)}`,
          request,
          running: false,
          exitCode: 0,
          records: [],
          watchers: new Set(),
          removed: false,
        });
        return { Id: id, Warnings: [] };
      },
      async start(ref) {
        const container = find(ref);
        if (container.running) return false;
        const command = container.request.Cmd ?? [];
        if (!knowsCommand(command[0])) {
          if (container.request.HostConfig?.AutoRemove) vanish(container);
          throw invalid(`exec: "${command[0]}": executable file not found in $PATH: unknown`);
        }
        container.running = true;
        const decoder = { stdout: "", stderr: "" };
        const process = startProcess(command, {
          terminal: container.request.Tty === true,
          stdinOnce: container.request.StdinOnce !== false,
          log(stream, bytes) {
            if (bytes.length > 4096) return;
            const lines = (decoder[stream] + new TextDecoder().decode(bytes)).split("\n");
            decoder[stream] = lines.pop() as string;
            for (const line of lines) {
              const time = "2024-01-02T03:04:05.000000006Z";
              container.records.push({ stream, time, data: Buffer.from(`${line}\n`), partial: false });
            }
            changed(container);
          },
        });
        container.process = process;
        changed(container);
        process.exit.then((code) => {
          container.running = false;
          container.exitCode = code;
          if (container.request.HostConfig?.AutoRemove) vanish(container);
          else changed(container);
        });
        return true;
      },
      async stop(ref, options) {
        calls.push({ name: "containers.stop", args: [ref, options] });
        const container = find(ref);
        if (!container.running) return false;
        container.process?.kill(15);
        await until(container, () => !container.running);
        return true;
      },
      async restart(ref, options) {
        calls.push({ name: "containers.restart", args: [ref, options] });
        find(ref);
      },
      async kill(ref, signal) {
        calls.push({ name: "containers.kill", args: [ref, signal] });
        const container = find(ref);
        if (!container.running) throw conflict(`container ${container.id} is not running`);
        container.process?.kill(9);
      },
      async pause(ref) {
        find(ref);
      },
      async unpause(ref) {
        find(ref);
      },
      wait(ref, condition) {
        const container = find(ref);
        const started = container.running || condition === "not-running";
        let ran = started;
        const holds = () => {
          ran ||= container.running;
          if (container.removed) return true;
          return condition === "removed" ? false : ran && !container.running;
        };
        const result = until(container, holds).then((): WaitResult => ({ StatusCode: container.exitCode }));
        return { result };
      },
      async remove(ref, options) {
        calls.push({ name: "containers.remove", args: [ref, options] });
        const container = find(ref);
        vanish(container);
      },
      async rename(ref, name) {
        find(ref).name = name;
      },
      async list(options) {
        calls.push({ name: "containers.list", args: [options] });
        return [...all.values()].map((container) => ({
          Id: container.id,
          Names: [`/${container.name}`],
          Image: container.request.Image ?? "",
          ImageID: "sha256:0",
          Command: (container.request.Cmd ?? []).join(" "),
          Created: 1,
          Ports: [],
          Labels: {},
          State: container.running ? "running" : "exited",
          Status: "Up",
          HostConfig: { NetworkMode: "bridge", Annotations: { a: "b" } },
          NetworkSettings: { Networks: {} },
          Mounts: [],
          Health: { Status: "none", FailingStreak: 0 },
        }));
      },
      async inspect(ref) {
        const container = find(ref);
        return {
          Id: container.id,
          Name: `/${container.name}`,
          Image: "sha256:0",
          State: {
            Status: container.running ? "running" : "exited",
            Running: container.running,
            Paused: false,
            Restarting: false,
            ExitCode: container.exitCode,
          },
          Config: { ...container.request, Hostname: "host", Tty: container.request.Tty === true },
          HostConfig: container.request.HostConfig ?? {},
          NetworkSettings: {
            Networks: { bridge: { Aliases: undefined as unknown as string[] }, mine: { Aliases: ["db"] } },
          },
        };
      },
      async top(ref, psArgs) {
        find(ref);
        return { Titles: ["PID", "CMD"], Processes: [["1", psArgs]] };
      },
      async resize(ref, rows, columns) {
        calls.push({ name: "containers.resize", args: [ref, rows, columns] });
        find(ref);
      },
      attach(ref) {
        const container = find(ref);
        return {
          terminal: container.request.Tty === true,
          openStdin: container.request.OpenStdin === true,
          stdinOnce: container.request.StdinOnce !== false,
          detached: () => engine.detached.push(container.id),
          history: () => recordsOf(container, false),
          async attachment(signal): Promise<Attachment> {
            await until(container, () => container.process !== undefined || container.removed, signal);
            if (!container.process) throw notFound(`No such container: ${container.id}`);
            return (container.process as FakeProcess).attachment;
          },
        };
      },
      logs(ref, options) {
        calls.push({ name: "containers.logs", args: [ref, options] });
        const container = find(ref);
        return {
          terminal: container.request.Tty === true,
          records: recordsOf(container, options.follow, options.signal),
        };
      },
      async prune(filters: Filters) {
        calls.push({ name: "containers.prune", args: [filters] });
        return { ContainersDeleted: [], SpaceReclaimed: 0 };
      },
    },
    execs: {
      async create(ref, config) {
        calls.push({ name: "execs.create", args: [ref, config] });
        const container = find(ref);
        if (!container.running) throw conflict(`container ${container.id} is not running`);
        const id = hex(32);
        execs.set(id, { container, config });
        return id;
      },
      async start(execId, options) {
        calls.push({ name: "execs.start", args: [execId, options] });
        const exec = execs.get(execId);
        if (!exec) throw notFound(`No such exec instance: ${execId}`);
        const command = exec.config.Cmd ?? [];
        if (!knowsCommand(command[0])) {
          exec.code = 127;
          throw invalid(`OCI runtime exec failed: exec failed: "${command[0]}": executable file not found in $PATH`);
        }
        const terminal = exec.config.Tty === true;
        const process = startProcess(command, { terminal, stdinOnce: true });
        exec.process = process;
        process.exit.then((code) => {
          exec.code = code;
        });
        if (options.detach) return undefined;
        return {
          terminal,
          openStdin: exec.config.AttachStdin === true,
          attachment: process.attachment,
          exited: Promise.resolve(),
        };
      },
      inspect(execId) {
        const exec = execs.get(execId);
        if (!exec) throw notFound(`No such exec instance: ${execId}`);
        return {
          ID: execId,
          Running: exec.process !== undefined && exec.code === undefined,
          ExitCode: exec.code ?? 0,
          ContainerID: exec.container.id,
          DetachKeys: exec.config.DetachKeys ?? "",
        };
      },
      async resize(execId, rows, columns) {
        calls.push({ name: "execs.resize", args: [execId, rows, columns] });
      },
    },
    images: {
      async pull(reference, { signal, progress, ...options }) {
        calls.push({ name: "images.pull", args: [reference, options] });
        await engine.pulling(progress, signal, options);
      },
      async list(options) {
        calls.push({ name: "images.list", args: [options] });
        return [
          {
            Id: "sha256:1",
            ParentId: "",
            RepoTags: [],
            RepoDigests: [],
            Created: 1,
            Size: 5,
            SharedSize: -1,
            Labels: {},
            Containers: 2,
            Descriptor: {},
          },
        ];
      },
      async inspect(ref) {
        calls.push({ name: "images.inspect", args: [ref] });
        if (ref === "absent") throw notFound("No such image: absent");
        return { Id: "sha256:1", RepoTags: [ref], Size: 5, Config: { Cmd: ["sh"] }, Descriptor: {} };
      },
      async history(ref) {
        calls.push({ name: "images.history", args: [ref] });
        return [];
      },
      async tag(...args) {
        calls.push({ name: "images.tag", args });
      },
      async remove(...args) {
        calls.push({ name: "images.remove", args });
        return [];
      },
      async prune(filters) {
        calls.push({ name: "images.prune", args: [filters] });
        return { ImagesDeleted: [], SpaceReclaimed: 0 };
      },
    },
    volumes: {
      async create(options) {
        calls.push({ name: "volumes.create", args: [options] });
        return {
          Name: options.Name ?? "anonymous",
          Driver: "local",
          Mountpoint: "/",
          Labels: {},
          Scope: "local",
          Options: {},
        };
      },
      async inspect(name) {
        throw notFound(`get ${name}: no such volume`);
      },
      async list() {
        return { Volumes: [], Warnings: null };
      },
      async remove(...args) {
        calls.push({ name: "volumes.remove", args });
      },
      async prune(filters) {
        calls.push({ name: "volumes.prune", args: [filters] });
        return { VolumesDeleted: [], SpaceReclaimed: 0 };
      },
    },
    networks: {
      async list() {
        return [{ Name: "bridge", Id: "1", Containers: { c: {} } }];
      },
      async inspect(ref) {
        if (ref !== "bridge") throw notFound(`network ${ref} not found`);
        return { Name: "bridge", Id: "1", Containers: { c: {} } };
      },
    },
    events: {
      async *stream(options) {
        calls.push({ name: "events.stream", args: [options] });
        engine.streams++;
        try {
          for (let at = 0; ; ) {
            while (at < past.length) yield past[at++] as EventMessage;
            if (options.signal.aborted || options.until !== undefined) return;
            await new Promise<void>((resolve) => {
              const wake = () => {
                eventWatchers.delete(wake);
                options.signal.removeEventListener("abort", wake);
                resolve();
              };
              eventWatchers.add(wake);
              options.signal.addEventListener("abort", wake);
            });
          }
        } finally {
          engine.streams--;
        }
      },
    },
    async info() {
      return { ID: "fake", CgroupVersion: "1", Runtimes: { crun: { path: "crun", status: {} } }, OSType: "linux" };
    },
    async version() {
      return { Version: "0.0.0", ApiVersion: "1.51", MinAPIVersion: "1.24", Os: "linux", Arch: "amd64" };
    },
  };
  return engine;
}
