/** What the process's own descriptors are. */
import { fstatSync } from "node:fs";

/** Device numbers of terminals (Documentation/admin-guide/devices.txt): consoles, serial lines, pseudo-terminals. */
const consoles = 4;
const alternates = 5;
const serial = [204, 229];
const pseudoFirst = 136;
const pseudoLast = 143;

/** Whether a descriptor is a terminal. Asks no ioctl: loading FFI for it takes longer than all the rest of a short command. */
export function isTerminal(fd: number): boolean {
  try {
    const stat = fstatSync(fd);
    if (!stat.isCharacterDevice()) return false;
    const major = (stat.rdev >> 8) & 0xfff;
    const pseudo = major >= pseudoFirst && major <= pseudoLast;
    return pseudo || major === consoles || major === alternates || serial.includes(major);
  } catch {
    return false;
  }
}
