/** What the kernel tells of Unix sockets: sock_diag(7), unix_diag. */
import { fstatSync } from "node:fs";
import { attributes, type NetlinkSocket, netlinkFamilies, openNetlink } from "./netlink.ts";

const SOCK_DIAG_BY_FAMILY = 20;
const AF_UNIX = 1;
const UDIAG_SHOW_PEER = 4;
const UNIX_DIAG_PEER = 2;
/** struct unix_diag_msg: family, type, state, padding, inode, cookie. */
const messageSize = 16;

let socket: NetlinkSocket | undefined;

/**
 * Whether the other side has accepted the connected stream or seqpacket socket: `connect` succeeds before that. Undefined
 * when the kernel does not tell (unix_diag is a module).
 */
export function isAccepted(fd: number): boolean | undefined {
  // struct unix_diag_req: family, protocol, padding, states, inode, what to show, no cookie.
  const request = Buffer.alloc(24, 0xff);
  request.writeUInt32LE(AF_UNIX, 0);
  request.writeUInt32LE(fstatSync(fd).ino, 8);
  request.writeUInt32LE(UDIAG_SHOW_PEER, 12);
  try {
    socket ??= openNetlink(netlinkFamilies.diagnosis);
    const [answer] = socket.request(SOCK_DIAG_BY_FAMILY, 0, "unix socket", request);
    const peer = answer && attributes(answer.body, messageSize).get(UNIX_DIAG_PEER);
    // The socket that waits in the queue of the listener has no inode yet.
    return peer ? peer.readUInt32LE(0) !== 0 : undefined;
  } catch {
    return undefined;
  }
}
