/** Arithmetic of IPv4: addresses are unsigned 32-bit numbers, subnets an address and a prefix length. */

export interface Subnet {
  /** The network's own address: host bits are zero. */
  base: number;
  /** 0 to 32. */
  prefix: number;
}

/** Dotted decimal, four parts without leading zeros; undefined for anything else. */
export function parseAddress(text: string): number | undefined {
  const parts = /^(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/.exec(text);
  if (!parts) return undefined;
  let value = 0;
  for (const part of parts.slice(1)) {
    if (Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

export function formatAddress(value: number): string {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join(".");
}

/** `172.17.0.1/16`: the address with its host bits, and the subnet that it lies in. Undefined when it is not one. */
export function parseInterfaceAddress(text: string): { address: number; subnet: Subnet } | undefined {
  const parts = /^([^/]+)\/(0|[1-9]\d?)$/.exec(text);
  const address = parts ? parseAddress(parts[1]!) : undefined;
  const prefix = Number(parts?.[2]);
  if (address === undefined || prefix > 32) return undefined;
  return { address, subnet: subnetOf(address, prefix) };
}

export function subnetOf(address: number, prefix: number): Subnet {
  return { base: (address & mask(prefix)) >>> 0, prefix };
}

/** `172.17.0.0/16` */
export function formatSubnet(subnet: Subnet): string {
  return `${formatAddress(subnet.base)}/${subnet.prefix}`;
}

export function mask(prefix: number): number {
  return prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
}

/** How many addresses: 1 to 2^32. */
export function sizeOf(subnet: Subnet): number {
  return 2 ** (32 - subnet.prefix);
}

export function broadcastOf(subnet: Subnet): number {
  return subnet.base + sizeOf(subnet) - 1;
}

export function contains(subnet: Subnet, address: number): boolean {
  return (address & mask(subnet.prefix)) >>> 0 === subnet.base;
}

/** Two subnets overlap exactly when the larger one holds the other's base. */
export function overlaps(a: Subnet, b: Subnet): boolean {
  return a.prefix <= b.prefix ? contains(a, b.base) : contains(b, a.base);
}

/** Docker's rule for a container's hardware address: 02:42, then the address. */
export function macOf(address: number): string {
  const hex = address.toString(16).padStart(8, "0");
  return ["02", "42", hex.slice(0, 2), hex.slice(2, 4), hex.slice(4, 6), hex.slice(6, 8)].join(":");
}
