/**
 * A program that writes a text to standard output and ends: a static ELF executable, written byte for byte, so that the
 * image needs no compiler and every byte of it can be explained.
 */
import { type Architecture, little, makeExecutable } from "../../../sys/elf.ts";

export type { Architecture };

/** Exits with 0 when all of `text` (1 to 65535 bytes) was written, else with 1. Goes on after a short write. */
export function makeProgram(architecture: Architecture, text: Uint8Array): Uint8Array {
  if (text.length === 0 || text.length > 0xffff) throw new RangeError(`${text.length} bytes are not 1 to 65535`);
  const code = architecture === "amd64" ? amd64(text.length) : arm64(text.length);
  return makeExecutable(architecture, Uint8Array.from([...code, ...text]));
}

/** Linux on x86-64: number in rax, arguments in rdi, rsi, rdx; write is 1, exit 60. */
function amd64(length: number): Uint8Array {
  const code = [
    [0xba, ...little(length)], //        0  mov edx, length
    [0x48, 0x8d, 0x35, ...little(41)], // 5  lea rsi, [rip + 41]: the text, behind the code
    [0xbf, 1, 0, 0, 0], //              12  mov edi, 1
    [0xb8, 1, 0, 0, 0], //              17  write: mov eax, 1
    [0x0f, 0x05], //                    22  syscall
    [0x48, 0x85, 0xc0], //              24  test rax, rax
    [0x7e, 17], //                      27  jle fail
    [0x48, 0x01, 0xc6], //              29  add rsi, rax
    [0x48, 0x29, 0xc2], //              32  sub rdx, rax
    [0x75, 0xec], //                    35  jnz write
    [0x31, 0xff], //                    37  xor edi, edi
    [0xb8, 60, 0, 0, 0], //             39  exit: mov eax, 60
    [0x0f, 0x05], //                    44  syscall
    [0xbf, 1, 0, 0, 0], //              46  fail: mov edi, 1
    [0xeb, 0xf2], //                    51  jmp exit
  ];
  return Uint8Array.from(code.flat());
}

/** Linux on arm64: number in x8, arguments in x0, x1, x2; write is 64, exit 93. */
function arm64(length: number): Uint8Array {
  const words = [
    0xd2800002 | (length << 5), //  0  movz x2, length
    0x10000001 | (14 << 5), //      4  adr x1, 60: the text, behind the code
    0xd2800020, //                  8  write: movz x0, 1
    0xd2800808, //                 12  movz x8, 64
    0xd4000001, //                 16  svc 0
    0xf100001f, //                 20  cmp x0, 0
    0x54000000 | (7 << 5) | 0xd, // 24  b.le fail
    0x8b000021, //                 28  add x1, x1, x0
    0xeb000042, //                 32  subs x2, x2, x0
    0x54000000 | ((-7 & 0x7ffff) << 5) | 1, // 36  b.ne write
    0xd2800000, //                 40  movz x0, 0
    0xd2800ba8, //                 44  exit: movz x8, 93
    0xd4000001, //                 48  svc 0
    0xd2800020, //                 52  fail: movz x0, 1
    0x14000000 | (-3 & 0x3ffffff), // 56  b exit
  ];
  return Uint8Array.from(words.flatMap(little));
}
