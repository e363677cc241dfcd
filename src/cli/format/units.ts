/** Sizes and durations as Docker shows them. */

const decimal = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
const binary = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

/** `1.98MB`: powers of 1000, with so many significant digits. */
export const decimalSize = (bytes: number, digits = 4): string => scaled(bytes, 1000, decimal, digits);

/** `23.54GiB`: powers of 1024. */
export const binarySize = (bytes: number): string => scaled(bytes, 1024, binary, 4);

function scaled(size: number, base: number, units: string[], digits: number): string {
  let value = size;
  let unit = 0;
  while (value >= base && unit < units.length - 1) {
    value /= base;
    unit++;
  }
  return `${significant(value, digits)}${units[unit]}`;
}

/** Go's `%.Ng`: significant digits without trailing zeros; with an exponent where the digits do not reach the point. */
export function significant(value: number, digits: number): string {
  if (value === 0) return "0";
  const [mantissa = "", exponent = "0"] = value.toExponential(digits - 1).split("e");
  const power = Number(exponent);
  if (power >= digits || power < -4) {
    const sign = power < 0 ? "-" : "+";
    return `${trimZeros(mantissa)}e${sign}${String(Math.abs(power)).padStart(2, "0")}`;
  }
  return trimZeros(value.toFixed(Math.max(0, digits - 1 - power)));
}

const trimZeros = (text: string): string => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

/** `About a minute`, `2 hours`. Halves of an hour round up; larger units are cut off. */
export function humanDuration(seconds: number): string {
  const whole = Math.trunc(seconds);
  if (whole < 1) return "Less than a second";
  if (whole === 1) return "1 second";
  if (whole < 60) return `${whole} seconds`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(seconds / 3600 + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(seconds / 3600 / 24 / 365)} years`;
}

/** `2 hours ago`. `then` in seconds since the epoch. */
export const ago = (then: number, now = Date.now() / 1000): string => `${humanDuration(now - then)} ago`;

const factors: Record<string, number> = { "": 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** Bytes of `512`, `1.5g`, `64kb`, `1 GiB`: powers of 1024. Throws with Docker's text. */
export function parseBinarySize(text: string): number {
  const at = text.search(/[0-9. ](?![\s\S]*[0-9. ])/);
  if (at < 0) throw new Error(`invalid size: '${text}'`);
  const blank = text[at] === " ";
  const digits = text.slice(0, blank ? at : at + 1);
  const suffix = text.slice(at + 1).toLowerCase();
  if (!/^[+-]?(?:\d+(?:_?\d+)*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(digits)) {
    throw new Error(`strconv.ParseFloat: parsing ${JSON.stringify(digits)}: invalid syntax`);
  }
  const value = Number(digits);
  if (value < 0) throw new Error(`invalid size: '${text}'`);
  const unit = /^(?:([kmgtp])(?:i?b)?|b)?$/.exec(suffix);
  if (unit === null) throw new Error(`invalid suffix: '${suffix}'`);
  const size = Math.trunc(value * 1024 ** factors[unit[1] ?? ""]!);
  if (size >= 2 ** 63) throw new Error(`invalid size: '${text}'`);
  return size;
}

const durationUnits: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, μs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Nanoseconds of `1h30m`, `-1.5s`. Throws with Go's text. */
export function parseDuration(text: string): number {
  const bad = (reason: string) => new Error(`time: ${reason}`);
  const quoted = JSON.stringify(text);
  const sign = text.startsWith("-") ? -1 : 1;
  const body = text.replace(/^[+-]/, "");
  if (body === "0") return 0;
  if (body === "") throw bad(`invalid duration ${quoted}`);
  let total = 0;
  for (let rest = body; rest !== ""; ) {
    const part = /^(\d+\.?\d*|\.\d+)([^\d.]*)/.exec(rest);
    if (part === null) throw bad(`invalid duration ${quoted}`);
    if (part[2] === "") throw bad(`missing unit in duration ${quoted}`);
    const unit = durationUnits[part[2]!];
    if (unit === undefined) throw bad(`unknown unit ${JSON.stringify(part[2])} in duration ${quoted}`);
    total += Number(part[1]) * unit;
    rest = rest.slice(part[0].length);
  }
  if (total > 9.2e18) throw bad(`invalid duration ${quoted}`);
  return sign * Math.round(total);
}
