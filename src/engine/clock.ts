/** Times as Docker prints them: RFC 3339, UTC, nanoseconds. */
const origin = BigInt(Date.now()) * 1_000_000n - BigInt(Bun.nanoseconds());

/**
 * Nanoseconds since the epoch. The wall clock gives milliseconds only; the finer digits come from the monotonic clock
 * as long as both agree, so that events of one millisecond keep their order.
 */
export function nowNanoseconds(): bigint {
  const wall = BigInt(Date.now()) * 1_000_000n;
  const fine = origin + BigInt(Bun.nanoseconds());
  const apart = fine - wall;
  return apart > -2_000_000n && apart < 2_000_000n ? fine : wall;
}

export function formatNanoseconds(time: bigint): string {
  const seconds = time / 1_000_000_000n;
  const rest = String(time % 1_000_000_000n)
    .padStart(9, "0")
    .replace(/0+$/, "");
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return rest === "" ? `${whole}Z` : `${whole}.${rest}Z`;
}

export const now = (): string => formatNanoseconds(nowNanoseconds());

/** Go's zero time, which the API shows for "never". */
export const zeroTime = "0001-01-01T00:00:00Z";

/** Seconds since the epoch, whole. */
export const unixSeconds = (time: string): number => Math.floor(Date.parse(time) / 1000);
