/** Static ELF executables of some hundred bytes (System V ABI, "ELF Header"): for programs that need no compiler. */

export type Architecture = "amd64" | "arm64";

/** The header, 64 bytes, then one program header of 56. */
const headSize = 64 + 56;
const base = 0x400000;
const machines: Record<Architecture, { number: number; page: number }> = {
  amd64: { number: 62, page: 0x1000 },
  // Kernels for arm64 may have pages of 64 KiB.
  arm64: { number: 183, page: 0x10000 },
};

/** An executable whose only segment holds `code`, entered at its first byte, readable and executable. */
export function makeExecutable(architecture: Architecture, code: Uint8Array): Uint8Array {
  const { number, page } = machines[architecture];
  const size = headSize + code.length;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  // 64 bits, little-endian, version 1, no particular system
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
  view.setUint16(16, 2, true); // e_type: ET_EXEC
  view.setUint16(18, number, true); // e_machine
  view.setUint32(20, 1, true); // e_version
  view.setBigUint64(24, BigInt(base + headSize), true); // e_entry
  view.setBigUint64(32, 64n, true); // e_phoff
  view.setUint16(52, 64, true); // e_ehsize
  view.setUint16(54, 56, true); // e_phentsize
  view.setUint16(56, 1, true); // e_phnum
  view.setUint16(58, 64, true); // e_shentsize
  view.setUint32(64, 1, true); // p_type: PT_LOAD
  view.setUint32(68, 5, true); // p_flags: read and execute
  view.setBigUint64(80, BigInt(base), true); // p_vaddr; p_offset is 0: the whole file
  view.setBigUint64(88, BigInt(base), true); // p_paddr
  view.setBigUint64(96, BigInt(size), true); // p_filesz
  view.setBigUint64(104, BigInt(size), true); // p_memsz
  view.setBigUint64(112, BigInt(page), true); // p_align
  bytes.set(code, headSize);
  return bytes;
}

/** A 32-bit word, its lowest byte first. */
export const little = (value: number): number[] => [
  value & 255,
  (value >> 8) & 255,
  (value >> 16) & 255,
  (value >>> 24) & 255,
];
