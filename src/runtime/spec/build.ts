/** From what the engine knows of a container to its complete OCI runtime specification, with Docker's defaults. */
import { resolveCapabilities, serverCapabilities } from "./capabilities.ts";
import {
  defaultDeviceRules,
  defaultMaskedPaths,
  defaultMounts,
  defaultReadonlyPaths,
  defaultShmSize,
  defaultSysctls,
  privilegedDeviceRules,
} from "./defaults.ts";
import { type DeviceGrant, hostDevices, parseDeviceRule } from "./devices.ts";
import { SpecError } from "./errors.ts";
import { orderMounts, rootPropagation, tmpfsMount } from "./mounts.ts";
import { resolveRlimits, type Ulimit } from "./rlimits.ts";
import { resolveSeccomp } from "./seccomp/resolve.ts";
import { checkSysctls } from "./sysctls.ts";
import type { Linux, Process, Resources, Spec, SpecMount } from "./types.ts";

/**
 * A new namespace, the host's, or one that exists, by its path (`/proc/PID/ns/net`, `/run/…/netns/NAME`). `own`: it was
 * made for this container alone, who may set its parameters.
 */
export type NamespaceChoice = "private" | "host" | { path: string; own?: boolean };

export interface SpecInput {
  /** The mounted root, absolute. */
  rootfs: string;
  readonlyRootfs?: boolean;
  /** Command with arguments; the first is looked up in the container's PATH. */
  args: string[];
  /** `NAME=value`, complete: PATH, HOSTNAME and the like are the engine's to add. */
  env: string[];
  cwd: string;
  user: { uid: number; gid: number; additionalGids?: number[] };
  terminal: boolean;
  /** Only where the uts namespace is the container's own. */
  hostname?: string;
  domainname?: string;
  namespaces: {
    network: NamespaceChoice;
    pid?: NamespaceChoice;
    ipc?: NamespaceChoice;
    uts?: NamespaceChoice;
    /** Default host; Docker's choice, the engine's to make, is private on v2. */
    cgroup?: NamespaceChoice;
  };
  /** Binds and volumes (see bindMount), in any order. */
  mounts?: SpecMount[];
  /** Path to mount options, as HostConfig.Tmpfs. */
  tmpfs?: Record<string, string>;
  /** Bytes of /dev/shm; default 64 MiB. */
  shmSize?: number;
  /** A folder that is mounted as /dev/shm instead: `--ipc host` takes the host's by itself. */
  shmSource?: string;
  /** `--ipc none`: no /dev/shm at all. */
  withoutShm?: boolean;
  privileged?: boolean;
  capAdd?: string[];
  capDrop?: string[];
  /** "unconfined", the text of a profile, or undefined for the default. Privileged containers have none. */
  seccomp?: string;
  /** Name of a loaded profile; undefined where AppArmor is off. */
  apparmor?: string;
  noNewPrivileges?: boolean;
  /** Instead of the defaults; an empty list for none (`systempaths=unconfined`). */
  maskedPaths?: string[];
  readonlyPaths?: string[];
  /** See resolveDevice. */
  devices?: DeviceGrant[];
  /** As HostConfig.DeviceCgroupRules. */
  deviceCgroupRules?: string[];
  /** See resolveResources. */
  resources?: Resources;
  sysctls?: Record<string, string>;
  ulimits?: Ulimit[];
  oomScoreAdj?: number;
  /** An init of the host (catatonit) that becomes process 1, as /sbin/docker-init. */
  init?: string;
  /** The control group; the runtime chooses when undefined. */
  cgroupsPath?: string;
  /** What the server could give away; read from /proc when undefined. */
  availableCapabilities?: string[];
}

const initPath = "/sbin/docker-init";

/** Throws SpecError for what the client asked wrongly. Reads /proc and, for privileged containers, /dev. */
export function buildSpec(input: SpecInput): Spec {
  const { privileged = false } = input;
  const capabilities = resolveCapabilities({
    add: input.capAdd ?? [],
    drop: input.capDrop ?? [],
    privileged,
    available: input.availableCapabilities ?? serverCapabilities(),
  });
  const own = (type: keyof SpecInput["namespaces"]) => (input.namespaces[type] ?? "private") === "private";
  const mounts = buildMounts(input, privileged);
  return {
    ociVersion: "1.0.2",
    process: buildProcess(input, capabilities),
    root: { path: input.rootfs, readonly: input.readonlyRootfs ?? false },
    ...(input.hostname !== undefined && input.hostname !== "" && own("uts") ? { hostname: input.hostname } : {}),
    ...(input.domainname !== undefined && input.domainname !== "" && own("uts")
      ? { domainname: input.domainname }
      : {}),
    mounts,
    linux: buildLinux(input, capabilities, mounts, privileged),
  };
}

function buildProcess(input: SpecInput, capabilities: string[]): Process {
  if (input.args.length === 0 || input.args[0] === "") throw new SpecError("no command specified");
  for (const text of [...input.args, ...input.env, input.cwd]) {
    if (text.includes("\0")) throw new SpecError(`${JSON.stringify(text.slice(0, 100))} holds a NUL byte`);
  }
  if (!input.cwd.startsWith("/")) {
    throw new SpecError(`the working directory '${input.cwd}' is invalid, it needs to be an absolute path`);
  }
  const { oomScoreAdj } = input;
  if (oomScoreAdj !== undefined && (!Number.isInteger(oomScoreAdj) || oomScoreAdj < -1000 || oomScoreAdj > 1000)) {
    throw new SpecError(`Invalid value ${oomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
  const rlimits = resolveRlimits(input.ulimits ?? []);
  return {
    terminal: input.terminal,
    user: { ...input.user },
    args: input.init === undefined ? input.args : [initPath, "--", ...input.args],
    env: input.env,
    cwd: input.cwd,
    capabilities: processCapabilities(capabilities),
    noNewPrivileges: input.noNewPrivileges ?? false,
    ...(rlimits.length === 0 ? {} : { rlimits }),
    ...(oomScoreAdj === undefined || oomScoreAdj === 0 ? {} : { oomScoreAdj }),
    ...(input.apparmor === undefined ? {} : { apparmorProfile: input.apparmor }),
  };
}

/** Nothing is inheritable or ambient: a program without file capabilities, run by another user, has none. */
export function processCapabilities(names: string[]): NonNullable<Process["capabilities"]> {
  return { bounding: names, effective: names, permitted: names, inheritable: [], ambient: [] };
}

function buildMounts(input: SpecInput, privileged: boolean): SpecMount[] {
  const { shmSize = defaultShmSize } = input;
  if (!Number.isSafeInteger(shmSize) || shmSize <= 0)
    throw new SpecError(`SHM size can not be less than 0: ${shmSize}`);
  const added: SpecMount[] = [];
  const shmSource = input.shmSource ?? (input.namespaces.ipc === "host" ? "/dev/shm" : undefined);
  if (shmSource !== undefined) {
    added.push({ destination: "/dev/shm", type: "bind", source: shmSource, options: ["rbind", "rprivate"] });
  }
  for (const [destination, options] of Object.entries(input.tmpfs ?? {})) added.push(tmpfsMount(destination, options));
  added.push(...(input.mounts ?? []));
  if (input.init !== undefined) {
    added.push({ destination: initPath, type: "bind", source: input.init, options: ["bind", "ro", "rprivate"] });
  }
  // The container's own win over those that stand for a default.
  const unique = [...new Map(added.map((mount) => [mount.destination, mount])).values()];
  const defaults = defaultMounts({ writable: privileged && !input.readonlyRootfs, shmSize });
  return orderMounts(
    input.withoutShm ? defaults.filter((mount) => mount.destination !== "/dev/shm") : defaults,
    unique,
  );
}

function buildLinux(input: SpecInput, capabilities: string[], mounts: SpecMount[], privileged: boolean): Linux {
  const grants = input.devices ?? [];
  const rules = [
    ...(privileged ? privilegedDeviceRules : defaultDeviceRules),
    ...grants.map((each) => each.rule),
    ...(input.deviceCgroupRules ?? []).map(parseDeviceRule),
  ];
  const sysctl = buildSysctls(input);
  const seccomp = privileged ? undefined : resolveSeccomp(input.seccomp, capabilities);
  const devices = new Map(
    [...(privileged ? hostDevices() : []), ...grants.map((each) => each.device)].map((device) => [device.path, device]),
  );
  return {
    namespaces: buildNamespaces(input),
    ...(devices.size === 0 ? {} : { devices: [...devices.values()] }),
    ...(input.cgroupsPath === undefined ? {} : { cgroupsPath: input.cgroupsPath }),
    resources: { ...input.resources, devices: rules },
    ...(Object.keys(sysctl).length === 0 ? {} : { sysctl }),
    ...(seccomp === undefined ? {} : { seccomp }),
    rootfsPropagation: rootPropagation(mounts),
    maskedPaths: input.maskedPaths ?? (privileged ? [] : defaultMaskedPaths),
    readonlyPaths: input.readonlyPaths ?? (privileged ? [] : defaultReadonlyPaths),
  };
}

function buildNamespaces(input: SpecInput): Linux["namespaces"] {
  const namespaces: Linux["namespaces"] = [{ type: "mount" }];
  const { network, pid = "private", ipc = "private", uts = "private", cgroup = "host" } = input.namespaces;
  for (const [type, choice] of Object.entries({ network, pid, ipc, uts, cgroup } as const)) {
    const name = type as "network" | "pid" | "ipc" | "uts" | "cgroup";
    if (choice === "private") namespaces.push({ type: name });
    else if (choice !== "host") namespaces.push({ type: name, path: choice.path });
  }
  return namespaces;
}

function buildSysctls(input: SpecInput): Record<string, string> {
  const { network, ipc = "private", uts = "private" } = input.namespaces;
  const asked = checkSysctls(input.sysctls ?? {}, {
    network: network !== "host",
    ipc: ipc !== "host",
    uts: uts !== "host",
  });
  const ownNetwork = network === "private" || (network !== "host" && network.own === true);
  return ownNetwork ? { ...defaultSysctls, ...asked } : asked;
}

/** Annotations that a client gives are kept for `inspect` alone; those that mean something to the runtime are refused. */
export function checkAnnotations(annotations: Record<string, string>): void {
  for (const name of Object.keys(annotations)) {
    if (name.toLowerCase().startsWith("run.oci.")) {
      throw new SpecError(`annotation ${JSON.stringify(name)} is the runtime's own and cannot be set`);
    }
  }
}
