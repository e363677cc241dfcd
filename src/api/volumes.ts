/** /volumes */
import type { VolumeCreateOptions } from "@docker/node-sdk";
import { HttpError } from "./http/errors.ts";
import { readJson } from "./http/json.ts";
import { booleanOf, filtersOf } from "./http/query.ts";
import type { Call, Route } from "./http/router.ts";
import { map, record, text } from "./http/shape.ts";

const nameOf = (call: Call) => call.path.name as string;

const createOptions = record({
  Name: text,
  Driver: text,
  DriverOpts: map(text),
  Labels: map(text),
  ClusterVolumeSpec: (value) => value,
});

export const volumeRoutes: Route[] = [
  {
    method: "GET",
    pattern: "/volumes",
    async handler(call) {
      const { Volumes, Warnings } = await call.engine.volumes.list(filtersOf(call.query));
      call.exchange.response.json(200, { Volumes, Warnings });
    },
  },
  {
    method: "POST",
    pattern: "/volumes/create",
    async handler(call) {
      const options = createOptions((await readJson(call)) ?? {}, "") as VolumeCreateOptions;
      if (options.ClusterVolumeSpec) throw new HttpError(501, "cluster volumes are not implemented by Gantry");
      call.exchange.response.json(201, await call.engine.volumes.create(options));
    },
  },
  {
    method: "POST",
    pattern: "/volumes/prune",
    async handler(call) {
      const filters = filtersOf(call.query);
      // Since 1.42 only anonymous volumes are pruned, unless all are asked for.
      if (call.version < 42) filters.set("all", ["true"]);
      call.exchange.response.json(200, await call.engine.volumes.prune(filters));
    },
  },
  {
    method: "GET",
    pattern: "/volumes/{name}",
    async handler(call) {
      call.exchange.response.json(200, await call.engine.volumes.inspect(nameOf(call)));
    },
  },
  {
    method: "DELETE",
    pattern: "/volumes/{name}",
    async handler(call) {
      await call.engine.volumes.remove(nameOf(call), booleanOf(call.query, "force"));
      call.exchange.response.empty(204);
    },
  },
];
