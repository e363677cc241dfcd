/** `POST /containers/create`: the request and the image become a record, a writable snapshot and volumes. */
import { lstatSync } from "node:fs";
import type { ContainerConfig, ContainerCreateRequest, ContainerCreateResponse, HostConfig } from "@docker/node-sdk";
import { NetworkError } from "../../network/network.ts";
import { buildSpec } from "../../runtime/spec/build.ts";
import { SpecError } from "../../runtime/spec/errors.ts";
import { resolveResources } from "../../runtime/spec/resources.ts";
import { resourceSupport } from "../../runtime/spec/support.ts";
import { now, zeroTime } from "../clock.ts";
import { EngineError, invalid, notFound } from "../errors.ts";
import { newId, shortId } from "../identifier.ts";
import type { ImageRecord } from "../images/image.ts";
import { readPlatform } from "../images/images.ts";
import type { ContainerRecord, ContainerState, MountRecord } from "./container.ts";
import { eventAttributes, type Parts } from "./containers.ts";
import { makeFiles } from "./files.ts";
import { readMounts } from "./mounts.ts";
import { checkName, inventName } from "./names.ts";
import { checkRequest } from "./refuse.ts";
import { readSignal } from "./signals.ts";
import { specInput } from "./specification.ts";
import { fillVolume } from "./volumes.ts";

export async function createContainer(
  parts: Parts,
  name: string | undefined,
  request: ContainerCreateRequest,
  platform: string | undefined,
): Promise<ContainerCreateResponse> {
  const { HostConfig: askedHost, NetworkingConfig: networking, ...config } = request;
  if (!config.Image) throw invalid("no image was named: the field Image must not be empty");
  const host = askedHost ?? {};
  const wanted = name ? checkName(name) : undefined;
  checkRequest(config as ContainerConfig, host);
  if (config.StopSignal) readSignal(config.StopSignal);
  const image = parts.images.find(config.Image);
  checkPlatform(image, config.Image, platform);
  const log = host.LogConfig?.Type ?? "";
  const usual = !config.Tty && !config.OpenStdin && log !== "none";
  const id = (usual ? parts.runtime.reserve() : undefined) ?? newId();
  const chosen = wanted ?? inventName(parts.store.nameTaken);
  parts.store.reserve(chosen, id);
  const warnings: string[] = [];
  try {
    const record = makeRecord(parts, { id, name: chosen, image, config: config as ContainerConfig, host, warnings });
    record.endpoints = parts.endpoints.check(record, networking?.EndpointsConfig ?? {});
    checkSpecification(parts, record);
    if (image.config.Healthcheck?.Test?.length && image.config.Healthcheck.Test[0] !== "NONE") {
      warnings.push("The image's HEALTHCHECK is not run: health checks are not there yet");
    }
    warnings.push(...resolveResources(record.hostConfig, resourceSupport()).warnings);
    const commits = bindVolumes(parts, record);
    await parts.snapshots.prepare(id, record.chain);
    try {
      const container = parts.store.insert(record, freshState(), () => {
        for (const commit of commits) commit();
      });
      for (const mount of record.mounts)
        if (mount.type === "volume" && mount.copy) await fillVolume(parts, container, mount);
      parts.events.emit("container", "create", id, eventAttributes(record));
    } catch (error) {
      await parts.snapshots.remove(id);
      const half = parts.store.byId(id);
      if (half) parts.store.delete(half);
      throw error;
    }
  } catch (error) {
    if (!parts.store.byId(id)) parts.store.release(chosen);
    throw error;
  }
  return { Id: id, Warnings: warnings };
}

/** Makes the specification once with stand-ins, so that a bad value is refused here and not at the start. */
function checkSpecification(parts: Parts, record: ContainerRecord): void {
  try {
    makeFiles(parts, record);
    const around = { rootfs: "/", user: { uid: 0, gid: 0 }, env: record.config.Env ?? [], files: undefined };
    buildSpec(
      specInput(parts, record, {
        ...around,
        network: record.hostConfig.NetworkMode === "host" ? "host" : { path: "/" },
      }),
    );
  } catch (error) {
    if (error instanceof SpecError || error instanceof NetworkError) throw invalid(error.message);
    // A container to be joined need not run before this one starts.
    if (!(error instanceof EngineError && error.kind === "conflict")) throw error;
  }
}

function checkPlatform(image: ImageRecord, name: string, text: string | undefined): void {
  const platform = readPlatform(text);
  if (!platform) return;
  const has = image.platform;
  if (platform.os !== has.os || platform.architecture !== has.architecture) {
    // Clients pull the other platform on this text.
    throw notFound(
      `image with reference ${name} was found but its platform (${has.os}/${has.architecture}) does not match the specified platform (${platform.os}/${platform.architecture})`,
    );
  }
}

interface Ingredients {
  id: string;
  name: string;
  image: ImageRecord;
  config: ContainerConfig;
  host: HostConfig;
  warnings: string[];
}

function makeRecord(parts: Parts, { id, name, image, config: asked, host, warnings }: Ingredients): ContainerRecord {
  const config = mergeConfig(asked, image.config as ContainerConfig);
  const [path, ...args] = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (path === undefined || path === "") throw invalid("no command specified");
  const hostConfig = hostDefaults(parts, host);
  const mode = hostConfig.NetworkMode!;
  if (mode.startsWith("container:") || mode === "host") {
    if (mode === "host" && Object.keys(host.PortBindings ?? {}).length > 0) {
      warnings.push("Published ports are discarded when using host network mode");
    }
  }
  if (mode.startsWith("container:")) checkJoinedNetwork(asked, host);
  if (asked.Hostname && host.UTSMode === "host") throw invalid("conflicting options: hostname and the UTS mode");
  if (image.platform.architecture !== parts.platform.architecture) {
    warnings.push(
      `The requested image's platform (${image.platform.os}/${image.platform.architecture}) does not match the detected host platform (${parts.platform.os}/${parts.platform.architecture}) and no specific platform was requested`,
    );
  }
  return {
    id,
    name,
    created: now(),
    image: image.id,
    imageName: asked.Image!,
    platform: image.platform,
    chain: image.layers.map((layer) => layer.diffId),
    config: { ...config, ...names(parts, mode, id, config) },
    hostConfig,
    endpoints: {},
    mounts: readMounts(config, hostConfig),
    path,
    args,
  };
}

/** Who joins another container's network has its name, too. */
function names(parts: Parts, mode: string, id: string, { Hostname, Domainname }: ContainerConfig) {
  if (!mode.startsWith("container:")) {
    return { Hostname: Hostname || (mode === "host" ? parts.hostname() : shortId(id)), Domainname: Domainname ?? "" };
  }
  const { config } = parts.store.find(mode.slice("container:".length)).record;
  return { Hostname: config.Hostname!, Domainname: config.Domainname ?? "" };
}

/** What belongs to the network of another container cannot be asked for by one that joins it. Throws 400. */
function checkJoinedNetwork(asked: ContainerConfig, host: HostConfig): void {
  const conflicts: [given: unknown, what: string][] = [
    [asked.Hostname, "hostname and the network mode"],
    [host.Dns?.length, "dns and the network mode"],
    [host.ExtraHosts?.length, "custom host-to-IP mapping and the network mode"],
    [(asked as { MacAddress?: string }).MacAddress, "mac-address and the network mode"],
    [
      Object.keys(host.PortBindings ?? {}).length > 0 || host.PublishAllPorts,
      "port publishing and the container type network mode",
    ],
    [Object.keys(asked.ExposedPorts ?? {}).length > 0, "port exposing and the container type network mode"],
  ];
  for (const [given, what] of conflicts) if (given) throw invalid(`conflicting options: ${what}`);
}

/** The image's configuration under the request's (Docker's rules). */
function mergeConfig(asked: ContainerConfig, image: ContainerConfig): ContainerConfig {
  const env = new Map<string, string>();
  for (const variable of [...(image.Env ?? []), ...(asked.Env ?? [])]) env.set(variable.split("=", 1)[0]!, variable);
  // A request with an entrypoint of its own does not get the image's command.
  const ownEntrypoint = (asked.Entrypoint ?? []).length > 0;
  const cleared = asked.Entrypoint?.length === 1 && asked.Entrypoint[0] === "";
  const entrypoint = cleared ? [] : ownEntrypoint ? asked.Entrypoint : image.Entrypoint;
  const command = (asked.Cmd ?? []).length > 0 || ownEntrypoint ? asked.Cmd : image.Cmd;
  return {
    ...asked,
    Entrypoint: (entrypoint ?? null) as string[],
    Cmd: (command ?? null) as string[],
    Env: [...env.values()],
    User: asked.User || image.User || "",
    WorkingDir: asked.WorkingDir || image.WorkingDir || "",
    StopSignal: asked.StopSignal || image.StopSignal || "",
    Labels: { ...image.Labels, ...asked.Labels },
    ExposedPorts: { ...image.ExposedPorts, ...asked.ExposedPorts },
    Volumes: { ...image.Volumes, ...asked.Volumes },
  } as ContainerConfig;
}

/** What the daemon fills in, so that inspect shows what holds. */
function hostDefaults(parts: Parts, host: HostConfig): HostConfig {
  const mode = host.NetworkMode || "bridge";
  const privileged = host.Privileged ?? false;
  // By ID: the other may be renamed.
  const named = (other: string) =>
    other.startsWith("container:")
      ? `container:${parts.store.find(other.slice("container:".length)).record.id}`
      : other;
  return {
    ...host,
    NetworkMode: mode === "default" ? "bridge" : named(mode),
    ...(host.PidMode ? { PidMode: named(host.PidMode) } : {}),
    RestartPolicy: {
      Name: host.RestartPolicy?.Name || "no",
      MaximumRetryCount: host.RestartPolicy?.MaximumRetryCount ?? 0,
    },
    LogConfig: { Type: host.LogConfig?.Type || "json-file", Config: host.LogConfig?.Config ?? {} },
    ShmSize: host.ShmSize || 64 << 20,
    Runtime: host.Runtime || "crun",
    IpcMode: named(host.IpcMode || "private"),
    CgroupnsMode: host.CgroupnsMode || (parts.cgroupVersion === 2 && !privileged ? "private" : "host"),
  } as HostConfig;
}

/** Finds or makes the volumes and checks the binds' sources. Returns what writes the rows. */
function bindVolumes(parts: Parts, record: ContainerRecord): (() => void)[] {
  const commits: (() => void)[] = [];
  const made = new Map<string, () => void>();
  for (const mount of record.mounts) {
    if (mount.type === "bind") checkBind(record, mount);
    if (mount.type !== "volume" || made.has(mount.source)) continue;
    const { record: volume, commit } = parts.volumes.ensure(mount.source || undefined, mount.labels);
    mount.source = volume.name;
    made.set(volume.name, commit);
    commits.push(commit);
  }
  return commits;
}

/** `--mount` refuses a source that is not there; `-v` makes a folder of it when the container starts. */
function checkBind(record: ContainerRecord, mount: MountRecord): void {
  const long = record.hostConfig.Mounts?.find((one) => one.Source === mount.source && String(one.Type) === "bind");
  if (!long || long.BindOptions?.CreateMountpoint) return;
  try {
    lstatSync(mount.source);
  } catch {
    throw invalid(`invalid mount config for type "bind": bind source path does not exist: ${mount.source}`);
  }
}

function freshState(): ContainerState {
  return {
    status: "created",
    pid: 0,
    exitCode: 0,
    error: "",
    oomKilled: false,
    startedAt: zeroTime,
    finishedAt: zeroTime,
    restartCount: 0,
    stopped: false,
  };
}
