/** Which subnet a bridge gets: dockerd's `--bip` and `--default-address-pool`. */
import { NetworkError } from "../network.ts";
import { formatAddress, overlaps, parseInterfaceAddress, type Subnet, sizeOf, subnetOf } from "./ipv4.ts";

/** A subnet that the host uses already, and a name for it: `route 10.0.0.0/8 of eth0`. */
export interface Occupied {
  subnet: Subnet;
  by: string;
}

export interface Chosen {
  gateway: number;
  subnet: Subnet;
}

/** The address that was asked for. NetworkError `invalid` when it is not usable, `conflict` naming what it overlaps with. */
export function chooseAsked(address: string, occupied: Occupied[]): Chosen {
  const parsed = parseInterfaceAddress(address);
  if (!parsed) {
    throw new NetworkError(
      `${JSON.stringify(address)} is not an address with prefix length (172.17.0.1/16 is one)`,
      "invalid",
    );
  }
  const { address: gateway, subnet } = parsed;
  if (subnet.prefix < 8 || subnet.prefix > 30) {
    throw new NetworkError(`${address}: a bridge's prefix length is 8 to 30`, "invalid");
  }
  if (gateway === subnet.base || gateway === subnet.base + sizeOf(subnet) - 1) {
    throw new NetworkError(
      `${address}: ${formatAddress(gateway)} is the network's or its broadcast address`,
      "invalid",
    );
  }
  const first = gateway >>> 24;
  if (first === 0 || first === 127 || first >= 224) {
    throw new NetworkError(`${address} is not an address that a bridge can have`, "invalid");
  }
  const other = occupied.find((one) => overlaps(one.subnet, subnet));
  if (other) throw new NetworkError(`bridge address ${address} overlaps with ${other.by}`, "conflict");
  return { gateway, subnet };
}

/** The first subnet of the pools, in their order, that overlaps with nothing; its first address is the gateway. */
export function chooseFromPools(pools: { base: string; size: number }[], occupied: Occupied[]): Chosen {
  for (const pool of pools) {
    const parsed = parseInterfaceAddress(pool.base);
    if (!parsed || pool.size < parsed.subnet.prefix || pool.size > 30) {
      throw new NetworkError(`base=${pool.base},size=${pool.size} is not an address pool`, "invalid");
    }
    const free = firstFree(parsed.subnet, pool.size, occupied);
    if (free) return { gateway: free.base + 1, subnet: free };
  }
  const names = occupied.map((one) => one.by).slice(0, 8);
  throw new NetworkError(
    `could not find an available, non-overlapping IPv4 address pool for the bridge (the host uses ${names.join(", ")})`,
    "exhausted",
  );
}

/** Jumps over what is occupied instead of trying each subnet: a pool of a /8 holds four million /30. */
function firstFree(pool: Subnet, prefix: number, occupied: Occupied[]): Subnet | undefined {
  const step = 2 ** (32 - prefix);
  const end = pool.base + sizeOf(pool);
  for (let base = pool.base; base + step <= end; ) {
    const candidate = { base, prefix };
    const other = occupied.find((one) => overlaps(one.subnet, candidate));
    if (!other) return candidate;
    base = Math.max(base + step, subnetOf(other.subnet.base + sizeOf(other.subnet) - 1, prefix).base + step);
  }
  return undefined;
}
