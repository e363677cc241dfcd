import { expect, test } from "bun:test";
import { ellipsis, renderList, shortId } from "./list.ts";
import { naturally } from "./natural.ts";
import { alignColumns } from "./table.ts";
import { goTime, rfc3339, rfc3339Nano, timestamp } from "./time.ts";
import { ago, binarySize, decimalSize, humanDuration, parseBinarySize, parseDuration, significant } from "./units.ts";

test("sizes have three or four digits, and an exponent where three do not reach", () => {
  expect([0, 999, 1000, 1_982_361, 40e6, 999_900].map((size) => decimalSize(size, 3))).toEqual([
    "0B",
    "999B",
    "1kB",
    "1.98MB",
    "40MB",
    "1e+03kB",
  ]);
  expect(decimalSize(1_982_361)).toBe("1.982MB");
  expect(binarySize(25_276_510_208)).toBe("23.54GiB");
  expect([1234, 0.00001234, 0.1, 99.99].map((value) => significant(value, 3))).toEqual([
    "1.23e+03",
    "1.23e-05",
    "0.1",
    "100",
  ]);
});

test("durations in words", () => {
  const cases: [number, string][] = [
    [-5, "Less than a second"],
    [0.9, "Less than a second"],
    [1.9, "1 second"],
    [59, "59 seconds"],
    [60, "About a minute"],
    [119, "About a minute"],
    [120, "2 minutes"],
    [3599, "59 minutes"],
    [3600, "About an hour"],
    [5399, "About an hour"],
    [5400, "2 hours"],
    [47.4 * 3600, "47 hours"],
    [48 * 3600, "2 days"],
    [14 * 86400, "2 weeks"],
    [60 * 86400, "2 months"],
    [730 * 86400, "2 years"],
  ];
  for (const [seconds, text] of cases) expect(humanDuration(seconds)).toBe(text);
  expect(ago(100, 107)).toBe("7 seconds ago");
});

test("sizes and durations that people type", () => {
  expect(["1", "1k", "1.5g", "1 GiB", ".5m", "2kb", "3b"].map(parseBinarySize)).toEqual([
    1,
    1024,
    1.5 * 1024 ** 3,
    1024 ** 3,
    1024 ** 2 / 2,
    2048,
    3,
  ]);
  for (const [text, reason] of [
    ["", "invalid size: ''"],
    ["x", "invalid size: 'x'"],
    ["1x", "invalid suffix: 'x'"],
    ["-1", "invalid size: '-1'"],
    ["1k1", 'strconv.ParseFloat: parsing "1k1": invalid syntax'],
    ["9999999999999p", "invalid size"],
  ] as const) {
    expect(() => parseBinarySize(text)).toThrow(reason);
  }
  expect(["1h30m", "1.5s", "-2ms", "0", "1us"].map(parseDuration)).toEqual([5400e9, 1.5e9, -2e6, 0, 1000]);
  for (const text of ["", "x", "1", "1x", "s", "-", "1h-1m"]) expect(() => parseDuration(text)).toThrow("time: ");
});

test("columns are padded to their longest, by neighbouring lines", () => {
  expect(alignColumns(["A\tB\tC", "longer than ten\tx\ty"])).toEqual([
    "A                 B         C",
    "longer than ten   x         y",
  ]);
  expect(alignColumns(["ä…\tx"])).toEqual(["ä…        x"]);
  expect(alignColumns(["plain", "a\tb"])).toEqual(["plain", "a         b"]);
});

test("numbers in names count as numbers", () => {
  expect(["v10", "v2", "v1", "a", "v02"].sort(naturally)).toEqual(["a", "v1", "v02", "v2", "v10"]);
});

test("identifiers and texts are cut", () => {
  expect(shortId(`sha256:${"ab".repeat(32)}`)).toBe("abababababab");
  expect(ellipsis("abcdef", 4)).toBe("abc…");
  expect(ellipsis("äöü", 3)).toBe("äöü");
});

test("times as Go writes them", () => {
  const zone = process.env.TZ;
  process.env.TZ = "UTC";
  try {
    expect(goTime(1_795_568_239)).toBe("2026-11-25 00:57:19 +0000 UTC");
    expect(goTime(1_795_568_239, 77_536_057)).toBe("2026-11-25 00:57:19.077536057 +0000 UTC");
    expect(rfc3339(1_795_568_239)).toBe("2026-11-25T00:57:19Z");
    expect(rfc3339Nano(1_795_568_239_000_000_001n)).toBe("2026-11-25T00:57:19.000000001Z");
    const read = (text: string) => timestamp(text, parseDuration, 1_000_000_000_000);
    expect(read("1234.5")).toBe("1234.500000000");
    expect(read("10m")).toBe("999999400.000000000");
    expect(read("2013-01-02T13:23:37Z")).toBe("1357133017.000000000");
    expect(read("2013-01-02")).toBe("1357084800.000000000");
    expect(read("")).toBe("");
    for (const bad of ["x", "2013-13-45", "--", "1e5"]) expect(() => read(bad)).toThrow("failed to parse value");
  } finally {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  }
});

const shape = {
  type: "*formatter.thing",
  fields: ({ name, size }: { name: string; size: number }) => ({
    Name: name,
    Size: `${size}B`,
    Label: (key: unknown) => `label ${key}`,
  }),
  headings: { Name: "NAME", Size: "SIZE" },
  table: "{{.Name}}\t{{.Size}}",
  quiet: "Name",
};
const things = [
  { name: "a<b", size: 1 },
  { name: "c", size: 22 },
];
const render = (format: string, quiet = false) => renderList(things, shape, { format, quiet });

test("lists as a table, quietly, as JSON, by template", () => {
  expect(render("")).toEqual(["NAME      SIZE", "a<b       1B", "c         22B"]);
  expect(render("", true)).toEqual(["a<b", "c"]);
  expect(render("json")[0]).toBe('{"Name":"a\\u003cb","Size":"1B"}');
  expect(render("{{json .}}")[0]).toBe('{"Name":"a\\u003cb","Size":"1B"}');
  expect(render('{{.Name}}\\t{{.Label "x"}}')).toEqual(["a<b\tlabel x", "c\tlabel x"]);
  expect(render('table {{upper .Name}}\\t{{.Label "a.my-key"}}')).toEqual([
    "NAME      my key",
    "A<B       label a.my-key",
    "C         label a.my-key",
  ]);
  expect(() => render("{{.Nope}}")).toThrow("can't evaluate field Nope in type *formatter.thing");
});
