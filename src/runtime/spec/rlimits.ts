/** Resource limits of a process: `--ulimit`. */
import { SpecError } from "./errors.ts";

export interface Ulimit {
  /** `nofile`, without RLIMIT_. */
  name: string;
  /** -1 is unlimited. */
  soft: number;
  hard: number;
}

const names = new Set(
  `as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack`.split(" "),
);

/** OCI's form. Set no limit that nobody asked for: raising one needs CAP_SYS_RESOURCE, which not every server has. */
export function resolveRlimits(ulimits: Ulimit[]): { type: string; soft: number; hard: number }[] {
  const seen = new Map<string, { type: string; soft: number; hard: number }>();
  for (const { name, soft, hard } of ulimits) {
    const lower = name.toLowerCase();
    if (!names.has(lower)) throw new SpecError(`invalid ulimit type: ${name}`);
    const [softValue, hardValue] = [soft, hard].map((value) => {
      if (!Number.isInteger(value) || value < -1) throw new SpecError(`invalid ulimit value: ${name}=${value}`);
      return value === -1 ? unlimited : value;
    });
    if (softValue! > hardValue!) {
      throw new SpecError(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
    }
    seen.set(lower, { type: `RLIMIT_${lower.toUpperCase()}`, soft: softValue!, hard: hardValue! });
  }
  return [...seen.values()];
}

/**
 * RLIM_INFINITY is 2^64-1, which a number cannot hold; JSON.stringify would write 18446744073709552000, above the type.
 * This is the largest number below it; the kernel takes it as a limit that nothing reaches.
 */
const unlimited = 2 ** 64 - 2048;
