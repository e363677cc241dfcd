/** GET /events: one JSON object a line, for as long as the client listens. */
import type { EventMessage } from "@docker/node-sdk";
import { badRequest } from "./http/errors.ts";
import { filtersOf } from "./http/query.ts";
import { writeRecords } from "./http/record-stream.ts";
import type { Call, Route } from "./http/router.ts";
import { follow } from "./http/signals.ts";
import { parseTimestamp } from "./timestamps.ts";

async function stream(call: Call): Promise<void> {
  const { query, exchange } = call;
  const since = parseTimestamp("since", query.get("since"));
  const until = parseTimestamp("until", query.get("until"));
  if (since !== undefined && until !== undefined && until < since) {
    throw badRequest(`\`since\` time (${query.get("since")}) cannot be after \`until\` time (${query.get("until")})`);
  }
  const filters = filtersOf(query);
  const ends = follow(exchange.signal, call.stopping);
  try {
    const events = call.engine.events.stream({
      ...(since === undefined ? {} : { since }),
      ...(until === undefined ? {} : { until }),
      filters,
      signal: ends.signal,
    });
    exchange.response.stream(200, { "Content-Type": "application/json" });
    await writeRecords(exchange.response, events, (event) => toLine(event, call.version), ends.signal);
    exchange.response.end();
  } finally {
    ends.release();
  }
}

/** With the fields of the time before types and actors, which clients still read. */
function toLine(event: EventMessage, version: number): Uint8Array | undefined {
  if (version < 46 && event.Type === "image" && event.Action === "create") return undefined;
  const legacy: Record<string, unknown> = {};
  if (event.Type === "container" || event.Type === "image") {
    legacy.status = event.Action;
    legacy.id = event.Actor?.ID;
  }
  if (event.Type === "container") legacy.from = event.Actor?.Attributes?.image;
  return Buffer.from(`${JSON.stringify({ ...legacy, ...event })}\n`);
}

export const eventRoutes: Route[] = [{ method: "GET", pattern: "/events", handler: stream }];
