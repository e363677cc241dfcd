/** The mount itself: overlayfs by the newer mount calls (Linux 6.7), by mount(2) before. */
import { closeSync, mkdirSync, openSync } from "node:fs";
import { close, O_CLOEXEC, O_PATH, openDirectory, removeDirectoryAt } from "../../../sys/directory.ts";
import { SysError } from "../../../sys/libc.ts";
import {
  attributes,
  configurationLimit,
  configure,
  flags,
  mount,
  mountConfigured,
  unmount,
} from "../../../sys/mount.ts";
import { toBytes } from "../../../sys/names.ts";
import type { WhiteoutForm } from "../../layers/unpack/unpack.ts";

export interface Plan {
  /** Topmost first. */
  lower: string[];
  /** Without these it is read-only. */
  upper?: string;
  work?: string;
  target: string;
  readonly: boolean;
  form: WhiteoutForm;
}

/**
 * Redirects, metadata copies and indexes are off, whatever the kernel's own defaults: then the writable directory is a
 * plain difference, and nothing in a layer can point elsewhere.
 */
const fixed = [
  ["redirect_dir", "nofollow"],
  ["metacopy", "off"],
  ["index", "off"],
] as const;

/** Whether this kernel takes layers one by one; found out by the first mount. */
let takesSingleLayers: boolean | undefined;

/** For tests of the way for older kernels. */
export function useSingleLayers(value: boolean | undefined): void {
  takesSingleLayers = value;
}

/** Mounts it. Throws SysError with what the kernel says. */
export function mountOverlay(plan: Plan): void {
  if (takesSingleLayers !== false) {
    try {
      withShortNames(plan, false, (short) => mountConfigured("overlay", plan.target, settings(short), mode(plan)));
      takesSingleLayers = true;
      return;
    } catch (error) {
      if (takesSingleLayers || !isUnknownCall(error)) throw error;
    }
  }
  // Once the older way was seen to work where the newer did not, it is taken at once.
  withShortNames(plan, true, (short) => {
    mount("overlay", plan.target, "overlay", plan.readonly ? flags.RDONLY : 0, optionsText(short));
  });
  takesSingleLayers = false;
}

const mode = (plan: Plan): number => (plan.readonly || plan.upper === undefined ? attributes.RDONLY : 0);

/** Not there (before Linux 5.2), or there but `lowerdir+` is not (before 6.7). */
const isUnknownCall = (error: unknown): boolean =>
  error instanceof SysError && (error.code === "ENOSYS" || error.code === "EINVAL" || error.code === "EPERM");

function settings(plan: Plan): [string, string?][] {
  const list: [string, string?][] = [["source", "overlay"]];
  for (const [key, value] of fixed) list.push([key, value]);
  if (plan.form === "user") list.push(["userxattr"]);
  for (const directory of plan.lower) list.push(["lowerdir+", directory]);
  if (plan.upper !== undefined && plan.work !== undefined) {
    list.push(["upperdir", plan.upper], ["workdir", plan.work]);
  }
  return list;
}

/** In mount(2)'s options a comma, colon or backslash of a name needs a backslash. */
function optionsText(plan: Plan): string {
  const quoted = (name: string) => name.replace(/[\\:,]/g, "\\$&");
  const parts = fixed.map(([key, value]) => `${key}=${value}`);
  if (plan.form === "user") parts.push("userxattr");
  parts.push(`lowerdir=${plan.lower.map(quoted).join(":")}`);
  if (plan.upper !== undefined && plan.work !== undefined) {
    parts.push(`upperdir=${quoted(plan.upper)}`, `workdir=${quoted(plan.work)}`);
  }
  return parts.join(",");
}

/**
 * Gives `use` the plan with names that fit: a directory whose name is too long for one fsconfig(2), or all of them when
 * they do not fit into the one page of mount(2) together, are opened and named by their descriptors.
 */
function withShortNames(plan: Plan, isOnePage: boolean, use: (plan: Plan) => void): void {
  const open: number[] = [];
  const byDescriptor = (name: string): string => {
    const fd = openSync(name, O_PATH | O_CLOEXEC);
    open.push(fd);
    return `/proc/self/fd/${fd}`;
  };
  const isTooLong = (name: string) => Buffer.byteLength(name) > configurationLimit;
  const shorten = isOnePage
    ? Buffer.byteLength(optionsText(plan)) < 4096
      ? (name: string) => name
      : byDescriptor
    : (name: string) => (isTooLong(name) ? byDescriptor(name) : name);
  try {
    use({
      ...plan,
      lower: plan.lower.map(shorten),
      ...(plan.upper === undefined ? {} : { upper: shorten(plan.upper) }),
      ...(plan.work === undefined ? {} : { work: shorten(plan.work) }),
    });
  } finally {
    for (const fd of open) closeSync(fd);
  }
}

/**
 * A descriptor of the merged layers alone, read-only and attached nowhere: they are gone when it is closed. `place` is an
 * absent name, where older kernels mount it for a moment.
 */
export function mergeDetached(lower: string[], form: WhiteoutForm, place: string): number {
  const [single] = lower;
  if (lower.length === 1 && single !== undefined) return openDirectory(toBytes(single));
  const plan: Plan = { lower, target: place, readonly: true, form };
  if (takesSingleLayers) {
    let fd = -1;
    withShortNames(plan, false, (short) => {
      fd = configure("overlay", settings(short), attributes.RDONLY, place);
    });
    return fd;
  }
  mkdirSync(place, { mode: 0o700 });
  try {
    mountOverlay(plan);
    const fd = openDirectory(toBytes(place));
    unmount(place, { lazy: true });
    return fd;
  } finally {
    removePlace(place);
  }
}

function removePlace(place: string): void {
  const slash = place.lastIndexOf("/");
  const parent = openDirectory(toBytes(place.slice(0, slash)));
  try {
    removeDirectoryAt(parent, toBytes(place.slice(slash + 1)));
  } finally {
    close(parent);
  }
}
