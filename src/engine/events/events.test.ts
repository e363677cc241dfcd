import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Database, openDatabase } from "../../storage/database/database.ts";
import type { Filters } from "../engine.ts";
import { createEventLog, type EventLog } from "./events.ts";

let folder: string;
let database: Database;
const logs: EventLog[] = [];

function openLog(): EventLog {
  const log = createEventLog(database);
  logs.push(log);
  return log;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-events-"));
  database = openDatabase(join(folder, "state.db"));
});
afterEach(() => {
  // Nothing may be written later.
  for (const log of logs.splice(0)) log.flush();
  database.close();
  rmSync(folder, { recursive: true });
});

async function collect(
  log: ReturnType<typeof createEventLog>,
  options: { since?: number; until?: number; filters?: Filters },
) {
  const found: string[] = [];
  const { signal } = new AbortController();
  for await (const message of log.stream({ filters: new Map(), ...options, signal })) {
    found.push(`${message.Type} ${message.Action} ${message.Actor?.ID}`);
  }
  return found;
}

describe("event log", () => {
  test("gives the history in order, also to a later server", async () => {
    const first = openLog();
    first.emit("container", "create", "c1", { image: "bb", name: "one" });
    first.emit("container", "start", "c1", { image: "bb", name: "one" });
    first.flush();
    const second = openLog();
    const until = Date.now() / 1000 + 0.05;
    expect(await collect(second, { since: 0, until })).toEqual(["container create c1", "container start c1"]);
  });

  test("goes from history to live without a gap, and ends when told", async () => {
    const log = openLog();
    const controller = new AbortController();
    const found: string[] = [];
    log.emit("container", "create", "c1", {});
    const reading = (async () => {
      for await (const message of log.stream({ since: 0, filters: new Map(), signal: controller.signal })) {
        found.push(message.Action!);
        if (found.length === 3) controller.abort();
      }
    })();
    await Promise.resolve();
    log.emit("container", "start", "c1", {});
    log.emit("container", "die", "c1", {});
    await reading;
    expect(found).toEqual(["create", "start", "die"]);
  });

  test("filters: keys all hold, values are alternatives", async () => {
    const log = openLog();
    log.emit("container", "exec_create: sh", "abc", { image: "bb:1", name: "one", colour: "red" });
    log.emit("container", "die", "def", { image: "cc", name: "two" });
    log.emit("image", "pull", "bb:1", { name: "bb" });
    const until = () => Date.now() / 1000 + 0.02;
    const find = (entries: [string, string[]][]) =>
      collect(log, { since: 0, until: until(), filters: new Map(entries) });
    expect(await find([["event", ["exec_create"]]])).toEqual(["container exec_create: sh abc"]);
    expect(await find([["container", ["ab"]]])).toHaveLength(1);
    expect(await find([["container", ["one", "two"]]])).toHaveLength(2);
    expect(await find([["type", ["image"]]])).toEqual(["image pull bb:1"]);
    expect(await find([["image", ["bb"]]])).toHaveLength(2);
    expect(
      await find([
        ["label", ["colour=red"]],
        ["type", ["container"]],
      ]),
    ).toHaveLength(1);
    expect(await find([["label", ["colour=blue"]]])).toEqual([]);
  });
});
