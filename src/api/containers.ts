/** /containers: everything but the endpoints that stream, which are in containers-streams.ts. */
import { EngineError } from "../engine/errors.ts";
import { toCreateRequest } from "./containers-shape.ts";
import { attach, logs, wait } from "./containers-streams.ts";
import { downgradeInspect, downgradeSummaries, upgradeCreateRequest } from "./containers-versions.ts";
import { badRequest, HttpError } from "./http/errors.ts";
import { readJson } from "./http/json.ts";
import { booleanOf, dimensionOf, filtersOf, integerOf, textOf } from "./http/query.ts";
import type { Call, Handler, Route } from "./http/router.ts";

const nameOf = (call: Call) => call.path.name as string;

async function create(call: Call): Promise<void> {
  const { engine, query, version } = call;
  const request = toCreateRequest(await readJson(call));
  const warnings = await upgradeCreateRequest(request, version, async () => (await engine.info()).CgroupVersion);
  const platform = version >= 41 ? textOf(query, "platform") : undefined;
  const response = await engine.containers.create(textOf(query, "name"), request, platform).catch(onlyImagesMissing);
  call.exchange.response.json(201, { Id: response.Id, Warnings: [...(response.Warnings ?? []), ...warnings] });
}

/** Clients take a 404 here for an image that is not there, and pull it: whatever else is missing is a bad parameter. */
function onlyImagesMissing(error: unknown): never {
  const missing = error instanceof EngineError && error.kind === "not-found";
  if (missing && !/^(No such image|image with reference)/.test(error.message)) throw badRequest(error.message);
  throw error;
}

async function list(call: Call): Promise<void> {
  const { query, version } = call;
  const filters = filtersOf(query);
  // Older than filters, and still there.
  for (const name of ["since", "before"]) {
    const value = query.get(name);
    if (value) filters.set(name, [value]);
  }
  const summaries = await call.engine.containers.list({
    all: booleanOf(query, "all"),
    limit: Math.max(0, integerOf(query, "limit") ?? 0),
    size: booleanOf(query, "size"),
    filters,
  });
  call.exchange.response.json(200, downgradeSummaries(summaries, version));
}

async function inspect(call: Call): Promise<void> {
  const container = await call.engine.containers.inspect(nameOf(call), booleanOf(call.query, "size"));
  call.exchange.response.json(200, downgradeInspect(container, call.version));
}

async function start(call: Call): Promise<void> {
  // Up to 1.23 a body changed the container's HostConfig. An empty object, or null, does no harm.
  const body = await call.exchange.body.bytes(call.limits.bodyBytes);
  if (body.length > 7) {
    throw badRequest(
      "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
    );
  }
  if (textOf(call.query, "checkpoint")) {
    throw new HttpError(501, "starting a container from a checkpoint is not implemented by Gantry");
  }
  const started = await call.engine.containers.start(nameOf(call));
  call.exchange.response.empty(started ? 204 : 304);
}

function stopOptions(call: Call): { signal?: string; timeout?: number } {
  const timeout = integerOf(call.query, "t");
  const signal = call.version >= 42 ? textOf(call.query, "signal") : undefined;
  return { ...(timeout === undefined ? {} : { timeout }), ...(signal === undefined ? {} : { signal }) };
}

async function stop(call: Call): Promise<void> {
  const stopped = await call.engine.containers.stop(nameOf(call), stopOptions(call));
  call.exchange.response.empty(stopped ? 204 : 304);
}

async function kill(call: Call): Promise<void> {
  const name = nameOf(call);
  try {
    await call.engine.containers.kill(name, textOf(call.query, "signal") ?? "SIGKILL");
  } catch (error) {
    if (!(error instanceof EngineError) || /^cannot kill container/i.test(error.message)) throw error;
    throw new EngineError(error.kind, `cannot kill container: ${name}: ${error.message}`);
  }
  call.exchange.response.empty(204);
}

async function remove(call: Call): Promise<void> {
  const { query } = call;
  if (booleanOf(query, "link"))
    throw new HttpError(501, "removing a link between containers is not implemented by Gantry");
  await call.engine.containers.remove(nameOf(call), {
    force: booleanOf(query, "force"),
    volumes: booleanOf(query, "v"),
  });
  call.exchange.response.empty(204);
}

/** A handler that does something and answers 204. */
function act(action: (call: Call) => Promise<void>): Handler {
  return async (call) => {
    await action(call);
    call.exchange.response.empty(204);
  };
}

export const containerRoutes: Route[] = [
  { method: "POST", pattern: "/containers/create", handler: create },
  { method: "GET", pattern: "/containers/json", handler: list },
  {
    method: "POST",
    pattern: "/containers/prune",
    async handler(call) {
      const pruned = await call.engine.containers.prune(filtersOf(call.query));
      call.exchange.response.json(200, pruned);
    },
  },
  { method: "GET", pattern: "/containers/{name}/json", handler: inspect },
  { method: "GET", pattern: "/containers/{name}/logs", handler: logs },
  {
    method: "GET",
    pattern: "/containers/{name}/top",
    async handler(call) {
      // Docker's default, when the client names none.
      const top = await call.engine.containers.top(nameOf(call), textOf(call.query, "ps_args") ?? "-ef");
      call.exchange.response.json(200, top);
    },
  },
  { method: "POST", pattern: "/containers/{name}/attach", handler: attach },
  { method: "POST", pattern: "/containers/{name}/kill", handler: kill },
  {
    method: "POST",
    pattern: "/containers/{name}/pause",
    handler: act((call) => call.engine.containers.pause(nameOf(call))),
  },
  {
    method: "POST",
    pattern: "/containers/{name}/rename",
    handler: act((call) => call.engine.containers.rename(nameOf(call), call.query.get("name") ?? "")),
  },
  {
    method: "POST",
    pattern: "/containers/{name}/resize",
    async handler(call) {
      const rows = dimensionOf(call.query, "h");
      await call.engine.containers.resize(nameOf(call), rows, dimensionOf(call.query, "w"));
      call.exchange.response.empty(200);
    },
  },
  {
    method: "POST",
    pattern: "/containers/{name}/restart",
    handler: act((call) => call.engine.containers.restart(nameOf(call), stopOptions(call))),
  },
  { method: "POST", pattern: "/containers/{name}/start", handler: start },
  { method: "POST", pattern: "/containers/{name}/stop", handler: stop },
  {
    method: "POST",
    pattern: "/containers/{name}/unpause",
    handler: act((call) => call.engine.containers.unpause(nameOf(call))),
  },
  { method: "POST", pattern: "/containers/{name}/wait", handler: wait },
  { method: "DELETE", pattern: "/containers/{name}", handler: remove },
];
