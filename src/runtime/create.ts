/** The Runtime by conmon and crun: conmon supervises, crun confines. */
import { createHash } from "node:crypto";
import { closeSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { makeMemoryProgram } from "../sys/memfd.ts";
import { pidfdOpen, pidfdSendSignal, kill as signalProcess, startTime } from "../sys/process.ts";
import { checkId, openBundles } from "./bundle/bundle.ts";
import { type Cgroups, openCgroups } from "./cgroup/cgroup.ts";
import { makePlacer, placerFailure } from "./cgroup/placer.ts";
import type { Entrance } from "./conmon/command.ts";
import { launchError } from "./conmon/errors.ts";
import { abandon, begin, finish, type SuperviseOptions, supervise } from "./conmon/supervise.ts";
import { type HeldContainer, holdContainer } from "./container.ts";
import { startExec } from "./exec.ts";
import { openExits } from "./exits/exits.ts";
import { startByFifo, waitsAtFifo } from "./fifo.ts";
import { openFilters } from "./filters/filters.ts";
import { pinProgram } from "./pinned.ts";
import { LaunchError, type Runtime, type Streams } from "./runtime.ts";
import type { Spec } from "./spec/types.ts";
import { awaitEnd, conmonOf, end, findConmons } from "./supervisors.ts";
import { keepWaiting, type Waiting, type WaitingOptions } from "./waiting.ts";

export interface RuntimeOptions {
  /** Folder for bundles, sockets and exit files, on a file system that a reboot empties. One server's own. */
  execRoot: string;
  /** Paths of the programs. */
  crun?: string;
  conmon?: string;
  /**
   * The control group above all of this runtime's, `/gantry`. Two servers must not share one: what lies below is swept.
   * By default `/gantry` for /run/gantry, else `/gantry-` and eight digits that belong to the execution root.
   */
  cgroupParent?: string;
  cgroups?: Cgroups;
}

export interface ConmonRuntime extends Runtime {
  /** From now on, supervisors wait for containers of the usual kind: see waiting.ts. After the sweep of the start. */
  keepReady(options: WaitingOptions): void;
  /** Ends those that wait. */
  stopWaiting(): Promise<void>;
  readonly cgroupParent: string;
  readonly cgroups: Cgroups;
  /** Gives up watching; containers run on, and a later runtime on the same root reconnects to them. */
  close(): void;
}

/** Of the containers that supervisors wait for. */
const plainStreams: Streams = { terminal: false, openStdin: false, stdinOnce: false };

/** Where the control groups of the containers of an execution root are. */
export function defaultCgroupParent(execRoot: string): string {
  if (execRoot === "/run/gantry") return "/gantry";
  return `/gantry-${createHash("sha256").update(execRoot).digest("hex").slice(0, 8)}`;
}

export function createRuntime(options: RuntimeOptions): ConmonRuntime {
  const { execRoot, crun = "/usr/bin/crun", conmon = "/usr/bin/conmon" } = options;
  const cgroupParent = options.cgroupParent ?? defaultCgroupParent(execRoot);
  const supervisorGroup = `${cgroupParent}/supervisors`;
  const cgroups = options.cgroups ?? openCgroups();
  mkdirSync(execRoot, { recursive: true, mode: 0o711 });
  const bundles = openBundles(`${execRoot}/bundles`);
  const exits = openExits(`${execRoot}/exits`);
  const crunRoot = `${execRoot}/crun`;
  mkdirSync(crunRoot, { recursive: true, mode: 0o700 });
  const pinned = pinProgram(crun, `${execRoot}/crun.pinned`);
  const placer = openPlacer(cgroups);
  const manager = placer === undefined ? "cgroupfs" : "disabled";
  const programs = { conmon, crunArguments: [`--root=${crunRoot}`, `--cgroup-manager=${manager}`] };
  const environment = { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin", TMPDIR: consoleFolder(execRoot) };
  const filters = openFilters(`${execRoot}/filters`, crun);
  const held = new Map<string, HeldContainer>();
  let closed = false;
  let known: { mtimeMs: number; text: string } | undefined;

  const place = (pid: number) => {
    try {
      cgroups.place(pid, supervisorGroup);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      cgroups.make(supervisorGroup);
      cgroups.place(pid, supervisorGroup);
    }
  };
  /** How conmon and crun get into their groups; the container's is there, the supervisors' is made when it is not. */
  const entranceTo = (cgroup: string): { entrance?: Entrance } => {
    if (placer === undefined) return {};
    const supervisor = cgroups.entries(supervisorGroup)!;
    if (!existsSync(supervisor[0]!)) cgroups.make(supervisorGroup);
    return { entrance: { placer: placer.path, supervisor, container: cgroups.entries(cgroup)! } };
  };
  const groupOf = (id: string) => bundles.cgroup(id) ?? `${cgroupParent}/${id}`;
  const running = (id: string): HeldContainer => {
    const container = held.get(id);
    if (container === undefined) throw new Error(`container ${id} is not running`);
    return container;
  };

  let waiting: Waiting | undefined;

  const supervision = (
    id: string,
    cgroup: string,
    streams: Streams,
    logPath: string | undefined,
    command: string,
  ): SuperviseOptions => ({
    id,
    folder: bundles.path(id),
    ...programs,
    ...entranceTo(cgroup),
    crun: pinned.path(),
    streams,
    exitDir: exits.folder,
    ...(logPath === undefined ? {} : { logPath }),
    command,
    environment,
    place,
  });

  async function runCrun(args: string[], command = ""): Promise<void> {
    const child = Bun.spawn([pinned.path(), ...programs.crunArguments, ...args], {
      env: environment,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const text = await new Response(child.stderr).text();
    if ((await child.exited) !== 0) throw launchError(text, command);
  }

  async function remove(id: string): Promise<void> {
    const cgroup = groupOf(id);
    const folder = bundles.path(id);
    // A half-made container's conmon and crun may be at work still: end them first.
    if (existsSync(folder) && bundles.state(id) === undefined) {
      const half = findConmons(folder);
      for (const conmon of half) end(conmon);
      for (const conmon of half) await awaitEnd(conmon, 2000);
    }
    const supervisors = [folder, ...bundles.execs(id).map((execId) => bundles.execPath(id, execId))]
      .map(conmonOf)
      .filter((conmon) => conmon !== undefined);
    await cgroups.killAll(cgroup);
    for (const supervisor of supervisors) if (!(await awaitEnd(supervisor, 2000))) end(supervisor);
    const container = held.get(id);
    held.delete(id);
    if (container !== undefined) await Promise.race([container.exit, sleep(2000, undefined, { ref: false })]);
    container?.abandon();
    if (container?.pidfd !== undefined) closeSync(container.pidfd);
    await cgroups.remove(cgroup);
    rmSync(`${crunRoot}/${id}`, { recursive: true, force: true });
    bundles.remove(id);
    exits.remove(id);
  }

  return {
    name: "crun",
    cgroupParent,
    cgroups,

    async version() {
      // Asked again only when the program was replaced.
      const { mtimeMs } = statSync(crun);
      if (known?.mtimeMs !== mtimeMs) known = { mtimeMs, text: await programVersion(crun) };
      return known.text;
    },

    keepReady(wanted) {
      waiting ??= keepWaiting(
        {
          begin(id, logPath) {
            const cgroup = `${cgroupParent}/${id}`;
            try {
              if (placer !== undefined) cgroups.make(cgroup);
              bundles.makeWaiting(id);
              return begin(supervision(id, cgroup, plainStreams, logPath, ""));
            } catch (error) {
              void remove(id);
              throw error;
            }
          },
          async remove(id, begun) {
            abandon(begun);
            await remove(id);
          },
        },
        wanted,
      );
    },

    reserve: () => waiting?.take(),
    stopWaiting: async () => waiting?.close(),

    async create(launch) {
      const { id, streams, logPath } = launch;
      const cgroup = launch.spec.linux.cgroupsPath ?? `${cgroupParent}/${id}`;
      const spec = filters.withFilter(completeSpec(launch.spec, cgroup, streams.terminal, launch.size));
      const command = launch.spec.process?.args[0] ?? "";
      const options = supervision(id, cgroup, streams, logPath, command);
      const { folder } = options;
      const pair = await waiting?.claim(id);
      const usual = cgroup === `${cgroupParent}/${id}` && !streams.terminal && !streams.openStdin;
      const filled = pair !== undefined && usual && pair.logPath === logPath && (await bundles.fill(id, spec));
      if (pair !== undefined && !filled) {
        abandon(pair.begun);
        await remove(id);
      }
      // Outside: a container that is there already must not be removed.
      if (!filled) bundles.make(id, spec);
      try {
        exits.remove(id);
        if (placer !== undefined && !filled) cgroups.make(cgroup);
        const { pid } = await (filled ? finish(pair.begun, options) : supervise(options));
        // The process waits for its start: it executes nothing before its limits are in force, and crun needed none.
        if (placer !== undefined) cgroups.limit(cgroup, spec.linux.resources ?? {});
        filters.keep(spec, `${crunRoot}/${id}/seccomp.bpf`);
        const conmon = conmonOf(folder);
        if (conmon === undefined) throw new Error(`conmon of ${id} ended at once`);
        // It waits for its start, and conmon has not read its end if it was killed: the id is still its own.
        const pidfd = pidfdOpen(pid);
        bundles.writeState(id, { pid, started: startTime(pid) ?? "", conmon, cgroup });
        const container = await holdContainer({ id, folder, pid, pidfd, cgroup, conmon, streams, exits, cgroups });
        held.set(id, container);
        return container;
      } catch (error) {
        await remove(id);
        throw error;
      }
    },

    async start(id) {
      const { pidfd } = running(id);
      const fifo = `${crunRoot}/${checkId(id)}/exec.fifo`;
      const outcome = startByFifo(fifo);
      if (outcome === "started") return;
      if (pidfd === undefined || !isRunning(pidfd)) {
        throw new LaunchError("the process of the container ended before it was started", "other");
      }
      // Started already, by a server that was killed before it removed the FIFO; crun would wait for a reader for ever.
      if (outcome === "unread") rmSync(fifo, { force: true });
      else await runCrun(["start", id]);
    },

    async reconnect(id, streams) {
      const state = bundles.state(id);
      if (state === undefined) return undefined;
      const present = held.get(id);
      if (present !== undefined) return present;
      const { pid, conmon, cgroup } = state;
      let pidfd: number | undefined;
      try {
        pidfd = pidfdOpen(pid);
        if (startTime(pid) !== state.started) throw new Error("another process");
      } catch {
        if (pidfd !== undefined) closeSync(pidfd);
        pidfd = undefined;
      }
      // Sessions of exec belonged to the server that is gone: their processes run on, what has ended is cleared away.
      for (const execId of bundles.execs(id)) {
        if (conmonOf(bundles.execPath(id, execId)) === undefined) bundles.removeExec(id, execId);
      }
      const folder = bundles.path(id);
      const container = await holdContainer({ id, folder, pid, pidfd, cgroup, conmon, streams, exits, cgroups });
      held.set(id, container);
      return container;
    },

    isStarted(id) {
      const state = bundles.state(id);
      return state !== undefined && !waitsAtFifo(`${crunRoot}/${id}/exec.fifo`, state.pid, crun);
    },

    async kill(id, signal, all = false) {
      const { pidfd, cgroup } = running(id);
      if (all) {
        for (const pid of cgroups.processes(cgroup)) {
          try {
            signalProcess(pid, signal);
          } catch (error) {
            if ((error as { code?: string }).code !== "ESRCH") throw error;
          }
        }
      } else {
        if (pidfd === undefined) throw new Error(`container ${id} is not running`);
        pidfdSendSignal(pidfd, signal);
      }
    },

    pause: async (id) => cgroups.freeze(running(id).cgroup, true),
    resume: async (id) => cgroups.freeze(running(id).cgroup, false),
    processes: async (id) => cgroups.processes(running(id).cgroup),

    exec: (id, launch) => {
      const own = { crun: pinned.path(), ...entranceTo(running(id).cgroup) };
      return startExec({ id, launch, bundles, programs: { ...programs, ...own }, environment, place });
    },

    remove,

    async list() {
      const groups = cgroups.children(cgroupParent).filter((name) => name !== "supervisors");
      const exited = readdirSync(exits.folder).filter((name) => !name.includes("."));
      // crun keeps a folder of its own there from 1.9 on (`.cache`).
      const known = readdirSync(crunRoot).filter((name) => !name.startsWith("."));
      return [...new Set([...bundles.list(), ...known, ...groups, ...exited])];
    },

    close() {
      if (closed) return;
      closed = true;
      exits.close();
      pinned.close();
      if (placer !== undefined) closeSync(placer.fd);
      for (const group of [supervisorGroup, cgroupParent]) cgroups.removeIfEmpty(group);
      for (const container of held.values()) {
        container.abandon();
        if (container.pidfd !== undefined) closeSync(container.pidfd);
      }
      held.clear();
    },
  };
}

/**
 * Undefined where the groups cannot be entered so (cgroup v2), or programs in memory may not be executed: then crun
 * manages the groups, and conmon is placed from outside.
 */
function openPlacer(cgroups: Cgroups): { fd: number; path: string } | undefined {
  if (cgroups.entries("/") === undefined) return undefined;
  try {
    const placer = makeMemoryProgram("gantry-placer", makePlacer(process.arch === "arm64" ? "arm64" : "amd64"));
    const trial = Bun.spawnSync([placer.path, "", placer.path], { stdio: ["ignore", "ignore", "ignore"] });
    // Called without arguments it complains: it was executed, and executed a program.
    if (trial.exitCode === placerFailure) return placer;
    closeSync(placer.fd);
  } catch {
    // The kernel forbids it (vm.memfd_noexec).
  }
  return undefined;
}

async function programVersion(program: string): Promise<string> {
  const child = Bun.spawn([program, "--version"], { stdio: ["ignore", "pipe", "ignore"] });
  return /version (\S+)/.exec(await new Response(child.stdout).text())?.[1] ?? "unknown";
}

function isRunning(pidfd: number): boolean {
  try {
    pidfdSendSignal(pidfd, 0);
    return true;
  } catch {
    return false;
  }
}

function completeSpec(
  spec: Spec,
  cgroupsPath: string,
  terminal: boolean,
  size?: { rows: number; columns: number },
): Spec {
  const complete: Spec = { ...spec, linux: { ...spec.linux, cgroupsPath } };
  if (spec.process === undefined) return complete;
  return {
    ...complete,
    process: {
      ...spec.process,
      terminal,
      ...(terminal && size !== undefined ? { consoleSize: { height: size.rows, width: size.columns } } : {}),
    },
  };
}

/** conmon puts its console socket into TMPDIR, by a path that must fit sockaddr_un: 107 bytes with its name of 18. */
function consoleFolder(execRoot: string): string {
  const folder = `${execRoot}/console`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return folder.length + "/conmon-term.XXXXXX".length <= 107 ? folder : "/tmp";
}
