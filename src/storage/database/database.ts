/**
 * The state database: one SQLite file that holds what the engine acknowledged (containers, images, volumes, events).
 * Every commit is durable when it returns (WAL, synchronous FULL). Blobs and layers are files, beside it.
 */
import { Database } from "bun:sqlite";
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";

export type { Database };

/** Each entry brings the schema one version up. Never change one that was released: append. */
const migrations: string[] = [
  `
  CREATE TABLE containers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, record TEXT NOT NULL, state TEXT NOT NULL) STRICT;
  CREATE TABLE images (id TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE tags (name TEXT PRIMARY KEY, image TEXT NOT NULL REFERENCES images (id)) STRICT;
  CREATE TABLE digests (name TEXT PRIMARY KEY, image TEXT NOT NULL REFERENCES images (id)) STRICT;
  CREATE TABLE volumes (name TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  CREATE TABLE events (number INTEGER PRIMARY KEY, time INTEGER NOT NULL, message TEXT NOT NULL) STRICT;
  CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  `,
];

/** The version that this program writes. */
export const schemaVersion = migrations.length;

/** The database cannot be used; the message says how to save the data. */
export class DatabaseError extends Error {}

/**
 * Opens (and makes, and brings up to date) the database at `path`.
 * Throws DatabaseError when it is corrupt or was written by a newer version: nothing is changed then.
 */
export function openDatabase(path: string): Database {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const existed = existsSync(path);
  let database: Database | undefined;
  try {
    database = new Database(path, { create: true, strict: true });
    // Read before anything is written: a file that is not a database is left as it is.
    const { user_version: version } = database.query("PRAGMA user_version").get() as { user_version: number };
    if (version > schemaVersion) {
      throw new DatabaseError(
        `${path} was written by a newer Gantry (state version ${version}, this one knows ${schemaVersion}): ` +
          `start that version again, or copy ${dirname(path)} away and start with an empty data root`,
      );
    }
    if (existed) checkIntegrity(database, path);
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = FULL");
    database.run("PRAGMA busy_timeout = 5000");
    database.run("PRAGMA foreign_keys = ON");
    migrate(database, version);
    return database;
  } catch (error) {
    database?.close();
    if (error instanceof DatabaseError) throw error;
    throw corrupt(path, error instanceof Error ? error.message : String(error));
  }
}

/**
 * Does `work` with commits that survive the end of this process, but may be lost in a power cut: for what a power cut makes
 * wrong anyway, such as which containers run. Saves an fsync. Not inside a transaction.
 */
export function withoutSync(database: Database, work: () => void): void {
  database.run("PRAGMA synchronous = NORMAL");
  try {
    work();
  } finally {
    database.run("PRAGMA synchronous = FULL");
  }
}

function checkIntegrity(database: Database, path: string): void {
  const rows = database.query("PRAGMA quick_check(1)").all() as { quick_check: string }[];
  const first = rows[0]?.quick_check;
  if (first !== "ok") throw corrupt(path, first ?? "no answer");
}

function corrupt(path: string, reason: string): DatabaseError {
  return new DatabaseError(
    `${path} is damaged (${reason}): copy it and its -wal file away, try "sqlite3 ${path} .recover" on the copy, ` +
      "and put the result in its place; images, volumes and logs are files beside it and are not touched",
  );
}

function migrate(database: Database, from: number): void {
  if (from === schemaVersion) return;
  database.transaction(() => {
    for (const step of migrations.slice(from)) database.run(step);
    database.run(`PRAGMA user_version = ${schemaVersion}`);
  })();
}
