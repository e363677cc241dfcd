/**
 * The kernel's table of flows, by ctnetlink (include/uapi/linux/netfilter/nfnetlink_conntrack.h). A flow is translated as
 * it was at its first packet: a client that goes on sending from the same port would miss a container that came later, or
 * go on reaching the address of one that ended. Streams begin anew by themselves, datagrams do not.
 */
import { attribute, attributes, type NetlinkSocket, nested, netlinkFlags, u8, u32 } from "../../sys/netlink.ts";

const AF_INET = 2;
const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;
const CTA_TUPLE_ORIG = 1;
const CTA_ID = 12;
const CTA_FILTER = 25;
const CTA_FILTER_ORIG_FLAGS = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_DST_PORT = 3;
// Which parts of the tuple a filter compares (net/netfilter/nf_internals.h).
const compareProtocol = 1 << 3;
const compareDestinationPort = 1 << 5;
const NLA_F_NESTED = 0x8000;
const udp = 17;

/** struct nfgenmsg. */
const head = Buffer.from([AF_INET, 0, 0, 0]);

const type = (message: number) => (NFNL_SUBSYS_CTNETLINK << 8) | message;

/** Removes every UDP flow to this port, whatever its address. `socket` is of the netfilter family. */
export function forgetFlows(socket: NetlinkSocket, port: number): void {
  const destination = Buffer.alloc(2);
  destination.writeUInt16BE(port);
  const protocol = nested(
    CTA_TUPLE_PROTO,
    attribute(CTA_PROTO_NUM, u8(udp)),
    attribute(CTA_PROTO_DST_PORT, destination),
  );
  // The kernel compares (since 5.8): the table may have a hundred thousand entries.
  const filter = nested(CTA_FILTER, attribute(CTA_FILTER_ORIG_FLAGS, u32(compareProtocol | compareDestinationPort)));
  const wanted = [head, nested(CTA_TUPLE_ORIG, protocol), filter];
  const flows = socket.request(type(IPCTNL_MSG_CT_GET), netlinkFlags.dump, "list flows", ...wanted);
  for (const { body } of flows) {
    const found = attributes(body, head.length);
    const tuple = found.get(CTA_TUPLE_ORIG);
    const id = found.get(CTA_ID);
    if (!tuple || !id) continue;
    try {
      const which = [attribute(CTA_TUPLE_ORIG | NLA_F_NESTED, tuple), attribute(CTA_ID, id)];
      socket.request(type(IPCTNL_MSG_CT_DELETE), 0, "forget a flow", head, ...which);
    } catch (error) {
      // It ended by itself.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}
