/** Kernel parameters: only those that belong to a namespace of the container's own. */
import { SpecError } from "./errors.ts";

const ipcNames = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
]);

/** Throws SpecError for one that would reach the host. `own` tells of which namespaces are the container's own. */
export function checkSysctls(
  sysctls: Record<string, string>,
  own: { network: boolean; ipc: boolean; uts: boolean },
): Record<string, string> {
  for (const name of Object.keys(sysctls)) {
    const quoted = JSON.stringify(name);
    if (!/^[a-zA-Z0-9_]+([./][a-zA-Z0-9_-]+)+$/.test(name)) throw new SpecError(`invalid sysctl ${quoted}`);
    const dotted = name.replaceAll("/", ".");
    if (dotted.startsWith("net.")) {
      if (!own.network) throw new SpecError(`sysctl ${quoted} not allowed in host network namespace`);
    } else if (ipcNames.has(dotted) || dotted.startsWith("fs.mqueue.")) {
      if (!own.ipc) throw new SpecError(`sysctl ${quoted} not allowed in host ipc namespace`);
    } else if (dotted === "kernel.domainname") {
      if (!own.uts) throw new SpecError(`sysctl ${quoted} not allowed in host uts namespace`);
    } else if (dotted === "kernel.hostname") {
      throw new SpecError(`sysctl ${quoted} is not allowed: use the container's hostname`);
    } else {
      throw new SpecError(`sysctl ${quoted} is not in a separate kernel namespace`);
    }
  }
  return sysctls;
}
