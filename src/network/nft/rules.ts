/** The nft rules of a bridge, as text for nft(8). Pure: what is in force is `nft.ts`'s. */
import { formatAddress } from "../address/ipv4.ts";
import type { PortBinding } from "../network.ts";
import { hostOf } from "../ports/ports.ts";

export interface Published {
  binding: PortBinding;
  /** The container's. */
  address: string;
}

/** The table of one bridge; no other server's bridge has this name on this host. */
export function tableOf(bridge: string): string {
  return `gantry-${bridge}`;
}

/**
 * The whole rule set in one transaction, over whatever an earlier server left: rules are replaced, what is published stays
 * (running containers live on while the server starts).
 *
 * Published ports are elements of two maps, so that publishing changes no rule: `published` for every address of the host,
 * `published-at` for one address of it.
 */
export function tableRules(bridge: string, subnet: string): string {
  const table = `ip ${tableOf(bridge)}`;
  return `
add table ${table}
flush table ${table}
table ${table} {
  map published {
    type inet_proto . inet_service : ipv4_addr . inet_service
  }
  map published-at {
    type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
  }
  # route_localnet, which publishing on 127.0.0.1 needs, would open the host's loopback to its neighbours (CVE-2020-8558).
  chain raw {
    type filter hook prerouting priority raw; policy accept;
    iifname != "lo" ip daddr 127.0.0.0/8 drop
  }
  chain translate {
    dnat ip to ip daddr . meta l4proto . th dport map @published-at
    fib daddr type local dnat ip to meta l4proto . th dport map @published
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    jump translate
  }
  chain output {
    type nat hook output priority -100; policy accept;
    jump translate
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname != "${bridge}" ip saddr ${subnet} masquerade
    oifname "${bridge}" ip saddr 127.0.0.0/8 masquerade
    oifname "${bridge}" ip saddr ${subnet} ct status dnat masquerade
  }
  # From outside only answers and published ports reach a container.
  chain forward {
    type filter hook forward priority filter; policy accept;
    oifname != "${bridge}" accept
    iifname "${bridge}" accept
    ct state established,related accept
    ct status dnat accept
    drop
  }
}
`;
}

export function removeTable(bridge: string): string {
  const table = `ip ${tableOf(bridge)}`;
  return `add table ${table}\ndelete table ${table}\n`;
}

/** Where forwarding is on because of us, it is on for containers' bridges alone. One table for all servers of the host. */
export const forwardingTable = "gantry-forwarding";

export function restrictForwarding(): string {
  const table = `ip ${forwardingTable}`;
  return `
add table ${table}
flush table ${table}
table ${table} {
  chain forward {
    type filter hook forward priority filter; policy accept;
    meta iifkind != "bridge" meta oifkind != "bridge" drop comment "net.ipv4.ip_forward was switched on by Gantry for containers only"
  }
}
`;
}

export function addPublished(bridge: string, published: Published[]): string {
  return published.map((one) => `add element ip ${tableOf(bridge)} ${element(one, true)}\n`).join("");
}

export function removePublished(bridge: string, published: Published[]): string {
  return published.map((one) => `delete element ip ${tableOf(bridge)} ${element(one, false)}\n`).join("");
}

/** Exactly these are published, and nothing else. */
export function replacePublished(bridge: string, published: Published[]): string {
  const table = `ip ${tableOf(bridge)}`;
  return `flush map ${table} published\nflush map ${table} published-at\n${addPublished(bridge, published)}`;
}

function element({ binding, address }: Published, whole: boolean): string {
  const host = hostOf(binding);
  const key = `${host === 0 ? "" : `${formatAddress(host)} . `}${binding.protocol} . ${binding.hostPort}`;
  const value = whole ? ` : ${address} . ${binding.containerPort}` : "";
  return `${host === 0 ? "published" : "published-at"} { ${key}${value} }`;
}
