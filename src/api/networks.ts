/** /networks, as far as running a container needs them. */
import { filtersOf } from "./http/query.ts";
import type { Route } from "./http/router.ts";

export const networkRoutes: Route[] = [
  {
    method: "GET",
    pattern: "/networks",
    async handler(call) {
      const networks = await call.engine.networks.list(filtersOf(call.query));
      // Since 1.28 who is connected is told by inspection only.
      call.exchange.response.json(
        200,
        call.version < 28 ? networks : networks.map((network) => ({ ...network, Containers: {} })),
      );
    },
  },
  {
    method: "GET",
    pattern: "/networks/{id}",
    async handler(call) {
      call.exchange.response.json(200, await call.engine.networks.inspect(call.path.id as string));
    },
  },
];
