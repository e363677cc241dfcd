import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseError, openDatabase, schemaVersion } from "./database.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-database-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("openDatabase", () => {
  test("makes the database and finds its rows again", () => {
    const path = join(folder, "a", "state.db");
    const first = openDatabase(path);
    first.run("INSERT INTO settings VALUES ('a', 'b')");
    first.close();
    const second = openDatabase(path);
    expect(second.query("SELECT value FROM settings WHERE name = 'a'").get()).toEqual({ value: "b" });
    second.close();
  });

  test("refuses a newer version and leaves it as it is", () => {
    const path = join(folder, "state.db");
    const newer = new Database(path, { create: true });
    newer.run(`PRAGMA user_version = ${schemaVersion + 1}`);
    newer.close();
    const before = readFileSync(path);
    expect(() => openDatabase(path)).toThrow(/written by a newer Gantry/);
    expect(readFileSync(path)).toEqual(before);
  });

  test("refuses a file that is not a database, and says how to save the data", () => {
    const path = join(folder, "state.db");
    writeFileSync(path, "x".repeat(10_000));
    expect(() => openDatabase(path)).toThrow(DatabaseError);
    expect(() => openDatabase(path)).toThrow(/is damaged .*\.recover/);
    expect(readFileSync(path, "utf8")).toBe("x".repeat(10_000));
  });

  test("refuses a database with a damaged page", () => {
    const path = join(folder, "state.db");
    const database = openDatabase(path);
    const insert = database.prepare("INSERT INTO settings VALUES (?, ?)");
    for (let i = 0; i < 2000; i++) insert.run(`key ${i}`, "value".repeat(20));
    database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    database.close();
    const bytes = readFileSync(path);
    bytes.fill(0xa5, 4096 * 20, 4096 * 40);
    writeFileSync(path, bytes);
    expect(() => openDatabase(path)).toThrow(/is damaged/);
  });
});
