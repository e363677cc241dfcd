/** The functions of templates: Go's own and those that Docker's client adds. A thrown Error is the function's error. */

import { printf } from "./printf.ts";
import { encodeJson, format, Nil, StringMap, Struct, sortedEntries, truth, typeName } from "./values.ts";

export type TemplateFunction = (...args: unknown[]) => unknown;

const text = (value: unknown): string => {
  if (typeof value === "string") return value;
  throw new Error(`wrong type for value; expected string; got ${typeName(value)}`);
};

const integer = (value: unknown): number => {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  if (typeof value === "bigint") return Number(value);
  throw new Error(`wrong type for value; expected int; got ${typeName(value)}`);
};

const list = (value: unknown): unknown[] => {
  if (Array.isArray(value)) return value;
  if (value instanceof Nil) return [];
  throw new Error(`wrong type for value; expected []string; got ${typeName(value)}`);
};

/** The basic kinds that Go compares; others have none. */
function kindOf(value: unknown): string | undefined {
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float";
  if (typeof value === "bigint") return "int";
  if (typeof value === "string" || typeof value === "boolean") return typeof value;
  return undefined;
}

function equal(a: unknown, b: unknown): boolean {
  const kindA = kindOf(a);
  const kindB = kindOf(b);
  if (kindA === undefined || kindB === undefined) {
    const empty = (value: unknown) => value === undefined || value === null || value instanceof Nil;
    if (empty(a) || empty(b)) return empty(a) && empty(b);
    throw new Error("incompatible types for comparison");
  }
  if (kindA !== kindB && !(isNumber(kindA) && isNumber(kindB))) {
    throw new Error("incompatible types for comparison");
  }
  return typeof a === typeof b ? a === b : BigInt(a as number) === BigInt(b as number);
}

const isNumber = (kind: string): boolean => kind === "int" || kind === "float";

function less(a: unknown, b: unknown): boolean {
  const kindA = kindOf(a);
  const kindB = kindOf(b);
  if (kindA === undefined || kindB === undefined || kindA === "boolean") {
    throw new Error("invalid type for comparison");
  }
  if (kindA !== kindB && !(isNumber(kindA) && isNumber(kindB))) {
    throw new Error("incompatible types for comparison");
  }
  return (a as number) < (b as number);
}

function index(of: unknown, ...keys: unknown[]): unknown {
  let value = of;
  for (const key of keys) {
    if (value === undefined || value === null || value instanceof Nil) throw new Error("index of untyped nil");
    if (value instanceof Map) value = value.has(key) || !(value instanceof StringMap) ? value.get(key) : "";
    else if (Array.isArray(value) || typeof value === "string") {
      const at = indexOf(key, value.length);
      value = typeof value === "string" ? Buffer.from(value)[at] : value[at];
    } else if (typeof value === "object" && !(value instanceof Struct)) {
      if (typeof key !== "string") throw new Error(`value has type ${typeName(key)}; should be string`);
      value = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
    } else throw new Error(`can't index item of type ${typeName(value)}`);
  }
  return value;
}

function indexOf(key: unknown, length: number): number {
  if (typeof key !== "number" || !Number.isInteger(key)) {
    throw new Error(`cannot index slice/array with type ${typeName(key)}`);
  }
  if (key < 0 || key >= length) throw new Error(`index out of range: ${key}`);
  return key;
}

function slice(value: unknown, ...bounds: unknown[]): unknown {
  if (value === undefined || value === null) throw new Error("slice of untyped nil");
  if (bounds.length > (typeof value === "string" ? 2 : 3)) throw new Error(`too many slice indexes: ${bounds.length}`);
  if (typeof value !== "string" && !Array.isArray(value))
    throw new Error(`can't slice item of type ${typeName(value)}`);
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  const bound = (key: unknown, fallback: number): number => {
    if (key === undefined) return fallback;
    if (typeof key !== "number" || !Number.isInteger(key))
      throw new Error(`cannot index slice/array with type ${typeName(key)}`);
    if (key < 0 || key > bytes.length) throw new Error(`index out of range: ${key}`);
    return key;
  };
  const from = bound(bounds[0], 0);
  const to = bound(bounds[1], bytes.length);
  if (from > to) throw new Error(`invalid slice index: ${from} > ${to}`);
  return Buffer.isBuffer(bytes) ? bytes.subarray(from, to).toString() : bytes.slice(from, to);
}

function length(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (Array.isArray(value)) return value.length;
  if (value instanceof Map) return value.size;
  if (value instanceof Nil && value.kind !== "pointer") return 0;
  if (value === undefined || value === null || value instanceof Nil) throw new Error("len of nil pointer");
  if (typeof value === "object" && !(value instanceof Struct)) return sortedEntries(value).length;
  throw new Error(`len of type ${typeName(value)}`);
}

/** Operands side by side, with a space where neither is a string. */
function print(...values: unknown[]): string {
  return values
    .map((value, at) => {
      const spaced = at > 0 && typeof value !== "string" && typeof values[at - 1] !== "string";
      return (spaced ? " " : "") + format(value, true);
    })
    .join("");
}

const htmlEscapes: Record<string, string> = {
  '"': "&#34;",
  "'": "&#39;",
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\0": "\uFFFD",
};

function truncate(value: string, size: number): string {
  const runes = [...value];
  return runes.length > size ? runes.slice(0, Math.max(0, size)).join("") : value;
}

/** Go's strings.Title: the first letter of each word. */
const title = (value: string): string =>
  value.replace(/(^|[^\p{L}\p{Nd}_'])(\p{L})/gu, (_, before: string, letter: string) => before + letter.toUpperCase());

/** `and` and `or` are not here: they do not look at their later arguments, so the evaluator does them. */
export const functions: Record<string, TemplateFunction> = {
  not: (value) => !truth(value),
  len: length,
  index,
  slice,
  print,
  println: (...values) => `${values.map((value) => format(value, true)).join(" ")}\n`,
  printf: (pattern, ...values) => printf(text(pattern), values),
  html: (...values) => print(...values).replace(/["'&<>\0]/g, (c) => htmlEscapes[c]!),
  js: (...values) =>
    JSON.stringify(print(...values))
      .slice(1, -1)
      .replace(/[<>&='`]/g, (c) => `\\u${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`),
  urlquery: (...values) => encodeURIComponent(print(...values)).replace(/%20/g, "+"),
  eq: (first, ...others) => {
    if (others.length === 0) throw new Error("missing argument for comparison");
    return others.some((other) => equal(first, other));
  },
  ne: (a, b) => !equal(a, b),
  lt: less,
  le: (a, b) => less(a, b) || equal(a, b),
  gt: (a, b) => !less(a, b) && !equal(a, b),
  ge: (a, b) => !less(a, b),
  json: (value) => encodeJson(value),
  split: (value, separator) => text(value).split(text(separator)),
  join: (values, separator) =>
    list(values)
      .map((value) => format(value, true))
      .join(text(separator)),
  title: (value) => title(text(value)),
  lower: (value) => text(value).toLowerCase(),
  upper: (value) => text(value).toUpperCase(),
  pad: (value, before, after) => {
    const content = text(value);
    return content === "" ? "" : " ".repeat(bounded(before)) + content + " ".repeat(bounded(after));
  },
  truncate: (value, size) => truncate(text(value), integer(size)),
};

/** How many arguments each takes. */
export const arity: Record<string, [min: number, max: number]> = {
  not: [1, 1],
  len: [1, 1],
  index: [1, 100],
  slice: [1, 4],
  eq: [1, 100],
  ne: [2, 2],
  lt: [2, 2],
  le: [2, 2],
  gt: [2, 2],
  ge: [2, 2],
  json: [1, 1],
  split: [2, 2],
  join: [2, 2],
  title: [1, 1],
  lower: [1, 1],
  upper: [1, 1],
  pad: [3, 3],
  truncate: [2, 2],
  printf: [1, 100],
};

const bounded = (value: unknown): number => Math.min(Math.max(integer(value), 0), 10_000);

/** In the heading of a table, functions that shape a value leave the column's name alone. */
export const headingFunctions: Record<string, TemplateFunction> = {
  ...functions,
  json: (value) => value,
  split: (value) => value,
  join: (value) => value,
  title: (value) => value,
  lower: (value) => value,
  upper: (value) => value,
  truncate: (value) => value,
  println: (value) => value,
};
