import { command } from "../command.ts";
import { each } from "../each.ts";
import { optionalInt, string } from "../flags/flag.ts";

export const stopFlags = {
  signal: string("Signal to send to the container", { short: "s" }),
  time: optionalInt("Seconds to wait before killing the container", { hidden: true }),
  timeout: optionalInt("Seconds to wait before killing the container", { short: "t" }),
};

/** `signal` and `timeout` for the API. */
export function stopOptions(values: { signal: string; time: number | undefined; timeout: number | undefined }) {
  const timeout = values.timeout ?? values.time;
  return {
    ...(values.signal === "" ? {} : { signal: values.signal }),
    ...(timeout === undefined ? {} : { timeout }),
  };
}

export default command({
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  aliases: "gantry container stop, gantry stop",
  flags: stopFlags,
  arguments: { min: 1 },
  run: ({ values, session, arguments: refs }) =>
    each(refs, async (ref) => {
      await session.client().containers.stop(ref, stopOptions(values));
      return undefined;
    }),
});
