/** Linux capabilities by Docker's rules: capabilities(7). */
import { readFileSync } from "node:fs";
import { SpecError } from "./errors.ts";

/** In the kernel's order: the index is the bit. */
export const allCapabilities = `
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST
NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE
SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM
BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE`
  .trim()
  .split(/\s+/)
  .map((name) => `CAP_${name}`);

/** What a container has when nothing is said: Docker's fourteen. CapBnd 00000000a80425fb. */
export const defaultCapabilities = `
AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_CHROOT`
  .trim()
  .split(/\s+/)
  .map((name) => `CAP_${name}`);

/** The capabilities of a bit set in hexadecimal, as /proc/PID/status writes it. Bits without a name are left out. */
export function parseCapabilitySet(hexadecimal: string): string[] {
  const bits = BigInt(`0x${hexadecimal}`);
  return allCapabilities.filter((_, bit) => (bits >> BigInt(bit)) & 1n);
}

/** What this process could give away: its bounding set. Inside other containers, and on CI machines, not all. */
export function serverCapabilities(): string[] {
  known ??= readBoundingSet();
  return known;
}

/** A process never gets more, and the server gives none up. */
let known: string[] | undefined;

function readBoundingSet(): string[] {
  const match = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"));
  if (match === null) throw new Error("/proc/self/status has no CapBnd");
  return parseCapabilitySet(match[1]!);
}

export interface CapabilityRequest {
  /** With or without CAP_, any case, or ALL. */
  add: string[];
  drop: string[];
  privileged: boolean;
  /** The server's own: nobody gets more. */
  available: string[];
}

/**
 * The capabilities of a container, in the kernel's order. Adding ALL beats dropping ALL, and a name given to both is kept,
 * unless ALL is added. A single name that the server lacks is refused: the container would not have what was asked for.
 */
export function resolveCapabilities(request: CapabilityRequest): string[] {
  const { privileged, available } = request;
  if (privileged) return allCapabilities.filter((name) => available.includes(name));
  const add = request.add.map(normalize);
  const drop = request.drop.map(normalize);
  let chosen: Set<string>;
  if (add.includes("ALL")) {
    chosen = new Set(available.filter((name) => !drop.includes(name)));
  } else {
    for (const name of add) {
      if (!available.includes(name)) throw new SpecError(`capability ${name} is not available to the server`);
    }
    const basis = drop.includes("ALL") ? [] : defaultCapabilities.filter((name) => !drop.includes(name));
    chosen = new Set([...basis.filter((name) => available.includes(name)), ...add]);
  }
  return allCapabilities.filter((name) => chosen.has(name));
}

function normalize(name: string): string {
  const upper = name.toUpperCase();
  if (upper === "ALL") return upper;
  const full = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  if (!allCapabilities.includes(full)) throw new SpecError(`unknown capability: ${JSON.stringify(full)}`);
  return full;
}
