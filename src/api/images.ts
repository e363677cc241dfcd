/** /images: pull, list, inspect, history, tag, delete, prune. */
import type { ImageInspect, ImageSummary } from "@docker/node-sdk";
import type { Credentials } from "../registry/registry.ts";
import { badRequest, HttpError, messageOf } from "./http/errors.ts";
import { booleanOf, filtersOf, textOf } from "./http/query.ts";
import type { Call, Route } from "./http/router.ts";
import { createProgressWriter } from "./progress.ts";

const nameOf = (call: Call) => call.path.name as string;

/** X-Registry-Auth: JSON in base64url. As in Docker, what cannot be read counts as no credentials. */
export function toCredentials(header: string | undefined): Credentials | undefined {
  if (!header) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(header, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const given = new Map(Object.entries(parsed).map(([name, value]) => [name.toLowerCase(), value]));
  const field = (name: string) => {
    const value = given.get(name);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const auth = field("auth");
  const decoded = auth === undefined ? "" : Buffer.from(auth, "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  const credentials: Credentials = {};
  const username = field("username") ?? (colon > 0 ? decoded.slice(0, colon) : undefined);
  const password = field("password") ?? (colon > 0 ? decoded.slice(colon + 1) : undefined);
  const identityToken = field("identitytoken");
  const registryToken = field("registrytoken");
  if (username !== undefined) credentials.username = username;
  if (password !== undefined) credentials.password = password;
  if (identityToken !== undefined) credentials.identityToken = identityToken;
  if (registryToken !== undefined) credentials.registryToken = registryToken;
  return Object.keys(credentials).length > 0 ? credentials : undefined;
}

/** POST /images/create */
async function pull(call: Call): Promise<void> {
  const { query, exchange } = call;
  // A client that pulls all tags sends the name with a colon behind it.
  const reference = textOf(query, "fromImage")?.replace(/:$/, "");
  if (!reference) {
    if (query.has("fromSrc")) throw new HttpError(501, "importing an image is not implemented by Gantry yet");
    throw badRequest("fromImage names no image");
  }
  const tag = textOf(query, "tag");
  const platform = call.version >= 32 ? textOf(query, "platform") : undefined;
  const credentials = toCredentials(exchange.head.headers.get("x-registry-auth"));
  const progress = createProgressWriter(exchange.response);
  try {
    await call.engine.images.pull(reference, {
      ...(tag === undefined ? {} : { tag }),
      ...(platform === undefined ? {} : { platform }),
      ...(credentials === undefined ? {} : { credentials }),
      signal: exchange.signal,
      progress: progress.write,
    });
  } catch (error) {
    if (!exchange.response.started) throw error;
    progress.write({ errorDetail: { message: messageOf(error) }, error: messageOf(error) });
  }
  await progress.end();
}

async function list(call: Call): Promise<void> {
  const { query, version } = call;
  const filters = filtersOf(query);
  const pattern = version < 41 && !filters.has("reference") ? query.get("filter") : undefined;
  if (pattern) filters.set("reference", [pattern]);
  const images = await call.engine.images.list({
    all: booleanOf(query, "all"),
    digests: booleanOf(query, "digests"),
    filters,
  });
  call.exchange.response.json(
    200,
    images.map((image) => downgradeSummary(image, version)),
  );
}

function downgradeSummary(image: ImageSummary, version: number): ImageSummary {
  const result: ImageSummary = { ...image, RepoTags: image.RepoTags ?? [], RepoDigests: image.RepoDigests ?? [] };
  if (version < 43 && result.RepoTags.length === 0 && result.RepoDigests.length === 0) {
    result.RepoTags = ["<none>:<none>"];
    result.RepoDigests = ["<none>@<none>"];
  }
  if (version < 44) result.VirtualSize = image.Size;
  if (version < 48) delete result.Descriptor;
  if (version < 51) result.Containers = -1;
  return result;
}

/** Fields of an image's Config that older versions show even when they are not set. */
const configFields = {
  User: "",
  Env: null,
  Cmd: null,
  Volumes: null,
  WorkingDir: "",
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};
const olderConfigFields = {
  Hostname: "",
  Domainname: "",
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Image: "",
};

function downgradeInspect(image: ImageInspect, version: number): Record<string, unknown> {
  const result: Record<string, unknown> = {
    ...image,
    RepoTags: image.RepoTags ?? [],
    RepoDigests: image.RepoDigests ?? [],
    Parent: image.Parent ?? "",
    Comment: image.Comment ?? "",
    DockerVersion: image.DockerVersion ?? "",
    Author: image.Author ?? "",
    Config: { ...(version < 50 ? olderConfigFields : {}), ...configFields, ...image.Config },
  };
  if (version < 44) {
    result.VirtualSize = image.Size ?? 0;
    result.Created ||= "0001-01-01T00:00:00Z";
  }
  if (version < 45) {
    result.Container = "";
    result.ContainerConfig = { ...olderConfigFields, ...configFields };
  }
  if (version < 48) delete result.Descriptor;
  return result;
}

async function inspect(call: Call): Promise<void> {
  if (call.version >= 49 && textOf(call.query, "platform")) {
    throw new HttpError(501, "inspecting one platform of an image is not implemented by Gantry yet");
  }
  const image = await call.engine.images.inspect(nameOf(call));
  call.exchange.response.json(200, downgradeInspect(image, call.version));
}

export const imageRoutes: Route[] = [
  { method: "POST", pattern: "/images/create", handler: pull },
  { method: "GET", pattern: "/images/json", handler: list },
  {
    method: "POST",
    pattern: "/images/prune",
    async handler(call) {
      call.exchange.response.json(200, await call.engine.images.prune(filtersOf(call.query)));
    },
  },
  { method: "GET", pattern: "/images/{name...}/json", handler: inspect },
  {
    method: "GET",
    pattern: "/images/{name...}/history",
    async handler(call) {
      call.exchange.response.json(200, await call.engine.images.history(nameOf(call)));
    },
  },
  {
    method: "POST",
    pattern: "/images/{name...}/tag",
    async handler(call) {
      const repository = textOf(call.query, "repo");
      if (!repository) throw badRequest("repo names no repository");
      await call.engine.images.tag(nameOf(call), repository, textOf(call.query, "tag"));
      call.exchange.response.empty(201);
    },
  },
  {
    method: "DELETE",
    pattern: "/images/{name...}",
    async handler(call) {
      if (call.version >= 50 && call.query.has("platforms")) {
        throw new HttpError(501, "removing one platform of an image is not implemented by Gantry yet");
      }
      if (nameOf(call).trim() === "") throw badRequest("image name cannot be blank");
      const options = { force: booleanOf(call.query, "force"), noPrune: booleanOf(call.query, "noprune") };
      call.exchange.response.json(200, await call.engine.images.remove(nameOf(call), options));
    },
  },
];
