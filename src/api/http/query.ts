/** Values of the query string, read as Docker reads them. */
import type { Filters } from "../../engine/engine.ts";
import { badRequest } from "./errors.ts";

const quoted = (value: string) => JSON.stringify(value.length > 200 ? `${value.slice(0, 200)}…` : value);

/** Empty, `0`, `no`, `false` and `none` are false, everything else is true. `fallback` is for a name that is not there. */
export function booleanOf(query: URLSearchParams, name: string, fallback = false): boolean {
  const value = query.get(name);
  if (value === null) return fallback;
  switch (value.trim().toLowerCase()) {
    case "":
    case "0":
    case "no":
    case "false":
    case "none":
      return false;
    default:
      return true;
  }
}

/** A whole number, undefined when the name is not there or empty. Throws 400 with the value. */
export function integerOf(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null || value === "") return undefined;
  const number = Number(value);
  if (!/^[+-]?\d+$/.test(value) || !Number.isSafeInteger(number)) {
    throw badRequest(`invalid value for ${name}: ${quoted(value)}: invalid syntax`);
  }
  return number;
}

/** Rows or columns: 0 to 2^32-1. Throws 400 in Docker's words. */
export function dimensionOf(query: URLSearchParams, name: "h" | "w"): number {
  const value = query.get(name) ?? "";
  const what = name === "h" ? "height" : "width";
  if (!/^-?\d+$/.test(value)) throw badRequest(`invalid resize ${what} ${quoted(value)}: invalid syntax`);
  const number = Number(value);
  if (number < 0 || number > 0xffffffff)
    throw badRequest(`invalid resize ${what} ${quoted(value)}: value out of range`);
  return number;
}

/** The value, undefined when the name is not there or empty. */
export function textOf(query: URLSearchParams, name: string): string | undefined {
  return query.get(name) || undefined;
}

/** `{"key":["value"]}` or, since 1.22, `{"key":{"value":true}}`. Throws 400 with the value for anything else. */
export function filtersOf(query: URLSearchParams, name = "filters"): Filters {
  const filters: Filters = new Map();
  const text = query.get(name);
  if (text === null || text === "") return filters;
  const invalid = () => badRequest(`invalid filter ${quoted(text)}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw invalid();
  }
  if (parsed === null) return filters;
  if (typeof parsed !== "object" || Array.isArray(parsed)) throw invalid();
  for (const [key, values] of Object.entries(parsed as Record<string, unknown>)) {
    if (values === null) filters.set(key, []);
    else if (Array.isArray(values)) {
      if (!values.every((value) => typeof value === "string")) throw invalid();
      filters.set(key, [...new Set(values)]);
    } else if (typeof values === "object") {
      const entries = Object.entries(values);
      if (!entries.every(([, on]) => typeof on === "boolean")) throw invalid();
      filters.set(
        key,
        entries.filter(([, on]) => on).map(([value]) => value),
      );
    } else throw invalid();
  }
  return filters;
}
