/** What older versions of the API ask and answer differently about containers (Docker's API version history). */
import type { ContainerCreateRequest, ContainerInspectResponse, ContainerSummary } from "@docker/node-sdk";
import { badRequest } from "./http/errors.ts";

/**
 * Turns a request of an older version into today's, in place; returns warnings. Throws 400 for what that version did not
 * have and could not ignore. `cgroupVersion` is asked for only when the version needs it.
 */
export async function upgradeCreateRequest(
  request: ContainerCreateRequest,
  version: number,
  cgroupVersion: () => Promise<string | undefined>,
): Promise<string[]> {
  request.HostConfig ??= {};
  const host = request.HostConfig;
  const mounts = host.Mounts ?? [];
  const endpoints = request.NetworkingConfig?.EndpointsConfig ?? {};
  if (version < 25) host.AutoRemove = false;
  if (version < 40) {
    for (const { BindOptions } of mounts) if (BindOptions) BindOptions.NonRecursive = false;
    host.KernelMemoryTCP = 0;
    host.IpcMode ||= "shareable";
  }
  if (version < 41 && !host.CgroupnsMode && (await cgroupVersion()) !== "2") host.CgroupnsMode = "host";
  if (version < 42) {
    for (const mount of mounts) {
      if (mount.BindOptions) mount.BindOptions.CreateMountpoint = false;
      if (mount.Type !== "volume") delete mount.VolumeOptions;
      if (mount.Type !== "tmpfs") delete mount.TmpfsOptions;
    }
    host.ConsoleSize = [0, 0];
  } else {
    const options = {
      BindOptions: "bind",
      VolumeOptions: "volume",
      TmpfsOptions: "tmpfs",
      ImageOptions: "image",
    } as const;
    for (const mount of mounts) {
      for (const name of Object.keys(options) as (keyof typeof options)[]) {
        if (mount[name] && mount.Type !== options[name]) {
          throw badRequest(`${name} must not be specified on mount type "${mount.Type ?? ""}"`);
        }
      }
    }
  }
  if (version < 43) delete host.Annotations;
  if (version < 44) {
    if (request.Healthcheck) delete request.Healthcheck.StartInterval;
    for (const mount of mounts) {
      if (mount.Type !== "bind") continue;
      if (mount.BindOptions?.ReadOnlyForceRecursive) {
        throw badRequest("BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer");
      }
      // Read-only mounts were not recursive then.
      if (mount.ReadOnly) mount.BindOptions = { ...mount.BindOptions, ReadOnlyNonRecursive: true };
    }
    const names = Object.keys(endpoints);
    if (names.length > 1) {
      throw badRequest(`Container cannot be created with multiple network endpoints: ${names.join(", ")}`);
    }
  }
  if (version < 45 && mounts.some((mount) => mount.VolumeOptions?.Subpath)) {
    throw badRequest("VolumeOptions.Subpath needs API v1.45 or newer");
  }
  if (version < 48) {
    for (const name in endpoints) delete endpoints[name]?.GwPriority;
    if (mounts.some((mount) => mount.Type === "image")) throw badRequest('Mount type "Image" needs API v1.48 or newer');
  }
  if (typeof host.PidsLimit === "number" && host.PidsLimit <= 0) delete host.PidsLimit;
  return [...volumeDriverWarning(request, version), ...moveMacAddress(request, version)];
}

function volumeDriverWarning(request: ContainerCreateRequest, version: number): string[] {
  if (!request.HostConfig?.VolumeDriver || version < 48) return [];
  const ambiguous = (request.HostConfig.Mounts ?? []).some(
    (mount) => mount.Type === "volume" && !mount.VolumeOptions?.DriverConfig?.Name,
  );
  if (!ambiguous) return [];
  return [
    "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. Use '--mount type=volume,volume-driver=...' instead",
  ];
}

/** Since 1.44 the MAC address belongs to an endpoint; before, to the container. */
function moveMacAddress(request: ContainerCreateRequest, version: number): string[] {
  const address = request.MacAddress;
  const endpoints = request.NetworkingConfig?.EndpointsConfig ?? {};
  if (!address) {
    if (version < 44) for (const name in endpoints) delete endpoints[name]?.MacAddress;
    return [];
  }
  const mode = request.HostConfig?.NetworkMode || "default";
  const network = mode === "default" ? "bridge" : mode;
  const warnings =
    version < 44
      ? []
      : ["The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead."];
  if (network === "none" || network === "host" || network.startsWith("container:")) {
    if (version < 44) throw badRequest("conflicting options: mac-address and the network mode");
    return warnings;
  }
  const names = Object.keys(endpoints);
  // An older version allowed one endpoint only, whatever its key.
  const key = version < 44 && names.length === 1 ? (names[0] as string) : mode in endpoints ? mode : network;
  if (names.length > 0 && !(key in endpoints)) {
    throw badRequest(
      "unable to migrate container-wide MAC address to a specific network: HostConfig.NetworkMode must match the identity of a network in NetworkSettings.Networks",
    );
  }
  const endpoint = endpoints[key] ?? {};
  endpoints[key] = endpoint;
  if (version >= 44 && endpoint.MacAddress && endpoint.MacAddress !== address) {
    throw badRequest(
      "the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty",
    );
  }
  endpoint.MacAddress = address;
  request.NetworkingConfig = { ...request.NetworkingConfig, EndpointsConfig: endpoints };
  if (version >= 44) delete request.MacAddress;
  return warnings;
}

/** A list's entries as `version` knows them. */
export function downgradeSummaries(summaries: ContainerSummary[], version: number): ContainerSummary[] {
  return summaries.map(({ Health: _, ...summary }) => {
    if (version < 46 && summary.HostConfig?.Annotations) {
      const { Annotations: _, ...rest } = summary.HostConfig;
      summary.HostConfig = rest;
    }
    if (version < 48) delete summary.ImageManifestDescriptor;
    return summary;
  });
}

/** An inspection as `version` knows it. */
export function downgradeInspect(container: ContainerInspectResponse, version: number): ContainerInspectResponse {
  const result = { ...container };
  if (version < 48) delete result.ImageManifestDescriptor;
  const networks = container.NetworkSettings?.Networks;
  if (version < 45 && networks && container.Id) {
    const added = [container.Id.slice(0, 12), container.Config?.Hostname ?? ""];
    const copies = { ...networks };
    for (const name in copies) {
      const endpoint = copies[name];
      if (!endpoint || ["bridge", "host", "none", "default"].includes(name)) continue;
      copies[name] = { ...endpoint, Aliases: [...new Set([...(endpoint.Aliases ?? []), ...added])] };
    }
    result.NetworkSettings = { ...container.NetworkSettings, Networks: copies };
  }
  return result;
}
