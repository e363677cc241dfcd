import { describe, expect, test } from "bun:test";
import { allCapabilities, defaultCapabilities } from "../capabilities.ts";
import { SpecError } from "../errors.ts";
import type { Seccomp } from "../types.ts";
import { parseProfile } from "./parse.ts";
import { type Machine, resolveSeccomp } from "./resolve.ts";

const machine: Machine = { arch: "amd64", kernel: [6, 1] };

/** What the filter does with a call without regard to arguments: rules with arguments are listed. */
function verdict(filter: Seccomp, name: string): string[] {
  const found = filter.syscalls.filter(({ names }) => names.includes(name));
  return found.length === 0
    ? [`${filter.defaultAction} ${filter.defaultErrnoRet}`]
    : found.map(
        ({ action, errnoRet, args }) => `${action}${errnoRet === undefined ? "" : ` ${errnoRet}`}${args ? " if" : ""}`,
      );
}

describe("the default", () => {
  const filter = resolveSeccomp(undefined, defaultCapabilities, machine)!;

  test("allows the usual, refuses what is the machine's, and does not know what is new", () => {
    expect(verdict(filter, "read")).toEqual(["SCMP_ACT_ALLOW"]);
    expect(verdict(filter, "ptrace")).toEqual(["SCMP_ACT_ALLOW"]);
    for (const name of [
      "mount",
      "bpf",
      "kexec_load",
      "keyctl",
      "syslog",
      "reboot",
      "setns",
      "io_uring_setup",
      "mbind",
    ]) {
      expect([name, ...verdict(filter, name)]).toEqual([name, "SCMP_ACT_ERRNO 1"]);
    }
    expect(verdict(filter, "clone3")).toEqual(["SCMP_ACT_ERRNO 38"]);
    expect(verdict(filter, "a_call_of_tomorrow")).toEqual(["SCMP_ACT_ERRNO 38"]);
    expect(verdict(filter, "chroot")).toEqual(["SCMP_ACT_ALLOW"]);
    expect(verdict(filter, "arch_prctl")).toEqual(["SCMP_ACT_ALLOW"]);
    expect(verdict(filter, "cacheflush")).toEqual(["SCMP_ACT_ERRNO 38"]);
    expect(new Set(verdict(filter, "personality"))).toEqual(new Set(["SCMP_ACT_ALLOW if"]));
  });

  test("no call has two answers without conditions", () => {
    for (const caps of [[], defaultCapabilities, ["CAP_SYS_ADMIN"], ["CAP_BPF"], ["CAP_SYSLOG"], allCapabilities]) {
      const resolved = resolveSeccomp(undefined, caps, machine)!;
      const seen = new Map<string, string>();
      for (const { names, action, errnoRet, args } of resolved.syscalls) {
        if (args !== undefined) continue;
        for (const name of names) {
          expect([name, seen.get(name)]).toEqual([name, undefined]);
          seen.set(name, `${action} ${errnoRet}`);
        }
      }
    }
  });

  test("capabilities open what belongs to them", () => {
    const admin = resolveSeccomp(undefined, [...defaultCapabilities, "CAP_SYS_ADMIN"], machine)!;
    for (const name of ["mount", "bpf", "clone", "clone3", "setns", "syslog"]) {
      expect(verdict(admin, name)).toEqual(["SCMP_ACT_ALLOW"]);
    }
    expect(verdict(resolveSeccomp(undefined, ["CAP_BPF"], machine)!, "bpf")).toEqual(["SCMP_ACT_ALLOW"]);
    expect(verdict(resolveSeccomp(undefined, [], machine)!, "chroot")).toEqual(["SCMP_ACT_ERRNO 1"]);
  });

  test("architecture and kernel", () => {
    expect(filter.architectures).toEqual(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    const arm = resolveSeccomp(undefined, defaultCapabilities, { arch: "arm64", kernel: [6, 1] })!;
    expect(arm.architectures).toEqual(["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]);
    expect(verdict(arm, "cacheflush")).toEqual(["SCMP_ACT_ALLOW"]);
    expect(verdict(arm, "arch_prctl")).toEqual(["SCMP_ACT_ERRNO 38"]);
    const old = resolveSeccomp(undefined, defaultCapabilities, { arch: "amd64", kernel: [4, 7] })!;
    expect(verdict(old, "ptrace")).toEqual(["SCMP_ACT_ERRNO 38"]);
  });
});

describe("a profile of a client's", () => {
  const base = { defaultAction: "SCMP_ACT_ERRNO", syscalls: [] as object[] };
  const resolve = (profile: object) => resolveSeccomp(JSON.stringify(profile), ["CAP_CHOWN"], machine)!;

  test("unconfined is none", () => {
    expect(resolveSeccomp("unconfined", [], machine)).toBeUndefined();
  });

  test("conditions are decided", () => {
    const allow = (name: string, more: object) => ({ names: [name], action: "SCMP_ACT_ALLOW", ...more });
    const filter = resolve({
      ...base,
      archMap: [{ architecture: "SCMP_ARCH_X86_64", subArchitectures: null }],
      syscalls: [
        allow("a", { includes: { caps: ["CAP_CHOWN"] }, excludes: {} }),
        allow("b", { includes: { caps: ["CAP_CHOWN", "CAP_KILL"] } }),
        allow("c", { excludes: { caps: ["CAP_KILL", "CAP_CHOWN"] } }),
        allow("d", { includes: { arches: ["arm64"] } }),
        allow("e", { excludes: { arches: ["arm64"] } }),
        allow("f", { includes: { minKernel: "6.2" } }),
        allow("g", { includes: { minKernel: "5.19" }, args: null }),
        { name: "h", action: "SCMP_ACT_LOG", args: [{ index: 0, value: 1, valueTwo: 2, op: "SCMP_CMP_MASKED_EQ" }] },
      ],
    });
    expect(filter.syscalls.flatMap(({ names }) => names).sort()).toEqual(["a", "e", "g", "h"]);
    expect(filter.architectures).toEqual(["SCMP_ARCH_X86_64"]);
  });

  test.each([
    ["{", "decoding seccomp profile failed"],
    ["[]", "profile is no object"],
    ["{}", "defaultAction is no text"],
    [{ ...base, defaultAction: "ALLOW" }, 'defaultAction is "ALLOW"'],
    [{ ...base, defaultAction: "SCMP_ACT_NOTIFY" }, "SCMP_ACT_NOTIFY"],
    [{ ...base, syscalls: {} }, "syscalls is no list"],
    [{ ...base, syscalls: [{ action: "SCMP_ACT_ALLOW" }] }, "syscalls[0] names no system call"],
    [{ ...base, syscalls: [{ name: "a", names: ["b"], action: "SCMP_ACT_ALLOW" }] }, "use either 'name' or 'names'"],
    [{ ...base, architectures: ["x"], archMap: [{ architecture: "y" }] }, "use either 'architectures' or 'archMap'"],
    [
      {
        ...base,
        syscalls: [{ names: ["a"], action: "SCMP_ACT_ALLOW", args: [{ index: 6, value: 0, op: "SCMP_CMP_EQ" }] }],
      },
      "above 5",
    ],
    [
      { ...base, syscalls: [{ names: ["a"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: 0, op: "EQ" }] }] },
      "op is",
    ],
    [
      {
        ...base,
        syscalls: [{ names: ["a"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: 2 ** 60, op: "SCMP_CMP_EQ" }] }],
      },
      "2^53",
    ],
    [{ ...base, syscalls: [{ names: ["a"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "six" } }] }, "minKernel"],
    [{ ...base, listenerPath: "/x" }, "listenerPath"],
  ])("%j", (profile, message) => {
    const text = typeof profile === "string" ? profile : JSON.stringify(profile);
    expect(() => parseProfile(text)).toThrow(message);
    expect(() => parseProfile(text)).toThrow(SpecError);
  });
});
