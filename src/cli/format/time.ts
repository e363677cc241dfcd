/** Times as Docker's client prints them, in the user's time zone. */

const two = (n: number): string => String(n).padStart(2, "0");

interface Parts {
  date: string;
  clock: string;
  offset: string;
}

function parts(milliseconds: number): Parts {
  const time = new Date(milliseconds);
  const minutes = -time.getTimezoneOffset();
  const size = Math.abs(minutes);
  return {
    date: `${String(time.getFullYear()).padStart(4, "0")}-${two(time.getMonth() + 1)}-${two(time.getDate())}`,
    clock: `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`,
    offset: `${minutes < 0 ? "-" : "+"}${two(Math.trunc(size / 60))}${two(size % 60)}`,
  };
}

/** `2026-11-25 00:57:19 +0000 UTC`, with the fraction's digits when `nanoseconds` has some: Go's Time.String. */
export function goTime(seconds: number, nanoseconds = 0): string {
  const { date, clock, offset } = parts(seconds * 1000);
  const fraction = nanoseconds === 0 ? "" : `.${String(nanoseconds).padStart(9, "0").replace(/0+$/, "")}`;
  return `${date} ${clock}${fraction} ${offset} ${zoneName(seconds * 1000, offset)}`;
}

/** `2026-11-25T00:57:19Z`, or with `+01:00`. */
export function rfc3339(seconds: number): string {
  const { date, clock, offset } = parts(seconds * 1000);
  return `${date}T${clock}${zone(offset)}`;
}

/** RFC 3339 with nine digits of fraction, from nanoseconds since the epoch. */
export function rfc3339Nano(nanoseconds: bigint): string {
  const { date, clock, offset } = parts(Number(nanoseconds / 1_000_000_000n) * 1000);
  return `${date}T${clock}.${String(nanoseconds % 1_000_000_000n).padStart(9, "0")}${zone(offset)}`;
}

const zone = (offset: string): string => (offset === "+0000" ? "Z" : `${offset.slice(0, 3)}:${offset.slice(3)}`);

function zoneName(milliseconds: number, offset: string): string {
  if (offset === "+0000" && !process.env.TZ?.includes("/")) return "UTC";
  const name = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" })
    .formatToParts(milliseconds)
    .find(({ type }) => type === "timeZoneName")?.value;
  // A zone without letters of its own is called by its offset.
  return name === undefined || /^(?:GMT|UTC)[+-]/.test(name) ? offset.replace(/00$/, "") : name;
}

const layout = /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,9}))?)?)?)?(Z|[+-]\d{2}:\d{2})?$/;

/**
 * What --since and --until take, as the API does: seconds since the epoch with a fraction. A duration (`10m`) is that
 * long ago; a date without a zone is in the user's. Throws with Go's text.
 */
export function timestamp(text: string, parseDuration: (text: string) => number, now = Date.now()): string {
  if (text === "") return "";
  const duration = tryDuration(text, parseDuration);
  if (duration !== undefined) {
    const then = BigInt(Math.trunc(now)) * 1_000_000n - BigInt(Math.round(duration));
    return fractional(then);
  }
  const date = layout.exec(text);
  if (date !== null) {
    const [, year, month, day, hour = "00", minute = "00", second = "00", fraction = "", offset] = date;
    const suffix = offset ?? "";
    const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${suffix}`);
    if (Number.isNaN(time)) throw new Error(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
    return `${Math.trunc(time / 1000)}.${fraction.padEnd(9, "0")}`;
  }
  if (text.includes("-") && /\d-/.test(text))
    throw new Error(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
  if (!/^-?\d+(?:\.\d+)?$/.test(text))
    throw new Error(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
  const [seconds, fraction = ""] = text.split(".");
  return fraction === "" ? seconds! : `${seconds}.${fraction.slice(0, 9).padEnd(9, "0")}`;
}

function tryDuration(text: string, parseDuration: (text: string) => number): number | undefined {
  try {
    return parseDuration(text);
  } catch {
    return undefined;
  }
}

const fractional = (nanoseconds: bigint): string =>
  `${nanoseconds / 1_000_000_000n}.${String(nanoseconds % 1_000_000_000n).padStart(9, "0")}`;
