/** Other programs' chains that would drop what our bridge forwards: one rule each, marked as ours, lets it pass. */
import { NetworkError } from "../network.ts";
import { nft, nftList } from "./nft.ts";

export interface Chain {
  family: string;
  table: string;
  name: string;
  hook?: string;
  policy?: string;
}

interface Rule {
  family: string;
  table: string;
  chain: string;
  handle: number;
  comment?: string;
}

/** Every chain of the host's rule set. */
export async function listChains(): Promise<Chain[]> {
  const listing = (await nftList("list", "chains")) as { nftables: { chain?: Chain }[] };
  return listing.nftables.flatMap((entry) => (entry.chain ? [entry.chain] : []));
}

/**
 * A packet must be accepted by each forward chain of the host, so ours cannot overrule one that drops (dockerd's, or a
 * firewall's): our rules go to its front, or to DOCKER-USER, which dockerd leaves to others.
 */
function chainsToOpen(chains: Chain[]): Chain[] {
  return chains
    .filter((one) => one.hook === "forward" && one.policy === "drop" && (one.family === "ip" || one.family === "inet"))
    .filter((one) => !one.table.startsWith("gantry-"))
    .map(
      (one) =>
        chains.find((user) => user.name === "DOCKER-USER" && user.family === one.family && user.table === one.table) ??
        one,
    );
}

const mark = (bridge: string) => `gantry ${bridge}`;

export async function openForeignChains(
  bridge: string,
  chains: Chain[],
  log: (message: string) => void,
): Promise<void> {
  for (const { family, table, name } of chainsToOpen(chains)) {
    const comment = mark(bridge);
    if ((await rulesOf({ family, table, name })).some((rule) => rule.comment === comment)) continue;
    const insert = (device: string) =>
      `insert rule ${family} ${table} ${name} ${device} "${bridge}" counter accept comment "${comment}"\n`;
    try {
      await nft(insert("iifname") + insert("oifname"));
      log(
        `table ${family} ${table} drops what is forwarded: two rules marked "${comment}" in its chain ${name} let bridge ${bridge} pass`,
      );
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      log(
        `table ${family} ${table} drops what bridge ${bridge} forwards, and its chain ${name} takes no rule: ${error.message}`,
      );
    }
  }
}

/** Removes the marked rules wherever they are. */
export async function closeForeignChains(bridge: string, chains: Chain[]): Promise<void> {
  const candidates = chains.filter(
    (one) => !one.table.startsWith("gantry-") && (one.hook === "forward" || one.name === "DOCKER-USER"),
  );
  for (const chain of candidates) {
    const ours = (await rulesOf(chain)).filter((rule) => rule.comment === mark(bridge));
    if (ours.length === 0) continue;
    await nft(
      ours.map((rule) => `delete rule ${rule.family} ${rule.table} ${rule.chain} handle ${rule.handle}\n`).join(""),
    );
  }
}

async function rulesOf({ family, table, name }: Chain): Promise<Rule[]> {
  try {
    const listing = (await nftList("-a", "list", "chain", family, table, name)) as { nftables: { rule?: Rule }[] };
    return listing.nftables.flatMap((entry) => (entry.rule ? [entry.rule] : []));
  } catch (error) {
    // Its owner removed it meanwhile.
    if (error instanceof NetworkError) return [];
    throw error;
  }
}
