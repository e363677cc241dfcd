/** User namespaces as ID mappings, without a process that lives in them. */
import { dlopen, FFIType, type Pointer } from "bun:ffi";
import { openSync, writeFileSync } from "node:fs";
import { address, check, nr, syscall } from "./libc.ts";

export interface Mapping {
  container: number;
  host: number;
  size: number;
}

const CLONE_NEWUSER = 0x10000000;
const SIGCHLD = 17;
const SIGKILL = 9;
const stackSize = 65536;

/**
 * A descriptor of a new user namespace with these mappings, for mount_setattr(2). The caller closes it.
 * Such a namespace needs a process to be born in. It is the smallest one: a copy of this one whose only thread waits in
 * pause(2) on a stack of its own and never comes back to JavaScript, until it is killed a moment later.
 */
export function openUserNamespace(uids: Mapping[], gids: Mapping[]): number {
  const { symbols, close } = dlopen("libc.so.6", {
    clone: { args: [FFIType.ptr, FFIType.ptr, FFIType.i32, FFIType.ptr], returns: FFIType.i32 },
    dlsym: { args: [FFIType.ptr, FFIType.cstring], returns: FFIType.ptr },
  });
  try {
    const pause = symbols.dlsym(null, Buffer.from("pause\0")) as Pointer;
    const stack = Buffer.from(new ArrayBuffer(stackSize));
    const end = address(stack) + stackSize;
    // Not by bit operations: those cut an address to 32 bits.
    const top = (end - (end % 16)) as unknown as Pointer;
    const pid = check(symbols.clone(pause, top, CLONE_NEWUSER | SIGCHLD, null), "clone");
    try {
      writeFileSync(`/proc/${pid}/uid_map`, lines(uids));
      writeFileSync(`/proc/${pid}/gid_map`, lines(gids));
      return openSync(`/proc/${pid}/ns/user`, "r");
    } finally {
      syscall(nr("kill"), pid, SIGKILL);
      syscall(nr("wait4"), pid, 0, 0, 0);
    }
  } finally {
    close();
  }
}

const lines = (mappings: Mapping[]): string =>
  mappings.map(({ container, host, size }) => `${container} ${host} ${size}\n`).join("");
