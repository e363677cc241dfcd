/**
 * The default profile: Docker's rules.
 *
 * What no rule names gets ENOSYS, not EPERM: it is a call that is newer than these lists, and a C library falls back to an
 * older one only when told that the kernel does not know it. Docker's runtime does the same by number; crun cannot, so
 * the known and refused calls are named here to keep their EPERM.
 */
import { allowed, byArchitecture, byCapability, refused, tracing } from "./calls.ts";
import type { Argument, Profile, Rule } from "./profile.ts";

const [EPERM, ENOSYS] = [1, 38];
/** NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET: a new namespace is a way to more capabilities. */
const namespaceFlags = [0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000];
const allNamespaceFlags = namespaceFlags.reduce((sum, flag) => sum + flag, 0);
const AF_VSOCK = 40;
/** LINUX, LINUX32, UNAME26, both, and the query. */
const personalities = [0x0, 0x8, 0x20000, 0x20008, 0xffffffff];

const allow = (names: string[], more: Partial<Rule> = {}): Rule => ({ names, action: "SCMP_ACT_ALLOW", ...more });
const refuse = (names: string[], errnoRet = EPERM, more: Partial<Rule> = {}): Rule => ({
  names,
  action: "SCMP_ACT_ERRNO",
  errnoRet,
  ...more,
});
const first = (op: string, value: number, valueTwo?: number): Argument[] => [
  { index: 0, op: `SCMP_CMP_${op}`, value, ...(valueTwo === undefined ? {} : { valueTwo }) },
];

/** Calls that more than one capability opens, or that have rules of their own: no refusal by a single capability. */
const several = (name: string): boolean =>
  name === "clone" ||
  name === "clone3" ||
  tracing.includes(name) ||
  Object.values(byCapability).filter((names) => names.includes(name)).length > 1;

const withoutAdmin = { excludes: { caps: ["CAP_SYS_ADMIN"] } };

export const defaultProfile: Profile = {
  defaultAction: "SCMP_ACT_ERRNO",
  defaultErrnoRet: ENOSYS,
  archMap: [
    { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
    { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
    { architecture: "SCMP_ARCH_RISCV64" },
  ],
  syscalls: [
    allow(allowed),
    allow(tracing, { includes: { minKernel: "4.8" } }),
    // VSOCK gets ENOSYS: libseccomp takes a rule for the rest ("File exists") as a second answer to the same test.
    allow(["socket"], { args: first("NE", AF_VSOCK) }),
    ...personalities.map((value) => allow(["personality"], { args: first("EQ", value) })),
    allow(["clone"], { args: first("MASKED_EQ", allNamespaceFlags, 0), ...withoutAdmin }),
    ...namespaceFlags.map((flag) =>
      refuse(["clone"], EPERM, { args: first("MASKED_EQ", flag, flag), ...withoutAdmin }),
    ),
    // Its flags lie in memory, where a filter cannot look: the C library falls back to clone.
    refuse(["clone3"], ENOSYS, withoutAdmin),
    ...byArchitecture.map(({ arches, names }) => allow(names, { includes: { arches } })),
    ...Object.entries(byCapability).map(([cap, names]) => allow(names, { includes: { caps: [cap] } })),
    ...Object.entries(byCapability).flatMap(([cap, names]) => {
      const single = names.filter((name) => !several(name));
      return single.length === 0 ? [] : [refuse(single, EPERM, { excludes: { caps: [cap] } })];
    }),
    refuse(["bpf"], EPERM, { excludes: { caps: ["CAP_SYS_ADMIN", "CAP_BPF"] } }),
    refuse(["perf_event_open"], EPERM, { excludes: { caps: ["CAP_SYS_ADMIN", "CAP_PERFMON"] } }),
    refuse(["syslog"], EPERM, { excludes: { caps: ["CAP_SYS_ADMIN", "CAP_SYSLOG"] } }),
    refuse(refused),
  ],
};
