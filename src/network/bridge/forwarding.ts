/** IPv4 forwarding of the host: switched on when it is off, and then for containers' bridges alone. */
import { readFileSync, writeFileSync } from "node:fs";
import type { NetlinkSocket } from "../../sys/netlink.ts";
import { listLinks } from "../link/link.ts";
import type { Chain } from "../nft/chains.ts";
import { nft } from "../nft/nft.ts";
import { forwardingTable, restrictForwarding } from "../nft/rules.ts";

const setting = "/proc/sys/net/ipv4/ip_forward";

/** The restriction is in force before the first packet is forwarded. */
export async function enableForwarding(log: (message: string) => void): Promise<void> {
  if (readFileSync(setting, "utf8").trim() !== "0") return;
  await nft(restrictForwarding());
  writeFileSync(setting, "1");
  log(
    `net.ipv4.ip_forward was 0 and is 1 now, for containers' bridges only: table ip ${forwardingTable} drops what is forwarded between other devices`,
  );
}

/**
 * Undoes it when nobody else needs it: no table of another bridge of ours, no other bridge on the host (a dockerd that
 * started later found forwarding on and relies on it).
 */
export async function disableForwarding(socket: NetlinkSocket, chains: Chain[]): Promise<void> {
  const tables = new Set(chains.filter((one) => one.family === "ip").map((one) => one.table));
  if (!tables.has(forwardingTable)) return;
  if ([...tables].some((table) => table.startsWith("gantry-") && table !== forwardingTable)) return;
  if (listLinks(socket).some((link) => link.kind === "bridge")) return;
  writeFileSync(setting, "0");
  await nft(`delete table ip ${forwardingTable}\n`);
}
