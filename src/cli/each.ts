/** Does the same with several things: what worked is printed, what failed is said at the end. */
import { describe } from "./describe.ts";
import { CliError } from "./errors.ts";
import { print } from "./output.ts";

/** As many at once; the server is not to be flooded. */
const parallel = 50;

/**
 * Calls `act` for each reference, several at once, and prints in the order given what it resolves with (undefined: the
 * reference itself; "": nothing). Throws CliError with all failures, a line each.
 */
export async function each(
  refs: readonly string[],
  act: (ref: string) => Promise<string | undefined>,
  { oneByOne = false } = {},
): Promise<number> {
  const failures: string[] = [];
  const size = oneByOne ? 1 : parallel;
  for (let at = 0; at < refs.length; at += size) {
    const batch = refs.slice(at, at + size);
    const results = await Promise.allSettled(batch.map(act));
    results.forEach((result, index) => {
      if (result.status === "rejected") failures.push(describe(result.reason));
      else if (result.value !== "") print(result.value ?? batch[index]!);
    });
  }
  if (failures.length > 0) throw new CliError(failures.join("\n"));
  return 0;
}
