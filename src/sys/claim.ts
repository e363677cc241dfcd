/**
 * A name that one process of the network namespace can hold: the abstract address of a Unix socket (unix(7)). It is free
 * again when the process ends, however it does, and leaves no file.
 */
import { closeSync } from "node:fs";
import { address, check, errno, nr, SysError, syscall } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const EADDRINUSE = 98;

/** The descriptor that holds the name (until it is closed), or the pid of the process that has it. */
export function claimName(name: string): { fd: number } | { holder: number } {
  const fd = open();
  const at = abstractName(name);
  try {
    if (syscall(nr("bind"), fd, address(at), at.length) === -1) {
      const error = errno();
      if (error !== EADDRINUSE) throw new SysError("bind", error, name);
      const holder = holderOf(name);
      closeSync(fd);
      return { holder };
    }
    // So that others can ask who it is; nobody accepts.
    check(syscall(nr("listen"), fd, 1), "listen", name);
    return { fd };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** 0 when it does not tell. */
function holderOf(name: string): number {
  const fd = open();
  try {
    const at = abstractName(name);
    if (syscall(nr("connect"), fd, address(at), at.length) === -1) return 0;
    const credentials = Buffer.alloc(12);
    const length = Buffer.from([12, 0, 0, 0]);
    if (syscall(nr("getsockopt"), fd, SOL_SOCKET, SO_PEERCRED, address(credentials), address(length)) === -1) return 0;
    return credentials.readInt32LE(0);
  } finally {
    closeSync(fd);
  }
}

function open(): number {
  return check(syscall(nr("socket"), AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
}

/** struct sockaddr_un whose path begins with a zero: no file. */
function abstractName(name: string): Buffer {
  return Buffer.concat([Buffer.from([AF_UNIX, 0, 0]), Buffer.from(name)]);
}
