/** Endpoints of Docker's API that are not there: each says so, and what it is that is missing. */
import { HttpError } from "./http/errors.ts";
import type { Route } from "./http/router.ts";

/** Method, pattern, and what cannot be done. */
const later: [method: string, pattern: string, what: string][] = [
  ["POST", "/auth", "checking registry credentials"],
  ["GET", "/system/df", "measuring disk usage"],
  ["POST", "/commit", "making an image of a container"],
  ["POST", "/build", "building an image"],
  ["POST", "/build/prune", "pruning the build cache"],
  ["POST", "/build/cancel", "cancelling a build"],
  ["GET", "/containers/{name}/attach/ws", "attaching over a WebSocket"],
  ["GET", "/containers/{name}/changes", "listing a container's changes"],
  ["GET", "/containers/{name}/export", "exporting a container"],
  ["GET", "/containers/{name}/stats", "container statistics"],
  ["GET", "/containers/{name}/archive", "copying out of a container"],
  ["HEAD", "/containers/{name}/archive", "copying out of a container"],
  ["PUT", "/containers/{name}/archive", "copying into a container"],
  ["POST", "/containers/{name}/update", "updating a container"],
  ["GET", "/containers/{name}/checkpoints", "listing checkpoints"],
  ["POST", "/containers/{name}/checkpoints", "checkpointing a container"],
  ["DELETE", "/containers/{name}/checkpoints/{checkpoint}", "removing a checkpoint"],
  ["GET", "/images/search", "searching a registry"],
  ["GET", "/images/get", "saving images"],
  ["GET", "/images/{name...}/get", "saving an image"],
  ["POST", "/images/load", "loading images"],
  ["POST", "/images/{name...}/push", "pushing an image"],
  ["GET", "/distribution/{name...}/json", "asking a registry for an image's descriptor"],
  ["POST", "/networks/create", "creating a network"],
  ["POST", "/networks/prune", "pruning networks"],
  ["POST", "/networks/{id}/connect", "connecting a container to a network"],
  ["POST", "/networks/{id}/disconnect", "disconnecting a container from a network"],
  ["DELETE", "/networks/{id}", "removing a network"],
  ["PUT", "/volumes/{name}", "updating a cluster volume"],
  ["GET", "/plugins/privileges", "asking for a plugin's privileges"],
  ["POST", "/plugins/pull", "installing a plugin"],
  ["POST", "/plugins/create", "creating a plugin"],
];

const noManager =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';
const noMember = "This node is not part of a swarm";

const swarm: [method: string, pattern: string][] = [
  ["GET", "/swarm"],
  ["GET", "/swarm/unlockkey"],
  ["POST", "/swarm/unlock"],
  ["POST", "/swarm/update"],
  ...["nodes", "services", "secrets", "configs"].flatMap((resource): [string, string][] => [
    ["GET", `/${resource}`],
    ["POST", `/${resource}/create`],
    ["GET", `/${resource}/{id}`],
    ["DELETE", `/${resource}/{id}`],
    ["POST", `/${resource}/{id}/update`],
  ]),
  ["GET", "/services/{id}/logs"],
  ["GET", "/tasks"],
  ["GET", "/tasks/{id}"],
  ["GET", "/tasks/{id}/logs"],
];

const refuse = (method: string, pattern: string, status: number, message: string): Route => ({
  method,
  pattern,
  handler() {
    throw new HttpError(status, message);
  },
});

/** There are none. `docker inspect NAME` asks here last, and takes only 404 for an answer. */
const pluginPatterns: [method: string, pattern: string][] = [
  ["GET", "/plugins/{name...}/json"],
  ...["enable", "disable", "upgrade", "push", "set"].map((verb): [string, string] => [
    "POST",
    `/plugins/{name...}/${verb}`,
  ]),
  ["DELETE", "/plugins/{name...}"],
];
const noPlugin = (method: string, pattern: string): Route => ({
  method,
  pattern,
  handler({ path }) {
    throw new HttpError(404, `plugin "${path.name}" not found`);
  },
});

const buildKit = "BuildKit is not implemented by Gantry yet: set DOCKER_BUILDKIT=0 or use gantry build";

export const absentRoutes: Route[] = [
  ...later.map(([method, pattern, what]) => refuse(method, pattern, 501, `${what} is not implemented by Gantry yet`)),
  ...pluginPatterns.map(([method, pattern]) => noPlugin(method, pattern)),
  ...swarm.map(([method, pattern]) => refuse(method, pattern, 503, noManager)),
  // The advice of the others would be wrong here.
  refuse("POST", "/swarm/init", 503, "swarm mode is not implemented by Gantry"),
  refuse("POST", "/swarm/join", 503, "swarm mode is not implemented by Gantry"),
  refuse("POST", "/swarm/leave", 503, noMember),
  refuse("POST", "/session", 501, buildKit),
  refuse("POST", "/grpc", 501, buildKit),
];
