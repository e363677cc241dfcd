/**
 * Takes a port of the host for a container, so that no other process gets it and a taken one is noticed, without ever
 * answering on it: the socket drops whatever reaches it. (Packets for the container are translated before they would.)
 */
import { closeSync } from "node:fs";
import { address, check, nr, syscall } from "./libc.ts";

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ATTACH_FILTER = 26;
const SO_LOCK_FILTER = 44;

const kinds = {
  tcp: { type: SOCK_STREAM, protocol: 6 },
  udp: { type: SOCK_DGRAM, protocol: 17 },
  sctp: { type: SOCK_STREAM, protocol: 132 },
} as const;

/**
 * A bound socket, for streams a listening one: only a listener keeps out those that bind with SO_REUSEADDR, and it is seen
 * by `ss -l`. `host` is an address as an unsigned number. Throws a SysError of `bind` or `listen`: EADDRINUSE,
 * EADDRNOTAVAIL; of `socket` (EPROTONOSUPPORT) when the kernel has no SCTP.
 */
export function reservePort(protocol: keyof typeof kinds, host: number, port: number): number {
  const kind = kinds[protocol];
  const type = kind.type | SOCK_CLOEXEC | SOCK_NONBLOCK;
  const fd = check(syscall(nr("socket"), AF_INET, type, kind.protocol), "socket", protocol);
  try {
    dropEverything(fd);
    const stream = kind.type === SOCK_STREAM;
    // Without it connections of an earlier server that wait in TIME_WAIT would count as taking the port. Never for
    // datagrams: two such sockets would share the port.
    if (stream) option(fd, SO_REUSEADDR, int(1));
    const name = socketName(host, port);
    check(syscall(nr("bind"), fd, address(name), name.length), "bind");
    if (stream) check(syscall(nr("listen"), fd, 1), "listen");
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** A classic BPF program of one instruction, "return 0 bytes": for a listener also connection requests are dropped. */
function dropEverything(fd: number): void {
  const instruction = Buffer.alloc(8);
  instruction.writeUInt16LE(0x06, 0);
  const program = Buffer.alloc(16);
  program.writeUInt16LE(1, 0);
  program.writeBigUInt64LE(BigInt(address(instruction)), 8);
  option(fd, SO_ATTACH_FILTER, program);
  option(fd, SO_LOCK_FILTER, int(1));
}

function option(fd: number, name: number, value: Buffer): void {
  check(syscall(nr("setsockopt"), fd, SOL_SOCKET, name, address(value), value.length), "setsockopt");
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

/** struct sockaddr_in. */
function socketName(host: number, port: number): Buffer {
  const name = Buffer.alloc(16);
  name.writeUInt16LE(AF_INET, 0);
  name.writeUInt16BE(port, 2);
  name.writeUInt32BE(host, 4);
  return name;
}
