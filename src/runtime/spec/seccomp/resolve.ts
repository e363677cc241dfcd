/** Seccomp profiles: from Docker's form, with its conditions, to the OCI runtime specification's. */
import { readFileSync } from "node:fs";
import { SpecError } from "../errors.ts";
import type { Seccomp } from "../types.ts";
import { defaultProfile } from "./default.ts";
import { parseProfile } from "./parse.ts";
import type { Condition, Profile, Rule } from "./profile.ts";

export interface Machine {
  /** Go's name, as profiles use it: amd64, arm64. */
  arch: string;
  /** Major and minor of the kernel's version. */
  kernel: [number, number];
}

/** The machine that this process runs on. */
export function thisMachine(): Machine {
  machineHere ??= readMachine();
  return machineHere;
}

let machineHere: Machine | undefined;

function readMachine(): Machine {
  const [major = 0, minor = 0] = readFileSync("/proc/sys/kernel/osrelease", "utf8").split(/[.-]/).map(Number);
  return { arch: process.arch === "x64" ? "amd64" : process.arch, kernel: [major, minor] };
}

/**
 * The filter for a container with these capabilities. `profile` is the text of a profile, "unconfined" (then there is
 * none), or undefined for the default. Throws SpecError for a profile that makes no sense.
 */
export function resolveSeccomp(
  profile: string | undefined,
  capabilities: string[],
  machine: Machine = thisMachine(),
): Seccomp | undefined {
  if (profile === "unconfined") return undefined;
  if (profile !== undefined) return resolveProfile(parseProfile(profile), capabilities, machine);
  // Nearly every container has the same: the same object, too, so that what is derived from it can be kept with it.
  const key = `${machine.arch} ${machine.kernel.join(".")} ${capabilities.join(" ")}`;
  let resolved = resolvedDefaults.get(key);
  if (resolved === undefined) {
    resolved = resolveProfile(defaultProfile, capabilities, machine);
    if (resolvedDefaults.size >= 64) resolvedDefaults.clear();
    resolvedDefaults.set(key, resolved);
  }
  return resolved;
}

const resolvedDefaults = new Map<string, Seccomp>();

const nativeArchitecture: Record<string, string> = {
  amd64: "SCMP_ARCH_X86_64",
  arm64: "SCMP_ARCH_AARCH64",
  riscv64: "SCMP_ARCH_RISCV64",
};

/** Conditions decided, rules with equal effect joined: the runtime compiles each rule for each architecture. */
export function resolveProfile(profile: Profile, capabilities: string[], machine: Machine): Seccomp {
  const native = nativeArchitecture[machine.arch];
  const mapped = profile.archMap?.find((each) => each.architecture === native);
  const architectures =
    profile.architectures ??
    (mapped === undefined ? undefined : [mapped.architecture, ...(mapped.subArchitectures ?? [])]);
  const syscalls: Seccomp["syscalls"] = [];
  const plain = new Map<string, { names: Set<string>; rule: Rule }>();
  for (const rule of profile.syscalls) {
    if (!applies(rule, capabilities, machine)) continue;
    if (rule.args !== undefined && rule.args.length > 0) {
      syscalls.push({ names: rule.names, ...effect(rule), args: rule.args });
      continue;
    }
    const key = JSON.stringify(effect(rule));
    const joined = plain.get(key) ?? { names: new Set(), rule };
    for (const name of rule.names) joined.names.add(name);
    plain.set(key, joined);
  }
  for (const { names, rule } of plain.values()) syscalls.push({ names: [...names], ...effect(rule) });
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures === undefined ? {} : { architectures }),
    ...(profile.flags === undefined || profile.flags.length === 0 ? {} : { flags: profile.flags }),
    syscalls,
  };
}

function effect(rule: Rule): { action: string; errnoRet?: number } {
  return { action: rule.action, ...(rule.errnoRet === undefined ? {} : { errnoRet: rule.errnoRet }) };
}

/** Docker's meaning: `includes` must all hold (every capability), of `excludes` none (not one capability). */
function applies(rule: Rule, capabilities: string[], machine: Machine): boolean {
  const { includes, excludes } = rule;
  if (includes !== undefined) {
    if (includes.caps?.some((cap) => !capabilities.includes(cap))) return false;
    if (includes.arches !== undefined && includes.arches.length > 0 && !includes.arches.includes(machine.arch)) {
      return false;
    }
    if (includes.minKernel !== undefined && !isAtLeast(machine, includes)) return false;
  }
  if (excludes !== undefined) {
    if (excludes.caps?.some((cap) => capabilities.includes(cap))) return false;
    if (excludes.arches?.includes(machine.arch)) return false;
    if (excludes.minKernel !== undefined && isAtLeast(machine, excludes)) return false;
  }
  return true;
}

function isAtLeast(machine: Machine, condition: Condition): boolean {
  const match = /^(\d+)\.(\d+)$/.exec(condition.minKernel!);
  if (match === null) throw new SpecError(`invalid seccomp profile: minKernel ${JSON.stringify(condition.minKernel)}`);
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return machine.kernel[0] > major || (machine.kernel[0] === major && machine.kernel[1] >= minor);
}
