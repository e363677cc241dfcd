/** Docker's filters. What an endpoint does not know is refused, as Docker does, instead of ignored. */
import type { Filters } from "./engine.ts";
import { invalid } from "./errors.ts";

/** Throws 400 `invalid filter 'x'` for keys outside `known`. */
export function checkFilters(filters: Filters, known: readonly string[]): void {
  for (const key of filters.keys()) {
    if (!known.includes(key)) throw invalid(`invalid filter '${key}'`);
  }
}

/** A filter of true or false; undefined when absent. Throws 400. */
export function booleanFilter(filters: Filters, key: string): boolean | undefined {
  const values = filters.get(key);
  if (!values || values.length === 0) return undefined;
  const read = values.map((value) => {
    if (/^(1|t|true)$/i.test(value)) return true;
    if (/^(0|f|false)$/i.test(value)) return false;
    throw invalid(`invalid filter '${key}=[${values.join(" ")}]'`);
  });
  return read[0];
}

/** `label=key`, `label=key=value`: all must hold. `label!` the other way round. */
export function labelsMatch(filters: Filters, labels: Record<string, string> | undefined): boolean {
  const holds = (wanted: string) => {
    const at = wanted.indexOf("=");
    const key = at < 0 ? wanted : wanted.slice(0, at);
    const value = labels?.[key];
    return value !== undefined && (at < 0 || value === wanted.slice(at + 1));
  };
  return (filters.get("label") ?? []).every(holds) && !(filters.get("label!") ?? []).some(holds);
}

/** A point in time: RFC 3339, seconds since the epoch, or a duration ago (`10m`). Seconds since the epoch. Throws 400. */
export function readTime(text: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const duration = readDuration(text);
  if (duration !== undefined) return Date.now() / 1000 - duration;
  const time = Date.parse(text);
  if (Number.isNaN(time))
    throw invalid(`invalid time ${JSON.stringify(text)}: RFC 3339, seconds or a duration (10m) is expected`);
  return time / 1000;
}

const seconds: Record<string, number> = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };

/** Go's duration (`1h30m`) in seconds; undefined when it is none. */
export function readDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, number, , unit] of text.matchAll(/(\d+(\.\d+)?)(ns|us|µs|ms|s|m|h)/g))
    sum += Number(number) * seconds[unit!]!;
  return sum;
}

/** Docker's `*` and `?` patterns, whole. */
export function globMatches(pattern: string, text: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*/g, "[^/]*")
    .replace(/\?/g, "[^/]");
  return new RegExp(`^${expression}$`).test(text);
}
