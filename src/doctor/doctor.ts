/**
 * The machine check: what containers need of the kernel, of programs, of the disk and of the network. What is safe is
 * repaired, for the rest it says what to do. `gantry doctor` makes all checks; the server makes those that cost next to
 * nothing at each start.
 */
import { checkCgroups } from "./cgroups.ts";
import { checkConfinement, checkKernel, checkNamespaces, checkOverlay, checkPrivileges } from "./kernel.ts";
import { checkAddresses, checkFirewall, checkForwarding, checkNetworkFeatures } from "./network.ts";
import { checkPrograms, findPrograms } from "./programs.ts";
import { checkDataRoot, checkOverlayMount, checkSpace } from "./storage.ts";

export interface Check {
  /** What was looked at: `cgroups`, `crun`, … */
  name: string;
  /** `failed`: containers cannot run. `warning`: they can, and something will not work. */
  status: "ok" | "repaired" | "warning" | "failed";
  /** What is there, in a few words. */
  found: string;
  /** What to do; only when the status is `warning` or `failed`. */
  advice?: string;
}

export interface MachineOptions {
  dataRoot: string;
  /** The server's bridge: routes over it are its own. */
  bridge: string;
  /** The bridge's address, if it was set (`172.17.0.1/16`); else it is chosen from `pools`. */
  bip?: string;
  pools: { base: string; size: number }[];
  /** Whether to repair what is safe. */
  repair: boolean;
  /** false: no process is started and nothing is tried, only looked at; some milliseconds. */
  thorough: boolean;
}

/** Docker's address pools. */
export const defaultOptions: MachineOptions = {
  dataRoot: "/var/lib/gantry",
  bridge: "gantry0",
  pools: [
    ...[17, 18, 19].map((octet) => ({ base: `172.${octet}.0.0/16`, size: 16 })),
    ...[20, 24, 28].map((octet) => ({ base: `172.${octet}.0.0/14`, size: 16 })),
    { base: "192.168.0.0/16", size: 20 },
  ],
  repair: true,
  thorough: true,
};

/** Never rejects for what it finds: a check that cannot be made says so. In the order in which things depend on each other. */
export async function checkMachine(options: Partial<MachineOptions> = {}): Promise<Check[]> {
  const wanted: MachineOptions = { ...defaultOptions, ...options };
  const { dataRoot, repair, thorough } = wanted;
  const root = process.geteuid?.() === 0;
  const checks: Check[] = [
    checkPrivileges(),
    checkKernel(),
    checkNamespaces(),
    checkOverlay({ repair: repair && root }),
    ...checkConfinement(),
    checkCgroups({ repair: repair && root }),
    ...(thorough ? await checkPrograms() : findPrograms()),
    checkDataRoot(dataRoot),
    checkSpace(dataRoot),
    checkForwarding(),
    checkAddresses(wanted),
  ];
  if (thorough && root) {
    const trials = await Promise.all([checkOverlayMount(dataRoot), checkNetworkFeatures(), checkFirewall()]);
    checks.push(...trials.filter((check) => check !== undefined));
  }
  return checks;
}

/** Whether containers can run. */
export function canRun(checks: Check[]): boolean {
  return checks.every((check) => check.status !== "failed");
}
