/** --device, --device-cgroup-rule, --gpus and the block device limits. Errors are Docker's texts. */
import { posix } from "node:path";
import type { DeviceMapping, DeviceRequest } from "@docker/node-sdk";
import { cut } from "../flags/flag.ts";
import { parseBinarySize } from "../format/units.ts";
import { csvFields } from "./csv.ts";

const isMode = (text: string): boolean => /^[rwm]+$/.test(text) && new Set(text).size === text.length;

export interface Devices {
  mappings: DeviceMapping[];
  /** Names of the Container Device Interface, `vendor.com/class=name`. */
  cdi: string[];
}

const cdiName = /^[a-zA-Z][\w.-]*\/[a-zA-Z][\w-]*=[a-zA-Z0-9][\w.:-]*$/;

export function parseDevices(specs: readonly string[]): Devices {
  const mappings: DeviceMapping[] = [];
  const cdi: string[] = [];
  for (const spec of specs) {
    if (cdiName.test(spec)) cdi.push(spec);
    else mappings.push(parseDevice(spec));
  }
  return { mappings, cdi };
}

function parseDevice(spec: string): DeviceMapping {
  const parts = spec.split(":");
  const [source = "", second, third] = parts;
  if (parts.length > 3 || source === "") throw new Error(`bad format for path: ${spec}`);
  let target = source;
  let permissions = "rwm";
  if (third !== undefined) {
    if (!isMode(third)) throw new Error(`bad mode specified: ${third}`);
    target = second!;
    permissions = third;
  } else if (second !== undefined) {
    if (isMode(second)) permissions = second;
    else target = second;
  }
  if (!target.startsWith("/")) throw new Error(`${target} is not an absolute path`);
  return { PathOnHost: source, PathInContainer: posix.normalize(target), CgroupPermissions: permissions };
}

export function checkCgroupRule(text: string): string {
  if (/^[acb] (?:\d+|\*):(?:\d+|\*) [rwm]{1,3}$/.test(text)) return text;
  throw new Error(`invalid device cgroup format '${text}'`);
}

export function parseGpus(text: string, before: DeviceRequest[]): DeviceRequest[] {
  const request: DeviceRequest & { Options: Record<string, string> } = { Capabilities: [["gpu"]], Options: {} };
  const seen = new Set<string>();
  for (const field of csvFields(text)) {
    const { key, value, found } = cut(field);
    const name = found ? key : "count";
    if (seen.has(name)) throw new Error(`gpu request key '${name}' can be specified only once`);
    seen.add(name);
    if (!found) request.Count = gpuCount(key);
    else if (name === "driver") request.Driver = value;
    else if (name === "count") request.Count = gpuCount(value);
    else if (name === "device") request.DeviceIDs = value.split(",");
    else if (name === "capabilities") request.Capabilities = [[...value.split(","), "gpu"]];
    else if (name === "options") {
      for (const option of csvFields(value)) request.Options[cut(option).key] = cut(option).value;
    } else throw new Error(`unexpected key '${key}' in '${field}'`);
  }
  if (!seen.has("count") && request.DeviceIDs === undefined) request.Count = 1;
  return [...before, request];
}

function gpuCount(text: string): number {
  if (text === "all") return -1;
  if (/^[+-]?\d+$/.test(text)) return Number(text);
  throw new Error(`invalid count (${text}): value must be either "all" or an integer: invalid syntax`);
}

const split = (text: string): { path: string; value: string } => {
  const parts = text.split(":");
  if (parts.length !== 2) throw new Error(`bad format: ${text}`);
  if (!parts[0]!.startsWith("/dev/")) throw new Error(`bad format for device path: ${text}`);
  return { path: parts[0]!, value: parts[1]! };
};

export function parseWeightDevice(text: string): { Path: string; Weight: number } {
  const { path, value } = split(text);
  const weight = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (!(weight === 0 || (weight >= 10 && weight <= 1000))) throw new Error(`invalid weight for device: ${text}`);
  return { Path: path, Weight: weight };
}

export function parseRateDevice(text: string): { Path: string; Rate: number } {
  const { path, value } = split(text);
  let rate = 0;
  try {
    rate = parseBinarySize(value);
  } catch {
    rate = -1;
  }
  if (rate < 0) {
    throw new Error(
      `invalid rate for device: ${text}. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb`,
    );
  }
  return { Path: path, Rate: rate };
}

export function parseIopsDevice(text: string): { Path: string; Rate: number } {
  const { path, value } = split(text);
  if (!/^\d+$/.test(value)) {
    throw new Error(
      `invalid rate for device: ${text}. The correct format is <device-path>:<number>. Number must be a positive integer`,
    );
  }
  return { Path: path, Rate: Number(value) };
}
