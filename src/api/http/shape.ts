/**
 * Shapes of request bodies. As Docker's decoder does: unknown fields are dropped, field names match in any case, and
 * null is as if the field was not there. A value of the wrong type is refused with its field and itself.
 */
import { badRequest } from "./errors.ts";

/** Returns the value with what does not belong there taken away. Throws 400. */
export type Shape = (value: unknown, field: string) => unknown;

function shown(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value) ?? "nothing";
  } catch {
    // What the parser could read may nest deeper than can be written.
    return "something that nests too deep";
  }
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

function wrong(field: string, expected: string, value: unknown) {
  return badRequest(`invalid JSON: ${field === "" ? "the body" : field}: expected ${expected}, got ${shown(value)}`);
}

export const text: Shape = (value, field) => {
  if (typeof value !== "string") throw wrong(field, "a string", value);
  return value;
};

export const boolean: Shape = (value, field) => {
  if (typeof value !== "boolean") throw wrong(field, "true or false", value);
  return value;
};

/** A whole number within Go's int64, or the narrower bounds given. */
export function integer(min = -(2 ** 63), max = 2 ** 63): Shape {
  return (value, field) => {
    if (typeof value !== "number" || !Number.isInteger(value)) throw wrong(field, "a whole number", value);
    if (value < min || value > max) throw wrong(field, `a whole number from ${min} to ${max}`, value);
    return value;
  };
}

export function list(of: Shape): Shape {
  return (value, field) => {
    if (!Array.isArray(value)) throw wrong(field, "a list", value);
    return value.map((item, index) => of(item, `${field}[${index}]`));
  };
}

/** Docker's StrSlice: one string stands for a list of one. */
export const words: Shape = (value, field) => (typeof value === "string" ? [value] : list(text)(value, field));

function entriesOf(value: unknown, field: string): [string, unknown][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(field, "an object", value);
  return Object.entries(value);
}

/** An object with any keys. With `nullable`, null values stay. */
export function map(of: Shape, nullable = false): Shape {
  return (value, field) => {
    const result: Record<string, unknown> = Object.create(null);
    for (const [key, item] of entriesOf(value, field)) {
      result[key] = item === null && nullable ? null : of(item, `${field}[${shown(key)}]`);
    }
    return result;
  };
}

/** A set as Go writes it: keys with empty objects. */
export const set: Shape = (value, field) => {
  const result: Record<string, unknown> = Object.create(null);
  for (const [key, item] of entriesOf(value, field)) {
    if (item !== null) entriesOf(item, `${field}[${shown(key)}]`);
    result[key] = {};
  }
  return result;
};

/** An object with these fields. */
export function record(fields: Record<string, Shape>): Shape {
  const byLowerCase = new Map<string, string>();
  for (const name in fields) byLowerCase.set(name.toLowerCase(), name);
  return (value, field) => {
    const result: Record<string, unknown> = {};
    for (const [key, item] of entriesOf(value, field)) {
      if (item === null) continue;
      const name = Object.hasOwn(fields, key) ? key : byLowerCase.get(key.toLowerCase());
      if (name === undefined) continue;
      result[name] = (fields[name] as Shape)(item, field === "" ? name : `${field}.${name}`);
    }
    return result;
  };
}
