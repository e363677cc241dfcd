import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installUnits, makeUnits } from "./install.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "gantry-units-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a restart of the service leaves the containers alone", () => {
  const { service } = makeUnits("/usr/local/bin/gantry", "", []);
  expect(service).toMatch(/^KillMode=process$/m);
  expect(service).toMatch(/^Delegate=yes$/m);
  expect(service).toMatch(/^ExecStart=\/usr\/local\/bin\/gantry daemon -H fd:\/\/$/m);
});

test("options are quoted as systemd reads them", () => {
  const { service } = makeUnits("/opt/my gantry", "", ["--label", "a=50% $x"]);
  expect(service).toContain('ExecStart="/opt/my gantry" daemon -H fd:// --label "a=50%% $$x"');
});

test("writes both units, the socket for the group", async () => {
  expect(await installUnits(["--unit-dir", folder, "--group=staff", "--no-start", "--", "--debug"])).toBe(0);
  expect(readFileSync(join(folder, "gantry.socket"), "utf8")).toMatch(/^SocketGroup=staff$/m);
  expect(readFileSync(join(folder, "gantry.service"), "utf8")).toContain("-H fd:// --debug");
});

test("refuses what it does not know", async () => {
  expect(await installUnits(["--frob"])).toBe(125);
  expect(await installUnits(["--group", "a b", "--unit-dir", folder])).toBe(125);
});
