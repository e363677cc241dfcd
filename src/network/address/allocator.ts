/** The addresses of one subnet: which are free, lowest first. */
import { NetworkError } from "../network.ts";
import { broadcastOf, contains, formatAddress, formatSubnet, type Subnet } from "./ipv4.ts";

export interface Allocator {
  /** The lowest free address. NetworkError `exhausted` when there is none. */
  take(): number;
  /** Takes this one. NetworkError `invalid` outside of the subnet, `conflict` when it is taken or reserved. */
  claim(address: number): void;
  /** Gives it back; nothing happens when it is free or reserved. */
  free(address: number): void;
  taken(address: number): boolean;
}

/** `reserved`: beside the network's and the broadcast address, what no container gets (the gateway). */
export function createAllocator(subnet: Subnet, reserved: number[]): Allocator {
  // A /31 and a /32 have neither network nor broadcast address (RFC 3021).
  const small = subnet.prefix >= 31;
  const first = small ? subnet.base : subnet.base + 1;
  const last = small ? broadcastOf(subnet) : broadcastOf(subnet) - 1;
  const kept = new Set(small ? reserved : [...reserved, subnet.base, broadcastOf(subnet)]);
  const used = new Set<number>();
  // Every address below is taken, so a take seldom looks at more than one.
  let lowest = first;

  const taken = (address: number) => used.has(address) || kept.has(address);

  return {
    taken,
    take() {
      while (lowest <= last && taken(lowest)) lowest++;
      if (lowest > last) {
        throw new NetworkError(
          `no available IPv4 addresses on this network's address pool: ${formatSubnet(subnet)}`,
          "exhausted",
        );
      }
      used.add(lowest);
      return lowest++;
    },
    claim(address) {
      if (!contains(subnet, address)) {
        throw new NetworkError(
          `Invalid address ${formatAddress(address)}: It does not belong to any of this network's subnets`,
          "invalid",
        );
      }
      if (taken(address)) throw new NetworkError("Address already in use", "conflict");
      used.add(address);
    },
    free(address) {
      if (used.delete(address) && address < lowest) lowest = address;
    },
  };
}
