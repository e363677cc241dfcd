import { expect, test } from "bun:test";
import { bool, filter, int, list, map, optional, string, strings, uint } from "./flag.ts";
import { flagTable, wrap } from "./help.ts";
import { distance, nearest } from "./nearest.ts";
import { parseFlags } from "./parse.ts";

const flags = {
  all: bool("Show all", { short: "a" }),
  env: list("Set variables", { short: "e" }),
  interactive: bool("Keep open", { short: "i" }),
  tty: bool("Terminal", { short: "t" }),
  name: string("A name"),
  proxy: bool("Proxy", { default: true }),
  count: int("How many", { short: "n", default: -1 }),
  weight: uint("Weight", 16),
  opt: map("Options", { short: "o" }),
  platform: strings("Platforms"),
  entry: optional("Entry"),
  filter: filter("Filter", { short: "f" }),
};

const parse = (...argv: string[]) => parseFlags(flags, argv);

test("long and short flags, joined, with and without an equals sign", () => {
  const { values, rest } = parse("-ite", "A=1", "-eB=2", "-e=C", "--env", "D", "--env=E=5", "x", "--name=n", "y");
  expect(values.env).toEqual(["A=1", "B=2", "C", "D", "E=5"]);
  expect([values.interactive, values.tty, values.name]).toEqual([true, true, "n"]);
  expect(rest).toEqual(["x", "y"]);
});

test("switches take a value after an equals sign only", () => {
  expect(parse("--all=false", "-t=false", "--proxy=0").values).toMatchObject({ all: false, tty: false, proxy: false });
  expect(parse("--all", "false").rest).toEqual(["false"]);
  expect(parse().values.proxy).toBe(true);
});

test("flags end at two hyphens, or at the first argument when a command follows", () => {
  expect(parse("-a", "--", "-t").rest).toEqual(["-t"]);
  const { values, rest } = parseFlags(flags, ["-a", "image", "-t", "--", "x"], false);
  expect(values).toMatchObject({ all: true, tty: false });
  expect(rest).toEqual(["image", "-t", "--", "x"]);
  expect(parse("-").rest).toEqual(["-"]);
});

test("numbers have bounds and bases", () => {
  expect(parse("-n", "-5").values.count).toBe(-5);
  expect(parse("-n=0x10").values.count).toBe(16);
  expect(parse("-n", "010").values.count).toBe(8);
  expect(() => parse("-n", "9".repeat(30))).toThrow("value out of range");
  expect(() => parse("--weight", "-1")).toThrow('strconv.ParseUint: parsing "-1": invalid syntax');
  expect(() => parse("--weight", "65536")).toThrow("value out of range");
});

test("lists, maps and filters", () => {
  expect([...parse("-o", "a=b", "-o", "c").values.opt]).toEqual([
    ["a", "b"],
    ["c", ""],
  ]);
  expect(parse("--platform", "a,b", "--platform=c").values.platform).toEqual(["a", "b", "c"]);
  expect(parse("-f", "Name= x ", "-f", "name=y").values.filter).toEqual({ name: ["x", "y"] });
  expect(parse("-f", "__proto__=x", "-f", "constructor=y").values.filter.constructor).toEqual(["y"] as never);
  expect(parse("--entry", "").values.entry).toBe("");
  expect(parse().values.entry).toBeUndefined();
});

test("what is wrong is said as pflag says it", () => {
  const cases: [string[], string][] = [
    [["--nope-at-all"], "unknown flag: --nope-at-all"],
    [["--nam=x"], "unknown flag: --nam\n\nDid you mean --name?"],
    [["-aZ"], "unknown shorthand flag: 'Z' in -Z"],
    [["--name"], "flag needs an argument: --name"],
    [["-ae"], "flag needs an argument: 'e' in -e"],
    [["--=x"], "bad flag syntax: --=x"],
    [["---x"], "bad flag syntax: ---x"],
    [
      ["--all=maybe"],
      'invalid argument "maybe" for "-a, --all" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
    [["-f", "x"], 'invalid argument "x" for "-f, --filter" flag: bad format of filter (expected name=value)'],
    [["--constructor"], "unknown flag: --constructor"],
  ];
  for (const [argv, text] of cases) expect(() => parse(...argv)).toThrow(text);
});

test("help is seen at once, and not among a container's arguments", () => {
  expect(parse("--help", "--nonsense").help).toBe(true);
  expect(parse("-h").help).toBe(true);
  expect(parseFlags(flags, ["image", "--help"], false).help).toBe(false);
});

test("the table of flags is sorted and wrapped, and says defaults", () => {
  const table = flagTable({ b: string("two words", { default: "x" }), a: bool("first", { short: "z" }) }, 79);
  expect(table).toBe('  -z, --a          first\n      --b string   two words (default "x")\n');
});

test("wrapped text keeps its words and stays within the columns", () => {
  const text = "a list of words that goes on for some time ".repeat(5).trim();
  for (let columns = 60; columns < 120; columns++) {
    const lines = wrap(text, 20, columns).split("\n");
    expect(lines.map((line) => line.trim()).join(" ")).toBe(text);
    for (const [at, line] of lines.entries()) expect(line.length + (at === 0 ? 20 : 0)).toBeLessThanOrEqual(columns);
  }
});

test("the nearest name is one that could be meant", () => {
  expect(nearest("vresion", ["version", "volume"])).toBe("version");
  expect(nearest("psx", ["ps", "pull"])).toBe("ps");
  expect(nearest("frobnicate", ["version", "volume"])).toBeUndefined();
  expect(nearest("x".repeat(10_000), ["version"])).toBeUndefined();
  expect(distance("ab", "ba")).toBe(1);
  expect(distance("kitten", "sitting")).toBe(3);
});
