/** Bundles: a folder a container below the execution root, with its config.json, conmon's files and its execs. */
import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { makeFifo } from "../../sys/fifo.ts";
import type { Spec } from "../spec/types.ts";

/** What must be known of a container after a restart of the server, beside its config.json. */
export interface BundleState {
  pid: number;
  /** Start time of `pid`: see startTime of src/sys/process.ts. */
  started: string;
  conmon: { pid: number; started: string };
  cgroup: string;
}

export interface Bundles {
  path(id: string): string;
  execPath(id: string, execId: string): string;
  /** Makes folder and config.json. Throws when there is one already. */
  make(id: string, spec: Spec): string;
  /** Makes the folder with a FIFO for config.json: crun waits at it until `fill`. */
  makeWaiting(id: string): string;
  /** Gives the crun that waits its config.json; false when it does not wait there, or the text is too long for a FIFO. */
  fill(id: string, spec: Spec): Promise<boolean>;
  /** The process's specification, for an exec. */
  makeExec(id: string, execId: string, process: object): string;
  /** Written once the process exists; whole or not at all. */
  writeState(id: string, state: BundleState): void;
  /** Undefined when the container was never fully created. */
  state(id: string): BundleState | undefined;
  /** The group that its config.json names: known before `state` is. */
  cgroup(id: string): string | undefined;
  list(): string[];
  execs(id: string): string[];
  removeExec(id: string, execId: string): void;
  remove(id: string): void;
}

/** An ID becomes a file's name and an argument of programs: nothing but what Docker's IDs and names are made of. */
export function checkId(id: string): string {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/.test(id)) throw new Error(`invalid id ${JSON.stringify(id)}`);
  return id;
}

export function openBundles(root: string): Bundles {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const path = (id: string) => `${root}/${checkId(id)}`;
  const execPath = (id: string, execId: string) => `${path(id)}/execs/${checkId(execId)}`;

  return {
    path,
    execPath,
    make(id, spec) {
      const folder = path(id);
      mkdirSync(folder, { mode: 0o700 });
      // Environments hold secrets.
      writeFileSync(`${folder}/config.json`, toJson(spec), { mode: 0o600 });
      return folder;
    },
    makeWaiting(id) {
      const folder = path(id);
      mkdirSync(folder, { mode: 0o700 });
      makeFifo(`${folder}/config.json`, 0o600);
      return folder;
    },
    async fill(id, spec) {
      const file = `${path(id)}/config.json`;
      const text = Buffer.from(toJson(spec));
      // A pipe holds 64 KiB: it is written in one go or not at all.
      if (text.length > fifoRoom) return false;
      const fifo = await openReadFifo(file);
      if (fifo === undefined) return false;
      try {
        // crun has the FIFO open; whoever reads the file by its name from now on, crun too, finds it whole.
        writeFileSync(`${file}.new`, text, { mode: 0o600 });
        renameSync(`${file}.new`, file);
        return writeSync(fifo, text) === text.length;
      } finally {
        closeSync(fifo);
      }
    },
    makeExec(id, execId, process) {
      const folder = execPath(id, execId);
      mkdirSync(`${path(id)}/execs`, { recursive: true, mode: 0o700 });
      mkdirSync(folder, { mode: 0o700 });
      writeFileSync(`${folder}/process.json`, toJson(process), { mode: 0o600 });
      return folder;
    },
    writeState(id, state) {
      const file = `${path(id)}/state.json`;
      writeFileSync(`${file}.new`, JSON.stringify(state), { mode: 0o600 });
      renameSync(`${file}.new`, file);
    },
    state(id) {
      const text = read(`${path(id)}/state.json`);
      return text === undefined ? undefined : (JSON.parse(text) as BundleState);
    },
    cgroup(id) {
      const text = read(`${path(id)}/config.json`);
      if (text === undefined) return undefined;
      try {
        return (JSON.parse(text) as Spec).linux.cgroupsPath;
      } catch {
        // Half written when the server was killed: then crun never saw it.
        return undefined;
      }
    },
    list: () => names(root),
    execs: (id) => names(`${path(id)}/execs`),
    removeExec: (id, execId) => removeTree(execPath(id, execId)),
    remove: (id) => removeTree(path(id)),
  };
}

/** rmSync takes a file that conmon removes at the same moment for the end of its work, and says nothing: look again. */
function removeTree(folder: string): void {
  for (let round = 0; round < 100; round++) {
    rmSync(folder, { recursive: true, force: true });
    if (!existsSync(folder)) return;
  }
  throw new Error(`${folder} cannot be removed: something keeps writing to it`);
}

const fifoRoom = 60_000;

/** The FIFO's writing end once somebody waits at the other; undefined when nobody comes within some 50 ms. */
async function openReadFifo(path: string): Promise<number | undefined> {
  for (let round = 0; round < 50; round++) {
    try {
      return openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENXIO") throw error;
      await sleep(1);
    }
  }
  return undefined;
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function read(path: string): string | undefined {
  try {
    // A FIFO is one that a server left waiting: to read it would never end.
    if (!lstatSync(path).isFile()) return undefined;
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** JSON with RLIM_INFINITY, 2^64-1, which a number cannot hold: rlimits.ts writes the nearest below it. */
function toJson(value: object): string {
  return JSON.stringify(value).replace(/"(hard|soft)":18446744073709550000/g, '"$1":18446744073709551615');
}
