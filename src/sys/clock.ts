import { address, check, nr, syscall } from "./libc.ts";

const CLOCK_REALTIME = 0;
const timespec = new BigInt64Array(new ArrayBuffer(16));
const timespecAddress = address(timespec);

/** Nanoseconds since the epoch by the kernel's clock: clock_gettime(2). Date.now() has milliseconds only. */
export function realtime(): bigint {
  check(syscall(nr("clock_gettime"), CLOCK_REALTIME, timespecAddress), "clock_gettime");
  return timespec[0]! * 1_000_000_000n + timespec[1]!;
}
