/**
 * Netlink: one blocking socket of a family, its requests and their answers (netlink(7), include/uapi/linux/netlink.h).
 * A socket stays in the network namespace of the thread that opened it, wherever the thread goes afterwards.
 */
import { closeSync } from "node:fs";
import { address, check, errno, nr, SysError, syscall } from "./libc.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const EINTR = 4;

const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLMSG_HEADER = 16;
const NLMSGERR_ATTR_MSG = 1;
const NLM_F_MULTI = 2;
const NLM_F_ACK_TLVS = 0x200;

export const netlinkFamilies = { route: 0, diagnosis: 4, netfilter: 12 } as const;

/** Request flags, to be or'ed. */
export const netlinkFlags = {
  request: 1,
  ack: 4,
  dump: 0x300,
  exclusive: 0x200,
  create: 0x400,
  replace: 0x100,
} as const;

/** Seconds after which an answer is given up: the kernel answers within the call, so this only guards against a hang. */
const answerTimeout = 10;

export interface NetlinkMessage {
  type: number;
  /** What follows the header: the family's fixed part, then attributes. */
  body: Buffer;
}

/** One attribute: number and payload, padded to four bytes. */
export function attribute(type: number, payload: Uint8Array): Buffer {
  const padded = Buffer.alloc(4 + ((payload.length + 3) & ~3));
  padded.writeUInt16LE(4 + payload.length, 0);
  padded.writeUInt16LE(type, 2);
  padded.set(payload, 4);
  return padded;
}

const NLA_F_NESTED = 0x8000;

/** An attribute made of attributes. */
export function nested(type: number, ...attributes: Buffer[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(attributes));
}

export function u8(value: number): Buffer {
  return Buffer.from([value]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

/** The attributes of a message, by number; of several with one number the last. Stops at what is malformed. */
export function attributes(body: Buffer, from: number): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = from; at + 4 <= body.length; ) {
    const length = body.readUInt16LE(at);
    if (length < 4 || at + length > body.length) break;
    found.set(body.readUInt16LE(at + 2) & 0x3fff, body.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}

/** A zero-terminated text attribute. */
export function text(payload: Buffer): string {
  const end = payload.indexOf(0);
  return payload.toString("utf8", 0, end === -1 ? payload.length : end);
}

/** A socket in the calling thread's namespace. */
export function openNetlink(family: number): NetlinkSocket {
  return new NetlinkSocket(
    check(syscall(nr("socket"), AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family), "socket", "netlink"),
  );
}

export class NetlinkSocket {
  readonly #fd: number;
  readonly #buffer = Buffer.from(new ArrayBuffer(256 * 1024));
  #sequence = 0;

  /** Takes over the descriptor of a blocking netlink socket. */
  constructor(fd: number) {
    this.#fd = fd;
    const on = u32(1);
    // Both only improve error texts: older kernels go on without them.
    syscall(nr("setsockopt"), this.#fd, SOL_NETLINK, NETLINK_EXT_ACK, address(on), 4);
    syscall(nr("setsockopt"), this.#fd, SOL_NETLINK, NETLINK_CAP_ACK, address(on), 4);
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(BigInt(answerTimeout));
    check(syscall(nr("setsockopt"), this.#fd, SOL_SOCKET, SO_RCVTIMEO, address(timeout), 16), "setsockopt", "netlink");
  }

  /**
   * Sends one request and reads its answers up to the acknowledgement. Blocks, as the kernel works within the call:
   * microseconds for reads, milliseconds for what changes devices. Throws a SysError; its `subject` is `what` with the
   * kernel's own explanation, if it gave one.
   */
  request(type: number, flags: number, what: string, ...body: Buffer[]): NetlinkMessage[] {
    const sequence = ++this.#sequence;
    const payload = Buffer.concat(body);
    const message = Buffer.alloc(NLMSG_HEADER + payload.length);
    message.writeUInt32LE(message.length, 0);
    message.writeUInt16LE(type, 4);
    message.writeUInt16LE(flags | netlinkFlags.request | netlinkFlags.ack, 6);
    message.writeUInt32LE(sequence, 8);
    payload.copy(message, NLMSG_HEADER);
    check(syscall(nr("sendto"), this.#fd, address(message), message.length, 0, 0, 0), "netlink", what);
    return this.#answers(sequence, what);
  }

  #answers(sequence: number, what: string): NetlinkMessage[] {
    const found: NetlinkMessage[] = [];
    while (true) {
      const length = this.#receive(what);
      for (let at = 0; at + NLMSG_HEADER <= length; ) {
        const size = this.#buffer.readUInt32LE(at);
        if (size < NLMSG_HEADER || at + size > length) break;
        const type = this.#buffer.readUInt16LE(at + 4);
        const flags = this.#buffer.readUInt16LE(at + 6);
        const answered = this.#buffer.readUInt32LE(at + 8);
        const body = this.#buffer.subarray(at + NLMSG_HEADER, at + size);
        at += (size + 3) & ~3;
        // Left over from a request whose answer was given up.
        if (answered !== sequence) continue;
        if (type === NLMSG_DONE) return found;
        if (type !== NLMSG_ERROR) {
          found.push({ type, body: Buffer.from(body) });
          continue;
        }
        const error = -body.readInt32LE(0);
        if (error === 0) return found;
        throw new SysError("netlink", error, explained(what, body, flags));
      }
    }
  }

  #receive(what: string): number {
    while (true) {
      const got = syscall(nr("recvfrom"), this.#fd, address(this.#buffer), this.#buffer.length, 0, 0, 0);
      if (got !== -1) return got;
      if (errno() !== EINTR) check(got, "netlink", what);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** struct nlmsgerr, with NETLINK_CAP_ACK: error, the request's header, then attributes. */
function explained(what: string, body: Buffer, flags: number): string {
  if ((flags & NLM_F_ACK_TLVS) === 0 || (flags & NLM_F_MULTI) !== 0) return what;
  const message = attributes(body, 4 + NLMSG_HEADER).get(NLMSGERR_ATTR_MSG);
  return message ? `${what} (${text(message)})` : what;
}
