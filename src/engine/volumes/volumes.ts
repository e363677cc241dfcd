/**
 * Volumes of the `local` driver: `DATA_ROOT/volumes/NAME/_data`. A volume's row and its folder: the folder is made
 * first and removed last, so that a row always has its folder; a folder that nobody acknowledged is empty and is swept.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Volume, VolumeCreateOptions, VolumePruneResponse } from "@docker/node-sdk";
import type { Database } from "../../storage/database/database.ts";
import { now } from "../clock.ts";
import type { Filters, Volumes } from "../engine.ts";
import { conflict, invalid, notFound, notImplemented } from "../errors.ts";
import type { EventLog } from "../events/events.ts";
import { booleanFilter, checkFilters, labelsMatch } from "../filters.ts";
import { newId } from "../identifier.ts";

export interface VolumeRecord {
  name: string;
  created: string;
  labels: Record<string, string>;
  options: Record<string, string>;
  anonymous: boolean;
}

export interface VolumeService extends Volumes {
  /** The volume of that name, or a new one. `commit` makes it if need be: call it in the caller's transaction. */
  ensure(name: string | undefined, labels?: Record<string, string>): { record: VolumeRecord; commit: () => void };
  /** The folder that containers see. */
  data(name: string): string;
  /** A folder beside it for a copy that replaces `data` in one rename. */
  staging(name: string): string;
  /** Removes an anonymous volume, or whatever `name` is, without its users being asked. */
  discard(name: string): Promise<void>;
  /** Removes folders of volumes that were never acknowledged. Never one that holds data. */
  sweep(): void;
}

export interface VolumesParts {
  database: Database;
  events: EventLog;
  /** DATA_ROOT/volumes */
  root: string;
  /** IDs of the containers that use it. */
  users(name: string): string[];
}

const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
/** No volume's name begins so. */
const removedPrefix = "_removed-";
const anonymousLabel = "com.docker.volume.anonymous";

export function createVolumes(parts: VolumesParts): VolumeService {
  const { database, events, root } = parts;
  mkdirSync(root, { recursive: true, mode: 0o701 });
  const volumes = new Map<string, VolumeRecord>();
  for (const row of database.query("SELECT record FROM volumes").all() as { record: string }[]) {
    const record = JSON.parse(row.record) as VolumeRecord;
    volumes.set(record.name, record);
  }
  const insertRow = database.prepare("INSERT INTO volumes (name, record) VALUES (?, ?)");
  const deleteRow = database.prepare("DELETE FROM volumes WHERE name = ?");
  const data = (name: string) => join(root, name, "_data");

  function find(name: string): VolumeRecord {
    const record = volumes.get(name);
    if (!record) throw notFound(`get ${name}: no such volume`);
    return record;
  }

  function ensure(name: string | undefined, labels: Record<string, string> = {}) {
    const known = name === undefined ? undefined : volumes.get(name);
    if (name !== undefined && !known) checkVolumeName(name);
    const anonymous = name === undefined;
    const record: VolumeRecord = known ?? {
      name: name ?? newId(),
      created: now(),
      labels: anonymous ? { ...labels, [anonymousLabel]: "" } : labels,
      options: {},
      anonymous,
    };
    const commit = () => {
      // Somebody else may have made it since, or removed it.
      if (volumes.has(record.name)) return;
      mkdirSync(data(record.name), { recursive: true, mode: 0o755 });
      insertRow.run(record.name, JSON.stringify(record));
      volumes.set(record.name, record);
      events.emit("volume", "create", record.name, { driver: "local" });
    };
    return { record, commit };
  }

  async function create(options: VolumeCreateOptions): Promise<Volume> {
    const driver = options.Driver || "local";
    if (driver !== "local")
      throw notFound(
        `create ${options.Name ?? ""}: error looking up volume plugin ${driver}: plugin "${driver}" not found`,
      );
    if (Object.keys(options.DriverOpts ?? {}).length > 0) {
      throw notImplemented("options of the local volume driver (--opt) are not there yet");
    }
    const { record, commit } = ensure(options.Name || undefined, options.Labels ?? {});
    commit();
    return describe(record);
  }

  async function discard(name: string): Promise<void> {
    deleteRow.run(name);
    volumes.delete(name);
    // Out of the way at once: a new volume of that name may be made while its files are removed.
    const folder = join(root, name);
    if (existsSync(folder)) {
      const gone = join(root, `${removedPrefix}${newId()}`);
      renameSync(folder, gone);
      await rm(gone, { recursive: true, force: true });
    }
    events.emit("volume", "destroy", name, { driver: "local" });
  }

  async function remove(name: string, force: boolean): Promise<void> {
    if (force && !volumes.has(name)) return;
    find(name);
    const users = parts.users(name);
    if (users.length > 0) throw conflict(`remove ${name}: volume is in use - [${users.join(", ")}]`);
    await discard(name);
  }

  const describe = (record: VolumeRecord): Volume =>
    ({
      CreatedAt: record.created.replace(/\.\d+Z$/, "Z"),
      Driver: "local",
      Labels: Object.keys(record.labels).length > 0 ? record.labels : null,
      Mountpoint: data(record.name),
      Name: record.name,
      Options: Object.keys(record.options).length > 0 ? record.options : null,
      Scope: "local",
    }) as unknown as Volume;

  async function list(filters: Filters) {
    checkFilters(filters, ["dangling", "driver", "label", "label!", "name"]);
    const dangling = booleanFilter(filters, "dangling");
    const named = filters.get("name");
    const drivers = filters.get("driver");
    const found = [...volumes.values()].filter((record) => {
      if (dangling !== undefined && (parts.users(record.name).length === 0) !== dangling) return false;
      if (named && !named.some((part) => record.name.includes(part))) return false;
      if (drivers && !drivers.includes("local")) return false;
      return labelsMatch(filters, record.labels);
    });
    found.sort((a, b) => (a.name < b.name ? -1 : 1));
    return { Volumes: found.map(describe), Warnings: null };
  }

  async function prune(filters: Filters): Promise<VolumePruneResponse> {
    checkFilters(filters, ["all", "label", "label!"]);
    const all = booleanFilter(filters, "all") ?? false;
    const gone: string[] = [];
    let reclaimed = 0;
    for (const record of [...volumes.values()]) {
      if ((!all && !record.anonymous) || parts.users(record.name).length > 0) continue;
      if (!labelsMatch(filters, record.labels)) continue;
      reclaimed += await diskUse(data(record.name));
      await discard(record.name);
      gone.push(record.name);
    }
    events.emit("volume", "prune", "", { reclaimed: String(reclaimed) });
    return { VolumesDeleted: gone, SpaceReclaimed: reclaimed };
  }

  function sweep(): void {
    for (const name of readdirSync(root)) {
      const folder = join(root, name);
      if (name.startsWith(removedPrefix)) {
        rmSync(folder, { recursive: true, force: true });
        continue;
      }
      rmSync(join(folder, "_copy"), { recursive: true, force: true });
      if (volumes.has(name)) {
        mkdirSync(data(name), { recursive: true, mode: 0o755 });
        continue;
      }
      try {
        if (existsSync(data(name))) rmdirSync(data(name));
        rmdirSync(folder);
      } catch {
        // It holds something: whoever put it there may want it back.
      }
    }
  }

  return {
    ensure,
    data,
    staging: (name) => join(root, name, "_copy"),
    discard,
    sweep,
    create,
    inspect: async (name) => describe(find(name)),
    list,
    remove,
    prune,
  };
}

/** Throws 400 with Docker's text. */
export function checkVolumeName(name: string): void {
  if (name.length < 2) {
    throw invalid(`volume name is too short, names should be at least two alphanumeric characters`);
  }
  if (!namePattern.test(name) || name.length > 255) {
    throw invalid(
      `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. ` +
        "If you intended to pass a host directory, use absolute path",
    );
  }
}

/** Bytes of all files below; links counted once. */
async function diskUse(folder: string): Promise<number> {
  const { readdir, lstat } = await import("node:fs/promises");
  let sum = 0;
  const seen = new Set<string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const stat = await lstat(join(entry.parentPath, entry.name)).catch(() => undefined);
    if (!stat || seen.has(`${stat.dev}:${stat.ino}`)) continue;
    seen.add(`${stat.dev}:${stat.ino}`);
    sum += stat.size;
  }
  return sum;
}
