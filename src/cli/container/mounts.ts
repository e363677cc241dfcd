/** --mount: `type=bind,source=/a,target=/b,readonly`. Errors are Docker's texts. */
import { resolve } from "node:path";
import type { Mount } from "@docker/node-sdk";
import { cut, parseBool } from "../flags/flag.ts";
import { parseBinarySize } from "../format/units.ts";
import { csvFields } from "./csv.ts";

/** What the client says beyond the published type. */
export type MountRequest = Mount & {
  ImageOptions?: { Subpath?: string };
};

export function parseMount(text: string): MountRequest {
  const mount: MountRequest = { Type: "volume" };
  const bind = () => {
    mount.BindOptions ??= {};
    return mount.BindOptions;
  };
  const volume = () => {
    mount.VolumeOptions ??= {};
    return mount.VolumeOptions;
  };
  const tmpfs = () => {
    mount.TmpfsOptions ??= {};
    return mount.TmpfsOptions;
  };
  for (const field of csvFields(text)) {
    const { key: name, value, found } = cut(field);
    const key = name.toLowerCase();
    const bad = () => new Error(`invalid value for ${key}: ${value}`);
    const flag = (): boolean => {
      if (!found) return true;
      try {
        return parseBool(value);
      } catch {
        throw bad();
      }
    };
    if (!found && !["readonly", "ro", "volume-nocopy", "bind-nonrecursive"].includes(key)) {
      throw new Error(`invalid field '${field}' must be a key=value pair`);
    }
    switch (key) {
      case "type":
        mount.Type = value.toLowerCase() as NonNullable<Mount["Type"]>;
        break;
      case "source":
      case "src":
        mount.Source = value === "." || value.startsWith("./") || value.startsWith("../") ? resolve(value) : value;
        break;
      case "target":
      case "dst":
      case "destination":
        mount.Target = value;
        break;
      case "readonly":
      case "ro":
        mount.ReadOnly = flag();
        break;
      case "consistency":
        mount.Consistency = value.toLowerCase();
        break;
      case "bind-propagation":
        bind().Propagation = value.toLowerCase() as never;
        break;
      case "bind-nonrecursive":
        bind().NonRecursive = flag();
        break;
      case "bind-recursive":
        setRecursive(bind(), value);
        break;
      case "bind-create-src":
        bind().CreateMountpoint = flag();
        break;
      case "volume-subpath":
        volume().Subpath = value;
        break;
      case "volume-nocopy":
        volume().NoCopy = flag();
        break;
      case "volume-label":
        volume().Labels = { ...volume().Labels, ...pair(value) };
        break;
      case "volume-driver":
        volume().DriverConfig = { ...volume().DriverConfig, Name: value };
        break;
      case "volume-opt":
        volume().DriverConfig = {
          ...volume().DriverConfig,
          Options: { ...volume().DriverConfig?.Options, ...pair(value) },
        };
        break;
      case "image-subpath":
        mount.ImageOptions = { Subpath: value };
        break;
      case "tmpfs-size":
        try {
          tmpfs().SizeBytes = parseBinarySize(value);
        } catch {
          throw bad();
        }
        break;
      case "tmpfs-mode":
        if (!/^[0-7]{1,11}$/.test(value)) throw bad();
        tmpfs().Mode = Number.parseInt(value, 8);
        break;
      default:
        throw new Error(`unexpected key '${name}' in '${field}'`);
    }
  }
  checkMount(mount);
  return mount;
}

type BindOptions = NonNullable<Mount["BindOptions"]>;

function setRecursive(options: BindOptions, value: string): void {
  if (value === "disabled") options.NonRecursive = true;
  else if (value === "writable") options.ReadOnlyNonRecursive = true;
  else if (value === "readonly") options.ReadOnlyForceRecursive = true;
  else if (value !== "enabled") {
    throw new Error(
      `invalid value for bind-recursive: ${value} (must be "enabled", "disabled", "writable", or "readonly")`,
    );
  }
}

function checkMount({ Type, Target, ReadOnly, BindOptions, VolumeOptions, ImageOptions, TmpfsOptions }: MountRequest) {
  if (!Type) throw new Error("type is required");
  if (!Target) throw new Error("target is required");
  const mixed = (prefix: string) => new Error(`cannot mix '${prefix}-*' options with mount type '${Type}'`);
  if (VolumeOptions !== undefined && Type !== "volume") throw mixed("volume");
  if (ImageOptions !== undefined && Type !== "image") throw mixed("image");
  if (BindOptions !== undefined && Type !== "bind") throw mixed("bind");
  if (TmpfsOptions !== undefined && Type !== "tmpfs") throw mixed("tmpfs");
  const needs = (mode: string, what: string) =>
    new Error(`option 'bind-recursive=${mode}' requires '${what}' to be specified in conjunction`);
  if (BindOptions?.ReadOnlyNonRecursive && !ReadOnly) throw needs("writable", "readonly");
  if (BindOptions?.ReadOnlyForceRecursive) {
    if (!ReadOnly) throw needs("readonly", "readonly");
    if (BindOptions.Propagation !== "rprivate") throw needs("readonly", "bind-propagation=rprivate");
  }
}

function pair(text: string): Record<string, string> {
  const { key, value } = cut(text);
  return { [key]: value };
}
