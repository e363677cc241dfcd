/** Points in time as Docker takes them in `since` and `until`. */
import { badRequest } from "./http/errors.ts";

const units: Record<string, number> = { ns: 1e-9, us: 1e-6, µs: 1e-6, μs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };

/** Go's time.ParseDuration, in seconds; undefined when it is none. */
export function parseDuration(value: string): number | undefined {
  const match = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/.exec(value);
  if (!match) return undefined;
  let seconds = 0;
  for (const [, number, unit] of (match[2] as string).matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    seconds += Number(number) * (units[unit as string] as number);
  }
  return match[1] === "-" ? -seconds : seconds;
}

/**
 * Seconds since the epoch with a fraction, from seconds (`1700000000.5`), a duration before now (`10m`) or a date or
 * time of RFC 3339, also shortened (`2024-01-02`, `2024-01-02T15:04`); without a zone it is the server's. undefined for an
 * empty value. Throws 400 with the value.
 */
export function parseTimestamp(name: string, value: string | null, now = Date.now()): number | undefined {
  if (value === null || value === "") return undefined;
  const unix = /^-?\d{1,15}(\.\d{1,20})?$/.exec(value);
  if (unix) return Number(value);
  const duration = parseDuration(value);
  if (duration !== undefined) return now / 1000 - duration;
  const date = /^(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(\.\d{1,9})?)?)?)?(Z|z|[+-]\d\d:\d\d)?$/.exec(value);
  if (date) {
    const [, day, hour = "00", minute = "00", second = "00", fraction = "", zone = ""] = date;
    const milliseconds = Date.parse(`${day}T${hour}:${minute}:${second}${zone.toUpperCase()}`);
    // Date.parse accepts 24:00 and reads a day that does not exist as the one after.
    if (!Number.isNaN(milliseconds) && Number(hour) < 24 && dayExists(day as string)) {
      return milliseconds / 1000 + Number(`0${fraction}`);
    }
  }
  throw badRequest(
    `invalid value for ${JSON.stringify(name)}: failed to parse value as time or duration: ${JSON.stringify(value.slice(0, 200))}`,
  );
}

function dayExists(day: string): boolean {
  const date = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
}
