/**
 * AppArmor, where the kernel has it on: one profile of ours for every container that asks for no other. It repeats what
 * masked paths and capabilities already forbid, for the day on which one of them has a hole.
 */
import { readFileSync } from "node:fs";

export const defaultProfile = "gantry-default";

/** apparmor.d(5). A `deny` wins over every other rule. */
export const profileText = `
profile ${defaultProfile} flags=(attach_disconnected,mediate_deleted) {
  network,
  capability,
  file,
  umount,

  # From the host, and among its own processes
  signal (receive) peer=unconfined,
  signal (send, receive) peer=${defaultProfile},
  ptrace (read, trace, readby, tracedby) peer=${defaultProfile},
  unix peer=(label=${defaultProfile}),

  # File systems are the engine's to mount
  deny mount,

  # The kernel's memory, keys and settings
  deny /proc/sysrq-trigger rwklx,
  deny /proc/{kcore,kmem,mem,kallsyms,keys,timer_list} rwklx,
  deny /proc/sys/** wl,
  deny /proc/{acpi,bus,fs,irq,scsi}/** wl,

  # Everything in /sys but the control groups
  deny /sys/[^f]** wl,
  deny /sys/f[^s]** wl,
  deny /sys/fs/[^c]** wl,
  deny /sys/fs/c[^g]** wl,
  deny /sys/firmware/** rwklx,
  deny /sys/kernel/security/** rwklx,
}
`;

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Whether the kernel confines by it. */
export const isEnabled = (): boolean => read("/sys/module/apparmor/parameters/enabled").trim() === "Y";

/** Names of the profiles that the kernel holds; empty where securityfs is not mounted. */
export function loadedProfiles(): string[] {
  return read("/sys/kernel/security/apparmor/profiles")
    .split("\n")
    .map((line) => line.replace(/ \([a-z]+\)$/, ""))
    .filter((name) => name !== "");
}

/**
 * Loads our profile. Resolves with its name, or with undefined where AppArmor is off. Rejects when it is on and the
 * profile cannot be loaded: containers would run without it and nobody would know.
 */
export async function loadDefaultProfile(): Promise<string | undefined> {
  if (!isEnabled()) return undefined;
  let child: Bun.Subprocess<"pipe", "ignore", "pipe">;
  try {
    child = Bun.spawn(["apparmor_parser", "--replace", "--skip-cache"], { stdio: ["pipe", "ignore", "pipe"] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    if (loadedProfiles().includes(defaultProfile)) return defaultProfile;
    throw new Error(
      "AppArmor is on, and its profiles cannot be loaded without apparmor_parser: apt-get install apparmor",
    );
  }
  child.stdin.write(profileText);
  await child.stdin.end();
  const [complaint, code] = await Promise.all([child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`apparmor_parser refused the profile ${defaultProfile}: ${complaint.trim()}`);
  return defaultProfile;
}
