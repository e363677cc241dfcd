/** The mounts of a container, from `-v`, `--mount`, `--tmpfs` and the image's VOLUME. */
import { posix } from "node:path";
import type { ContainerConfig, HostConfig, Mount } from "@docker/node-sdk";
import { invalid, notImplemented } from "../errors.ts";
import { checkVolumeName } from "../volumes/volumes.ts";
import type { MountRecord } from "./container.ts";

/** A volume without a name yet has the source "". */
export function readMounts(config: ContainerConfig, hostConfig: HostConfig): MountRecord[] {
  const given = [
    ...(hostConfig.Binds ?? []).map(readBind),
    ...(hostConfig.Mounts ?? []).map(readMount),
    ...Object.entries(hostConfig.Tmpfs ?? {}).map(([path, options]) => readTmpfs(path, options)),
  ];
  const seen = new Set<string>();
  for (const mount of given) {
    if (seen.has(mount.destination)) throw invalid(`Duplicate mount point: ${mount.destination}`);
    seen.add(mount.destination);
  }
  const anonymous = Object.keys(config.Volumes ?? {})
    .map((path) => cleanDestination(path, path))
    .filter((path) => !seen.has(path))
    .map((destination) => volume("", destination, { anonymous: true }));
  return [...given, ...anonymous];
}

function volume(source: string, destination: string, more: Partial<MountRecord> = {}): MountRecord {
  return {
    type: "volume",
    source,
    destination,
    readonly: false,
    mode: "",
    propagation: "",
    copy: true,
    recursive: true,
    anonymous: false,
    ...more,
  };
}

const propagations = ["private", "rprivate", "shared", "rshared", "slave", "rslave"];

/** `/host:/path:ro`, `name:/path`, `/path` (Docker's `-v`). */
function readBind(spec: string): MountRecord {
  const parts = spec.split(":");
  if (parts.length > 3 || parts.some((part) => part === "")) throw invalid(`invalid volume specification: '${spec}'`);
  if (parts.length === 1) return volume("", cleanDestination(parts[0]!, spec), { anonymous: true });
  const [source = "", target = "", options = ""] = parts;
  const destination = cleanDestination(target, spec);
  const words = options === "" ? [] : options.split(",");
  let readonly = false;
  let copy = true;
  let propagation = "";
  for (const word of words) {
    if (word === "ro") readonly = true;
    else if (word === "nocopy") copy = false;
    else if (propagations.includes(word)) propagation = word;
    // SELinux labels mean nothing where SELinux is not; Docker says the same by doing nothing.
    else if (!["rw", "z", "Z", "consistent", "cached", "delegated"].includes(word)) {
      throw invalid(`invalid mode: ${options}`);
    }
  }
  if (source.startsWith("/")) {
    if (words.includes("nocopy")) throw invalid(`invalid mode: ${options}`);
    return {
      ...volume(posix.normalize(source), destination),
      type: "bind",
      readonly,
      mode: options,
      propagation: propagation || "rprivate",
      copy: false,
    };
  }
  if (propagation !== "") throw invalid(`invalid mode: ${options}`);
  checkVolumeName(source);
  return volume(source, destination, { readonly, mode: options || "z", copy });
}

/** The long form, `--mount` and the API's Mounts. */
function readMount(mount: Mount): MountRecord {
  const type = String(mount.Type ?? "");
  const refuse = (reason: string) => invalid(`invalid mount config for type "${type}": ${reason}`);
  if (!["bind", "volume", "tmpfs"].includes(type)) {
    if (["image", "npipe", "cluster"].includes(type))
      throw notImplemented(`mounts of type "${type}" are not there yet`);
    throw invalid(`mount type unknown: ${JSON.stringify(type)}`);
  }
  if (!mount.Target) throw refuse("field Target must not be empty");
  const destination = cleanDestination(mount.Target, mount.Target);
  const readonly = mount.ReadOnly ?? false;
  if (type === "tmpfs") {
    if (mount.Source) throw refuse("field Source must not be specified");
    const options = mount.TmpfsOptions as { SizeBytes?: number; Mode?: number; Options?: string[][] } | undefined;
    return {
      ...volume("", destination, { readonly, copy: false }),
      type: "tmpfs",
      tmpfs: {
        ...(options?.SizeBytes ? { size: options.SizeBytes } : {}),
        ...(options?.Mode ? { mode: options.Mode } : {}),
        ...(options?.Options ? { options: options.Options.map((pair) => pair.join("=")) } : {}),
      },
    };
  }
  if (type === "bind") {
    const source = mount.Source ?? "";
    if (source === "") throw refuse("field Source must not be empty");
    if (!source.startsWith("/")) throw refuse(`invalid mount path: '${source}' mount path must be absolute`);
    if (mount.VolumeOptions) throw refuse("field VolumeOptions must not be specified");
    const propagation = String(mount.BindOptions?.Propagation ?? "") || "rprivate";
    if (!propagations.includes(propagation)) throw refuse(`invalid propagation mode: ${propagation}`);
    return {
      ...volume(posix.normalize(source), destination, { readonly, copy: false }),
      type: "bind",
      propagation,
      recursive: !mount.BindOptions?.NonRecursive,
      ...(mount.BindOptions?.ReadOnlyNonRecursive ? { shallowReadonly: true } : {}),
      mode: "",
    };
  }
  const options = mount.VolumeOptions;
  if (options?.DriverConfig?.Name && options.DriverConfig.Name !== "local") {
    throw notImplemented(`the volume driver "${options.DriverConfig.Name}" is not there`);
  }
  if (Object.keys(options?.DriverConfig?.Options ?? {}).length > 0) {
    throw notImplemented("options of the local volume driver (volume-opt) are not there yet");
  }
  if (options?.Subpath) throw notImplemented("volume-subpath is not there yet");
  const source = mount.Source ?? "";
  if (source !== "") checkVolumeName(source);
  return volume(source, destination, {
    readonly,
    mode: "z",
    copy: !options?.NoCopy,
    ...(options?.Labels && Object.keys(options.Labels).length > 0 ? { labels: options.Labels } : {}),
    anonymous: source === "",
  });
}

/** `--tmpfs /run:rw,size=64m`: options as mount(8) takes them, Docker's list of allowed ones. */
function readTmpfs(path: string, options: string): MountRecord {
  const words = options === "" ? [] : options.split(",");
  const flags = ["exec", "noexec", "suid", "nosuid", "dev", "nodev", "rw", "ro", "sync", "async", "atime", "noatime"];
  for (const word of words) {
    const keyed = /^(size|mode|uid|gid|nr_inodes|nr_blocks)=[0-9a-zA-Z%]+$/.test(word);
    if (!keyed && !flags.includes(word)) throw invalid(`invalid tmpfs option ${JSON.stringify(word)}`);
  }
  return {
    ...volume("", cleanDestination(path, path), { copy: false, readonly: words.includes("ro") }),
    type: "tmpfs",
    mode: options,
    unlisted: true,
    tmpfs: { options: words },
  };
}

function cleanDestination(path: string, spec: string): string {
  if (!path.startsWith("/")) {
    throw invalid(`invalid volume specification: '${spec}': invalid mount path: '${path}' mount path must be absolute`);
  }
  if (path.includes("\0")) throw invalid(`invalid mount path ${JSON.stringify(path)}`);
  const clean = posix.normalize(path).replace(/(.)\/+$/, "$1");
  if (clean === "/")
    throw invalid(`invalid volume specification: '${spec}': invalid specification: destination can't be '/'`);
  return clean;
}
