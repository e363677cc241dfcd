/** The containers: all in memory, each acknowledged change in the database. */
import { type Database, withoutSync } from "../../storage/database/database.ts";
import { conflict, invalid, notFound } from "../errors.ts";
import { matchPrefix } from "../identifier.ts";
import { createLock } from "../lock.ts";
import type { Container, ContainerRecord, ContainerState } from "./container.ts";

export interface ContainerStore {
  all(): Container[];
  byId(id: string): Container | undefined;
  /** By name, ID or an unambiguous prefix. Throws 404 `No such container: …`, 400 when ambiguous. */
  find(ref: string): Container;
  /** Reserves a name until `release` or `insert`. Throws 409 with Docker's text. */
  reserve(name: string, id: string): void;
  release(name: string): void;
  nameTaken(name: string): boolean;
  /** `beside` runs in the same transaction. */
  insert(record: ContainerRecord, state: ContainerState, beside?: () => void): Container;
  /** Writes the state; durable when it returns. */
  saveState(container: Container): void;
  /** The same, but a power cut may lose it: for a start, which a power cut undoes. */
  saveStart(container: Container): void;
  rename(container: Container, name: string): void;
  saveRecord(container: Container): void;
  /** With `removesItself` (`--rm`) a power cut may bring the row back: it is removed at the next start then. */
  delete(container: Container, removesItself?: boolean): void;
}

export function createContainerStore(database: Database): ContainerStore {
  const containers = new Map<string, Container>();
  /** Name to ID, reservations included. */
  const names = new Map<string, string>();
  const insertRow = database.prepare("INSERT INTO containers (id, name, record, state) VALUES (?, ?, ?, ?)");
  const updateState = database.prepare("UPDATE containers SET state = ? WHERE id = ?");
  const updateRecord = database.prepare("UPDATE containers SET name = ?, record = ? WHERE id = ?");
  const deleteRow = database.prepare("DELETE FROM containers WHERE id = ?");

  for (const row of database.query("SELECT record, state FROM containers ORDER BY rowid").all() as Row[]) {
    remember(JSON.parse(row.record) as ContainerRecord, JSON.parse(row.state) as ContainerState);
  }

  function remember(record: ContainerRecord, state: ContainerState): Container {
    const container: Container = {
      record,
      state,
      lock: createLock(),
      arrivals: new Set(),
      exits: new Set(),
      removals: new Set(),
      teardown: Promise.resolve(),
      removing: false,
      removed: false,
      execs: new Set(),
    };
    containers.set(record.id, container);
    names.set(record.name, record.id);
    return container;
  }

  function find(ref: string): Container {
    const name = ref.startsWith("/") ? ref.slice(1) : ref;
    const exact = containers.get(ref) ?? containers.get(names.get(name) ?? "");
    if (exact) return exact;
    const match = matchPrefix(containers, ref);
    if (match === "ambiguous") {
      const fits = [...containers.keys()].filter((id) => id.startsWith(ref)).map((id) => id.slice(0, 12));
      throw invalid(`multiple IDs found with provided prefix: ${ref} (${fits.join(", ")})`);
    }
    if (match === "none") throw notFound(`No such container: ${ref}`);
    return match.found;
  }

  const saveState = (container: Container) =>
    void updateState.run(JSON.stringify(container.state), container.record.id);

  return {
    all: () => [...containers.values()],
    byId: (id) => containers.get(id),
    find,
    reserve(name, id) {
      const holder = names.get(name);
      if (holder !== undefined) {
        throw conflict(
          `Conflict. The container name "/${name}" is already in use by container "${holder}". ` +
            "You have to remove (or rename) that container to be able to reuse that name.",
        );
      }
      names.set(name, id);
    },
    release: (name) => void names.delete(name),
    nameTaken: (name) => names.has(name),
    insert(record, state, beside) {
      database.transaction(() => {
        insertRow.run(record.id, record.name, JSON.stringify(record), JSON.stringify(state));
        beside?.();
      })();
      return remember(record, state);
    },
    saveState,
    saveStart: (container) => withoutSync(database, () => saveState(container)),
    rename(container, name) {
      const record = { ...container.record, name };
      updateRecord.run(name, JSON.stringify(record), record.id);
      names.delete(container.record.name);
      names.set(name, record.id);
      container.record = record;
    },
    saveRecord: ({ record }) => void updateRecord.run(record.name, JSON.stringify(record), record.id),
    delete(container, removesItself) {
      const remove = () => void deleteRow.run(container.record.id);
      if (removesItself) withoutSync(database, remove);
      else remove();
      container.removed = true;
      containers.delete(container.record.id);
      if (names.get(container.record.name) === container.record.id) names.delete(container.record.name);
    },
  };
}

interface Row {
  record: string;
  state: string;
}
