/** --ulimit, --cpus, --memory-swap and other limits. Errors are Docker's texts. */
import type { ResourcesUlimitsInner } from "@docker/node-sdk";
import { custom, type Flag, type Look, parseInteger, quote } from "../flags/flag.ts";
import { parseBinarySize, parseDuration } from "../format/units.ts";

const ulimits = new Set(
  "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" "),
);

const number = (text: string): number => parseInteger(decimal(text), -(2n ** 63n), 2n ** 63n - 1n, "strconv.ParseInt");

/** parseInteger also takes other bases; here only digits are meant. */
function decimal(text: string): string {
  if (/^[+-]?\d+$/.test(text)) return text.replace(/^([+-]?)0+(?=\d)/, "$1");
  throw new Error(`strconv.ParseInt: parsing ${quote(text)}: invalid syntax`);
}

/** `nofile=1024:2048`; -1 is without limit. */
export function parseUlimit(text: string): Required<ResourcesUlimitsInner> {
  const at = text.indexOf("=");
  const name = text.slice(0, at);
  const value = text.slice(at + 1);
  if (at < 0 || value === "") throw new Error(`invalid ulimit argument: ${text}`);
  if (!ulimits.has(name)) throw new Error(`invalid ulimit type: ${name}`);
  const limits = value.split(":");
  if (limits.length > 2) {
    throw new Error(`too many limit value arguments - ${value}, can only have up to two, \`soft[:hard]\``);
  }
  const soft = number(limits[0]!);
  const hard = limits[1] === undefined ? soft : number(limits[1]);
  if (hard !== -1) {
    if (soft === -1) {
      throw new Error(
        `ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: ${hard}`,
      );
    }
    if (soft > hard) throw new Error(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  }
  return { Name: name, Soft: soft, Hard: hard };
}

export const ulimitFlag = (help: string): Flag<Map<string, Required<ResourcesUlimitsInner>>> =>
  custom(
    help,
    { type: "ulimit", shown: "(default [])" },
    () => new Map(),
    (text, before) => {
      const limit = parseUlimit(text);
      return new Map(before).set(limit.Name, limit);
    },
  );

export const bytes = (help: string, look: Look = {}): Flag<number> =>
  custom(help, { ...look, type: "bytes" }, () => 0, parseBinarySize);

/** -1 is without limit. */
export const swapBytes = (help: string): Flag<number> =>
  custom(
    help,
    { type: "bytes" },
    () => 0,
    (text) => (text === "-1" ? -1 : parseBinarySize(text)),
  );

/** Nanoseconds. */
export const duration = (help: string): Flag<number> =>
  custom(help, { type: "duration", shown: "(default 0s)" }, () => 0, parseDuration);

/** CPUs in units of a thousand millionth. */
export const cpus = (help: string): Flag<number> =>
  custom(
    help,
    { type: "decimal" },
    () => 0,
    (text) => {
      const plain = /^[+-]?[\d.]+e[+-]?\d{1,2}$/i.test(text) ? Number(text).toFixed(9) : text;
      const parts = /^([+-]?)(\d*)(?:\.(\d*))?(?:\/(\d+))?$/.exec(plain);
      if (parts === null || !/\d/.test(text) || (parts[3] !== undefined && parts[4] !== undefined)) {
        throw new Error(`failed to parse ${text} as a rational number`);
      }
      const [, sign, whole = "", fraction = "", divisor] = parts;
      const significant = fraction.replace(/0+$/, "");
      if (significant.length > 9) throw new Error("value is too precise");
      let nano = BigInt(whole || "0") * 1_000_000_000n + BigInt(significant.padEnd(9, "0"));
      if (divisor !== undefined) {
        if (BigInt(divisor) === 0n) throw new Error(`failed to parse ${text} as a rational number`);
        if (nano % BigInt(divisor) !== 0n) throw new Error("value is too precise");
        nano /= BigInt(divisor);
      }
      return Number(sign === "-" ? -nano : nano);
    },
  );
