/**
 * A program of our own that enters control groups and becomes another program: `placer FILE… "" PROGRAM ARGUMENT…` writes
 * `0` to each file (`tasks` of cgroup v1: the thread that writes) and executes the rest with its environment.
 *
 * A thread that moves itself needs no lock over all threads of the system; a move by another process waits for that
 * lock, up to 16 ms on an idle machine. JavaScript cannot run between fork and exec, a shell would take a millisecond.
 */
import { type Architecture, little, makeExecutable } from "../../sys/elf.ts";

const complaint = "cannot enter the control group\n";
/** What the placer ends with when a group cannot be entered or the program cannot be executed. */
export const placerFailure = 125;

/** The executable's bytes. */
export function makePlacer(architecture: Architecture): Uint8Array {
  const code = architecture === "amd64" ? amd64() : arm64();
  return makeExecutable(architecture, Uint8Array.from([...code, ...Buffer.from(`0${complaint}`)]));
}

/** Numbers of system calls: open 2, write 1, close 3, execve 59, exit 60. rbx walks over the arguments. */
function amd64(): number[] {
  return [
    [0x48, 0x8d, 0x5c, 0x24, 0x10], //       00 lea rbx, [rsp + 16]: the first argument
    [0x48, 0x8b, 0x3b], //                   05 next: mov rdi, [rbx]
    [0x48, 0x85, 0xff], //                   08 test rdi, rdi
    [0x74, 0x5f], //                         0b je fail
    [0x48, 0x83, 0xc3, 0x08], //             0d add rbx, 8
    [0x80, 0x3f, 0x00], //                   11 cmp byte [rdi], 0
    [0x74, 0x3b], //                         14 je run: an empty one ends the files
    [0xb8, ...little(2)], //                 16 mov eax, 2: open
    [0xbe, ...little(1)], //                 1b mov esi, 1: O_WRONLY
    [0x31, 0xd2], //                         20 xor edx, edx
    [0x0f, 0x05], //                         22 syscall
    [0x85, 0xc0], //                         24 test eax, eax
    [0x78, 0x44], //                         26 js fail
    [0x41, 0x89, 0xc4], //                   28 mov r12d, eax
    [0x89, 0xc7], //                         2b mov edi, eax
    [0x48, 0x8d, 0x35, ...little(0x5c)], //  2d lea rsi, [zero]
    [0xba, ...little(1)], //                 34 mov edx, 1
    [0xb8, ...little(1)], //                 39 mov eax, 1: write
    [0x0f, 0x05], //                         3e syscall
    [0x83, 0xf8, 0x01], //                   40 cmp eax, 1
    [0x75, 0x27], //                         43 jne fail
    [0x44, 0x89, 0xe7], //                   45 mov edi, r12d
    [0xb8, ...little(3)], //                 48 mov eax, 3: close
    [0x0f, 0x05], //                         4d syscall
    [0xeb, 0xb4], //                         4f jmp next
    [0x48, 0x8b, 0x3b], //                   51 run: mov rdi, [rbx]
    [0x48, 0x85, 0xff], //                   54 test rdi, rdi
    [0x74, 0x13], //                         57 je fail
    [0x48, 0x89, 0xde], //                   59 mov rsi, rbx
    [0x48, 0x8b, 0x14, 0x24], //             5c mov rdx, [rsp]: the number of arguments
    [0x48, 0x8d, 0x54, 0xd4, 0x10], //       60 lea rdx, [rsp + rdx * 8 + 16]: the environment
    [0xb8, ...little(59)], //                65 mov eax, 59: execve
    [0x0f, 0x05], //                         6a syscall
    [0xbf, ...little(2)], //                 6c fail: mov edi, 2
    [0x48, 0x8d, 0x35, ...little(0x19)], //  71 lea rsi, [complaint]
    [0xba, ...little(complaint.length)], //  78 mov edx, length
    [0xb8, ...little(1)], //                 7d mov eax, 1: write
    [0x0f, 0x05], //                         82 syscall
    [0xbf, ...little(placerFailure)], //     84 mov edi, 125
    [0xb8, ...little(60)], //                89 mov eax, 60: exit
    [0x0f, 0x05], //                         8e syscall
  ].flat();
}

/** Numbers of system calls: openat 56, write 64, close 57, execve 221, exit 93. x20 walks over the arguments. */
function arm64(): number[] {
  return [
    0xf94003f3, // 00 ldr x19, [sp]: the number of arguments
    0x910043f4, // 04 add x20, sp, 16: the first argument
    0xf8408681, // 08 next: ldr x1, [x20], 8
    0xb4000361, // 0c cbz x1, fail
    0x39400022, // 10 ldrb w2, [x1]
    0x34000242, // 14 cbz w2, run: an empty one ends the files
    0x92800c60, // 18 mov x0, -100: AT_FDCWD
    0xd2800022, // 1c mov x2, 1: O_WRONLY
    0xd2800003, // 20 mov x3, 0
    0xd2800708, // 24 mov x8, 56: openat
    0xd4000001, // 28 svc 0
    0xb7f80260, // 2c tbnz x0, 63, fail
    0xaa0003f5, // 30 mov x21, x0
    0x10000321, // 34 adr x1, zero
    0xd2800022, // 38 mov x2, 1
    0xd2800808, // 3c mov x8, 64: write
    0xd4000001, // 40 svc 0
    0xf100041f, // 44 cmp x0, 1
    0x54000181, // 48 b.ne fail
    0xaa1503e0, // 4c mov x0, x21
    0xd2800728, // 50 mov x8, 57: close
    0xd4000001, // 54 svc 0
    0x17ffffec, // 58 b next
    0xf9400280, // 5c run: ldr x0, [x20]
    0xb40000c0, // 60 cbz x0, fail
    0xaa1403e1, // 64 mov x1, x20
    0x8b336fe2, // 68 add x2, sp, x19, lsl 3
    0x91004042, // 6c add x2, x2, 16: the environment
    0xd2801ba8, // 70 mov x8, 221: execve
    0xd4000001, // 74 svc 0
    0xd2800040, // 78 fail: mov x0, 2
    0x300000e1, // 7c adr x1, complaint
    0xd28003e2, // 80 mov x2, length: 31
    0xd2800808, // 84 mov x8, 64: write
    0xd4000001, // 88 svc 0
    0xd2800fa0, // 8c mov x0, 125
    0xd2800ba8, // 90 mov x8, 93: exit
    0xd4000001, // 94 svc 0
  ].flatMap(little);
}
