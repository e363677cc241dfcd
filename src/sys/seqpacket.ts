/** SOCK_SEQPACKET sockets of the Unix domain, which neither node:net nor Bun can make: unix(7). */
import { closeSync, constants, openSync } from "node:fs";
import { basename, dirname } from "node:path";
import { address, check, nr, syscall } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SHUT_WR = 1;

/**
 * Connects to the socket at `path`, of whatever length: sockaddr_un holds 107 bytes, so the name goes through a descriptor
 * of its folder. Returns a nonblocking descriptor that the caller closes. Throws SysError (ENOENT, ECONNREFUSED).
 */
export function connectSeqpacket(path: string): number {
  const folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const name = Buffer.from(`/proc/self/fd/${folder}/${basename(path)}\0`);
    if (name.length > 108) throw new Error(`${JSON.stringify(basename(path))} is too long for the name of a socket`);
    const target = Buffer.alloc(2 + name.length);
    target.writeUInt16LE(AF_UNIX, 0);
    name.copy(target, 2);
    const socket = check(
      syscall(nr("socket"), AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
      "socket",
      path,
    );
    try {
      check(syscall(nr("connect"), socket, address(target), target.length), "connect", path);
    } catch (error) {
      closeSync(socket);
      throw error;
    }
    return socket;
  } finally {
    closeSync(folder);
  }
}

/** Half-close: the peer reads the end, and may still write. */
export function shutdownWrite(socket: number): void {
  check(syscall(nr("shutdown"), socket, SHUT_WR), "shutdown");
}
