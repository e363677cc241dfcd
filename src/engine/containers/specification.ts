/** From a container's record to the input of the OCI specification. */
import { statSync } from "node:fs";
import type { NamespaceChoice, SpecInput } from "../../runtime/spec/build.ts";
import { resolveDevice } from "../../runtime/spec/devices.ts";
import { bindMount } from "../../runtime/spec/mounts.ts";
import { resolveResources } from "../../runtime/spec/resources.ts";
import { resourceSupport } from "../../runtime/spec/support.ts";
import type { SpecMount } from "../../runtime/spec/types.ts";
import { conflict, invalid } from "../errors.ts";
import { type ContainerRecord, isRunning, type MountRecord } from "./container.ts";
import type { Parts } from "./containers.ts";
import type { EngineFiles } from "./files.ts";
import { readSecurity } from "./security.ts";
import { shmSource } from "./shm.ts";

/** What only the start knows. */
export interface Surroundings {
  rootfs: string;
  user: SpecInput["user"];
  env: string[];
  network: NamespaceChoice;
  files: EngineFiles | undefined;
}

/** Throws SpecError or EngineError for what the client asked wrongly; called at creation too, so that it is told then. */
export function specInput(parts: Parts, record: ContainerRecord, around: Surroundings): SpecInput {
  const { config, hostConfig: host } = record;
  const privileged = host.Privileged ?? false;
  const security = readSecurity(host.SecurityOpt ?? [], parts.apparmor, privileged);
  const uts = host.UTSMode === "host" ? "host" : "private";
  if (host.UTSMode && host.UTSMode !== "host") throw invalid(`invalid UTS mode: ${host.UTSMode}`);
  return {
    rootfs: around.rootfs,
    readonlyRootfs: host.ReadonlyRootfs ?? false,
    args: [record.path, ...record.args],
    env: around.env,
    cwd: config.WorkingDir || "/",
    user: around.user,
    terminal: config.Tty ?? false,
    // A namespace shared with the host keeps the host's name.
    ...(host.NetworkMode === "host" && uts === "host" ? {} : { hostname: config.Hostname! }),
    ...(config.Domainname ? { domainname: config.Domainname } : {}),
    namespaces: {
      network: around.network,
      pid: joined(parts, host.PidMode ?? "", "pid"),
      ipc: joined(parts, host.IpcMode ?? "", "ipc"),
      uts,
      cgroup: host.CgroupnsMode === "private" ? "private" : "host",
    },
    mounts: [
      ...(around.files ? engineMounts(record, around.files) : []),
      ...record.mounts.map((one) => mountOf(parts, one)),
    ],
    shmSize: host.ShmSize!,
    ...sharedMemory(parts, record),
    privileged,
    capAdd: host.CapAdd ?? [],
    capDrop: host.CapDrop ?? [],
    ...(security.seccomp === undefined ? {} : { seccomp: security.seccomp }),
    noNewPrivileges: security.noNewPrivileges,
    ...(security.apparmor === undefined ? {} : { apparmor: security.apparmor }),
    ...(host.MaskedPaths || security.allPaths ? { maskedPaths: security.allPaths ? [] : host.MaskedPaths! } : {}),
    ...(host.ReadonlyPaths || security.allPaths ? { readonlyPaths: security.allPaths ? [] : host.ReadonlyPaths! } : {}),
    devices: (host.Devices ?? []).flatMap((device) =>
      resolveDevice(
        device.PathOnHost ?? "",
        device.PathInContainer || device.PathOnHost || "",
        device.CgroupPermissions || "rwm",
      ),
    ),
    deviceCgroupRules: host.DeviceCgroupRules ?? [],
    resources: resolveResources(host, resourceSupport()).resources,
    sysctls: host.Sysctls ?? {},
    ulimits: (host.Ulimits ?? []).map(({ Name = "", Soft = 0, Hard = 0 }) => ({ name: Name, soft: Soft, hard: Hard })),
    ...(host.OomScoreAdj ? { oomScoreAdj: host.OomScoreAdj } : {}),
    ...(host.Init ? { init: "/usr/bin/catatonit" } : {}),
  };
}

/** `host`, `private`, `container:NAME`. Throws 400, 404 or 409. */
function joined(parts: Parts, mode: string, type: "pid" | "ipc"): NamespaceChoice {
  if (mode === "host") return "host";
  if (mode.startsWith("container:")) {
    const other = parts.store.find(mode.slice("container:".length));
    if (!isRunning(other))
      throw conflict(`cannot join ${type} namespace of a non running container: ${other.record.id}`);
    return { path: `/proc/${other.state.pid}/ns/${type}` };
  }
  if (mode === "" || (type === "ipc" && ["private", "shareable", "none"].includes(mode))) return "private";
  throw invalid(`invalid ${type === "pid" ? "PID" : "IPC"} mode: ${mode}`);
}

function sharedMemory(parts: Parts, record: ContainerRecord): { shmSource?: string; withoutShm?: boolean } {
  const source = shmSource(parts, record);
  return record.hostConfig.IpcMode === "none"
    ? { withoutShm: true }
    : source === undefined
      ? {}
      : { shmSource: source };
}

/** A mount of the user's at one of these places wins. */
function engineMounts(record: ContainerRecord, files: EngineFiles): SpecMount[] {
  const mounts = [
    { destination: "/etc/hosts", source: files.hosts },
    { destination: "/etc/hostname", source: files.hostname },
    { destination: "/etc/resolv.conf", source: files.resolv },
  ];
  return mounts
    .filter((mount) => !record.mounts.some((one) => one.destination === mount.destination))
    .map((mount) =>
      bindMount({ ...mount, readonly: record.hostConfig.ReadonlyRootfs ?? false, shallowReadonly: true }),
    );
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

function mountOf(parts: Parts, mount: MountRecord): SpecMount {
  if (mount.type === "tmpfs") {
    const { size, mode, options = [] } = mount.tmpfs ?? {};
    const words = [
      ...["nosuid", "nodev", "noexec"].filter((word) => !options.includes(word.slice(2)) && !options.includes(word)),
      ...options,
      ...(mount.readonly && !options.includes("ro") ? ["ro"] : []),
      ...(size === undefined ? [] : [`size=${size}`]),
      ...(mode === undefined ? [] : [`mode=${mode.toString(8)}`]),
    ];
    return { destination: mount.destination, type: "tmpfs", source: "tmpfs", options: words };
  }
  const source = mount.type === "volume" ? parts.volumes.data(mount.source) : mount.source;
  return bindMount({
    source,
    destination: mount.destination,
    readonly: mount.readonly,
    propagation: mount.propagation || "rprivate",
    nonRecursive: !mount.recursive,
    // crun takes the recursive kind for folders alone.
    shallowReadonly: mount.shallowReadonly || (mount.readonly && !isFolder(source)),
  });
}
