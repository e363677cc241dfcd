/** Makes the container of `run` and `create`, pulling its image when it is missing. */
import { closeSync, openSync, statSync, unlinkSync, writeSync } from "node:fs";
import type { ContainerCreateRequest } from "@docker/node-sdk";
import { ApiError } from "../../client/client.ts";
import { compareVersions } from "../../client/transport.ts";
import type { Session } from "../command.ts";
import { CliError } from "../errors.ts";
import { checkPlatform } from "../images/platform.ts";
import { familiarString, isIdentifier, parseReference, withDefaultTag } from "../images/reference.ts";
import { printError } from "../output.ts";

export interface CreateOptions {
  session: Session;
  request: ContainerCreateRequest;
  name: string;
  platform: string;
  /** `always`, `missing` or `never`. */
  pull: string;
  quiet: boolean;
  cidfile: string;
  /** Flags that older servers would silently ignore. */
  needs: { flag: string; version: string }[];
}

export interface Created {
  id: string;
  warnings: string[];
}

/** Throws ApiError, and Error or CliError for what is wrong on our side. */
export async function createContainer(options: CreateOptions): Promise<Created> {
  const { session, request, name, pull, quiet, cidfile } = options;
  const platform = checkPlatform(options.platform);
  if (pull !== "" && pull !== "always" && pull !== "missing" && pull !== "never") {
    throw new CliError(`invalid pull option: '${pull}': must be one of "always", "missing" or "never"`);
  }
  const image = request.Image ?? "";
  const reference = isIdentifier(image) ? undefined : withDefaultTag(parseReference(image));
  const file = cidfile === "" ? undefined : openCidFile(cidfile);
  const client = session.client();
  await adapt(options);
  const query = { ...(name === "" ? {} : { name }), ...(platform === "" ? {} : { platform }) };
  const fetchImage = async () => {
    const { pullImage } = await import("../images/pull.ts");
    await pullImage({ session, reference: reference!, platform, output: 2, quiet });
  };
  let id = "";
  try {
    if (pull === "always" && reference !== undefined) await fetchImage();
    const create = () => client.containers.create(request, query);
    const response = await create().catch(async (error: unknown) => {
      const missing = error instanceof ApiError && error.status === 404 && reference !== undefined;
      if (!missing || (pull !== "missing" && pull !== "")) throw error;
      if (!quiet) printError(`Unable to find image '${familiarString(reference)}' locally`);
      await fetchImage();
      return create();
    });
    id = response.Id ?? "";
    for (const warning of response.Warnings ?? []) printError(`WARNING: ${warning}`);
    if (file !== undefined) writeSync(file, id);
    return { id, warnings: response.Warnings ?? [] };
  } finally {
    if (file !== undefined) {
      closeSync(file);
      if (id === "") unlinkSync(cidfile);
    }
  }
}

function openCidFile(path: string): number {
  let there = true;
  try {
    statSync(path);
  } catch {
    there = false;
  }
  if (there) {
    throw new CliError(`container ID file found, make sure the other container isn't running or delete ${path}`);
  }
  try {
    return openSync(path, "wx", 0o666);
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === "ENOENT" ? "no such file or directory" : (error as Error).message;
    throw new CliError(`failed to create the container ID file: open ${path}: ${reason}`);
  }
}

/**
 * What depends on the server's age costs a request more, so only those ask who use it: flags that an older server would
 * ignore are refused, as is what a newer one no longer takes.
 */
async function adapt({ session, needs, request }: CreateOptions): Promise<void> {
  const limits = request.HostConfig as { KernelMemory?: number } | undefined;
  if (needs.length === 0 && request.MacAddress === undefined && limits?.KernelMemory === undefined) return;
  const { transport } = session.client();
  const answer = await transport.request("HEAD", "/_ping");
  await answer.text();
  const server = answer.headers.get("api-version");
  if (server === undefined) return;
  for (const { flag, version } of needs) {
    if (compareVersions(server, version) >= 0) continue;
    throw new CliError(`"--${flag}" requires API version ${version}, but the Docker daemon API version is ${server}`, {
      final: true,
    });
  }
  if (compareVersions(server, "1.44") >= 0) delete request.MacAddress;
  // Servers that no longer have it say nothing: the limit would be missing unseen.
  if (limits?.KernelMemory !== undefined && compareVersions(server, "1.42") >= 0) {
    throw new CliError(`"--kernel-memory" is gone since API version 1.42, and the server's is ${server}`, {
      status: 125,
      final: true,
    });
  }
}

const since: Record<string, string> = { annotation: "1.43", "health-start-interval": "1.44" };

/** The flags that came with a version of the API, of those that were given. */
export function neededVersions(given: ReadonlySet<string>): { flag: string; version: string }[] {
  return Object.entries(since)
    .filter(([flag]) => given.has(flag))
    .map(([flag, version]) => ({ flag, version }));
}
