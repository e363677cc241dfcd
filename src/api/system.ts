/** /_ping, /version, /info and what belongs to no resource. */
import type { SystemInfo } from "@docker/node-sdk";
import type { Call, Route } from "./http/router.ts";

/** 1 is the builder that sends its context to /build: what answers there knows no BuildKit session. */
const pingHeaders = {
  "Builder-Version": "1",
  "Cache-Control": "no-cache, no-store, must-revalidate",
  Pragma: "no-cache",
  Swarm: "inactive",
};

function ping(call: Call): void {
  const { response, head } = call.exchange;
  response.text(200, head.method === "HEAD" ? "" : "OK", pingHeaders);
}

function downgradeInfo(info: SystemInfo, version: number): Record<string, unknown> {
  const result: Record<string, unknown> = { ...info };
  if (version < 44 && info.Runtimes) {
    result.Runtimes = Object.fromEntries(
      Object.entries(info.Runtimes).map(([name, { status: _, ...runtime }]) => [name, runtime]),
    );
  }
  if (version < 46) delete result.Containerd;
  if (version < 47) {
    result.RegistryConfig = {
      AllowNondistributableArtifactsCIDRs: null,
      AllowNondistributableArtifactsHostnames: null,
      ...info.RegistryConfig,
    };
  }
  if (version < 49) {
    delete result.FirewallBackend;
    for (const name of ["ContainerdCommit", "RuncCommit", "InitCommit"] as const) {
      if (info[name]) result[name] = { ...info[name], Expected: info[name].ID };
    }
  }
  if (version < 50) {
    delete result.DiscoveredDevices;
    result.BridgeNfIptables = false;
    result.BridgeNfIp6tables = false;
  }
  return result;
}

export const systemRoutes: Route[] = [
  { method: "GET", pattern: "/_ping", handler: ping },
  { method: "HEAD", pattern: "/_ping", handler: ping },
  {
    method: "GET",
    pattern: "/version",
    async handler(call) {
      call.exchange.response.json(200, await call.engine.version());
    },
  },
  {
    method: "GET",
    pattern: "/info",
    async handler(call) {
      call.exchange.response.json(200, downgradeInfo(await call.engine.info(), call.version));
    },
  },
  // There are no plugins, and clients ask.
  { method: "GET", pattern: "/plugins", handler: (call) => call.exchange.response.json(200, []) },
];
