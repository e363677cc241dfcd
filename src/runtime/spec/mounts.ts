/** Mounts in OCI's form. */
import { SpecError } from "./errors.ts";
import type { SpecMount } from "./types.ts";

export interface BindMount {
  source: string;
  destination: string;
  readonly?: boolean;
  /** `rprivate` and its like; default rprivate. */
  propagation?: string;
  /** Only the named tree, not what is mounted below it. */
  nonRecursive?: boolean;
  /** What is mounted below a read-only tree stays as it is; by default it is read-only, too (Linux 5.12). */
  shallowReadonly?: boolean;
}

export function bindMount(mount: BindMount): SpecMount {
  const propagation = mount.propagation || "rprivate";
  return {
    destination: mount.destination,
    type: "bind",
    source: mount.source,
    options: [
      mount.nonRecursive ? "bind" : "rbind",
      mount.readonly ? "ro" : "rw",
      ...(mount.readonly && !mount.nonRecursive && !mount.shallowReadonly ? ["rro"] : []),
      // crun takes the "r" of a propagation for the bind's own.
      mount.nonRecursive ? propagation.replace(/^r/, "") : propagation,
    ],
  };
}

const flagPairs = [
  ["rw", "ro"],
  ["suid", "nosuid"],
  ["dev", "nodev"],
  ["exec", "noexec"],
  ["async", "sync"],
  ["atime", "noatime"],
  ["diratime", "nodiratime"],
  ["relatime", "norelatime"],
  ["strictatime", "nostrictatime"],
] as const;
const otherFlags = ["defaults", "remount", "mand", "nomand"];
const propagations = ["private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable"];
const tmpfsData = /^(size|mode|uid|gid|nr_inodes|nr_blocks|mpol)=[A-Za-z0-9%:,=+-]+$/;

/** `--tmpfs PATH:OPTIONS`: noexec, nosuid and nodev unless the options say otherwise. Throws SpecError. */
export function tmpfsMount(destination: string, options: string): SpecMount {
  const given = options === "" ? [] : options.split(",");
  const flags = ["noexec", "nosuid", "nodev"];
  for (const option of given) {
    const pair = flagPairs.find((each) => (each as readonly string[]).includes(option));
    if (pair !== undefined) {
      for (const name of pair) if (flags.includes(name)) flags.splice(flags.indexOf(name), 1);
      flags.push(option);
    } else if (tmpfsData.test(option) || propagations.includes(option)) {
      flags.push(option);
    } else if (!otherFlags.includes(option)) {
      throw new SpecError(`invalid tmpfs option ${JSON.stringify(option)}`);
    }
  }
  return { destination, type: "tmpfs", source: "tmpfs", options: flags };
}

/**
 * The default mounts and the container's own, in the order of mounting: a mount that the container brings replaces the
 * default at its place, and those below it; parents come before what lies in them.
 */
export function orderMounts(defaults: SpecMount[], own: SpecMount[]): SpecMount[] {
  const kept = defaults.filter(
    (mount) =>
      !own.some(
        ({ destination }) =>
          mount.destination === destination || (destination === "/dev" && mount.destination.startsWith("/dev/")),
      ),
  );
  const depth = ({ destination }: SpecMount) => destination.split("/").filter(Boolean).length;
  const sorted = own
    .map((mount, index) => ({ mount, index }))
    .sort((a, b) => depth(a.mount) - depth(b.mount) || a.index - b.index)
    .map(({ mount }) => mount);
  return [...kept, ...sorted];
}

/** What the root must allow so that the mounts' propagation works. */
export function rootPropagation(mounts: SpecMount[]): string {
  const options = mounts.flatMap((mount) => mount.options ?? []);
  if (options.some((option) => option === "shared" || option === "rshared")) return "shared";
  if (options.some((option) => option === "slave" || option === "rslave")) return "rslave";
  return "rprivate";
}
