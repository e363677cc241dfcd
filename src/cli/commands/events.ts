import type { EventMessage } from "@docker/node-sdk";
import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { filter, string } from "../flags/flag.ts";
import { inspectFormatHelp } from "../format/help.ts";
import { executed, parsed } from "../format/list.ts";
import { encodeJson, fromJson, Struct, toJson } from "../format/template/template.ts";
import { rfc3339Nano, timestamp } from "../format/time.ts";
import { parseDuration } from "../format/units.ts";
import { print } from "../output.ts";

export default command({
  usage: "[OPTIONS]",
  aliases: "gantry system events, gantry events",
  flags: {
    filter: filter("Filter output based on conditions provided", { short: "f" }),
    format: string(inspectFormatHelp),
    since: string("Show all events created since timestamp"),
    until: string("Stream events until this timestamp"),
  },
  arguments: { min: 0, max: 0 },
  async run({ values, session }) {
    const render = renderer(values.format);
    const time = (name: "since" | "until") => {
      try {
        return timestamp(values[name], parseDuration);
      } catch (error) {
        throw new CliError((error as Error).message);
      }
    };
    const events = session.client().events({ since: time("since"), until: time("until"), filters: values.filter });
    for await (const event of events) print(render(event));
    return 0;
  },
});

function renderer(format: string): (event: EventMessage) => string {
  if (format === "json") return encodeJson;
  if (format === "") return line;
  const failure = { parsing: "Error parsing format: ", executing: "Error parsing format: ", status: 64 };
  const template = parsed(format, failure);
  const render = (event: EventMessage) => {
    return executed(() => template.execute(fieldsOf(event)), failure);
  };
  try {
    render(noEvent);
  } catch (error) {
    throw error instanceof CliError ? new CliError(error.message, { status: failure.status }) : error;
  }
  return render;
}

/** A field that is not there is told before the first event. */
const noEvent = {
  Type: "container",
  Action: "create",
  Actor: { ID: "", Attributes: {} },
  scope: "local",
} as EventMessage;

/** The names of Go's fields, which templates use, differ from those of the JSON. */
function fieldsOf(event: EventMessage): Struct {
  const old = event as { status?: string; id?: string; from?: string };
  return new Struct(
    "*events.Message",
    {
      Status: old.status ?? "",
      ID: old.id ?? "",
      From: old.from ?? "",
      Type: event.Type,
      Action: event.Action,
      Actor: fromJson(event.Actor),
      Scope: event.scope ?? "",
      Time: event.time ?? 0,
      TimeNano: event.timeNano ?? 0,
    },
    () => toJson(event),
  );
}

function line(event: EventMessage): string {
  const { Type, Action, Actor, time = 0 } = event;
  const nanoseconds = BigInt((event.timeNano as unknown as bigint | number | undefined) ?? 0);
  const stamp = rfc3339Nano(nanoseconds === 0n ? BigInt(time) * 1_000_000_000n : nanoseconds);
  const attributes = Object.entries(Actor?.Attributes ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const details = attributes.map(([key, value]) => `${key}=${value}`).join(", ");
  return `${stamp} ${Type} ${Action} ${Actor?.ID}${details === "" ? "" : ` (${details})`}`;
}
