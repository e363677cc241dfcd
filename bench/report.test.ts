import { expect, test } from "bun:test";
import { lineOf, markdown, type Report, terminalTable } from "./report.ts";
import { allRows, chooseRows } from "./rows/rows.ts";
import { summary } from "./statistics.ts";

const rows = allRows({ five: "127.0.0.1:1/five" });
const row = (name: string) => rows.find((one) => one.name === name)!;

const report = (...lines: Report["lines"]): Report => ({
  machine: { processor: "Processor", cores: 2, memory: "4 GB", kernel: "6.1", cgroups: "v2" },
  versions: { dockerd: "1 | 2" },
  overhead: summary([1.2]),
  rounds: 3,
  lines,
});

test("a goal is a ratio or a figure", () => {
  const met = lineOf({ row: row("run-stock"), variant: "hot", dockerd: [300, 310, 290], gantry: [30, 31, 29] });
  expect(met).toMatchObject({ name: "run-stock hot", met: true, ratio: { value: 0.1 } });
  const missed = lineOf({ row: row("supervisor"), variant: "", dockerd: [9e6], gantry: [4e6] });
  expect(missed).toMatchObject({ name: "supervisor", met: false, gantry: { median: 4 } });
  expect(lineOf({ row: row("client"), variant: "hot", dockerd: [2], gantry: [1] }).met).toBeUndefined();
});

test("an engine that is not there is a dash with a reason, and no verdict", () => {
  const line = lineOf({ row: row("run-ours"), variant: "idle", dockerd: [300], gantry: "not built" });
  expect(line.met).toBeUndefined();
  const text = terminalTable(report(line));
  expect(text).toContain("run-ours idle  300 ms (300–300)  –       –      ≤ 0.1, aim 0.06");
  expect(text).toContain("\nnot built\n");
  const other = lineOf({ row: row("client"), variant: "hot", dockerd: [2], gantry: [1] });
  expect(terminalTable(report(line, other))).toContain("\nrun-ours idle: not built\n");
});

test("says how a figure stands to what was predicted", () => {
  const line = lineOf({ row: row("run-ours"), variant: "hot", dockerd: [300], gantry: [46] });
  expect(terminalTable(report(line))).toContain("run-ours hot: 46.0 ms, the parts predict 23 (2.00 of it)");
});

test("writes a page", () => {
  const line = lineOf({ row: row("version"), variant: "hot", dockerd: [20, 20], gantry: [5, 5] });
  const page = markdown(report(line));
  expect(page).toContain("| `gantry version` against `docker version`, hot | 20.0 ms (20.0–20.0) | 5.00 ms");
  expect(page).toContain("0.25 (0.25–0.25) | ≤ 0.4 | met |");
  expect(page).toContain("Linux 6.1, cgroup v2");
});

test("rows by name and by its beginning", () => {
  expect(chooseRows(rows, []).length).toBe(rows.length);
  expect(chooseRows(rows, ["exec", "pull"]).map(({ name }) => name)).toEqual(["exec-stock", "exec-ours", "pull"]);
  expect(() => chooseRows(rows, ["exe"])).toThrow("no row exe; there are memory,");
});
