import { describe, expect, test } from "bun:test";
import { createAllocator } from "./allocator.ts";
import { chooseAsked, chooseFromPools, type Occupied } from "./choose.ts";
import {
  broadcastOf,
  contains,
  formatAddress,
  formatSubnet,
  macOf,
  overlaps,
  parseAddress,
  parseInterfaceAddress,
  type Subnet,
  sizeOf,
  subnetOf,
} from "./ipv4.ts";

/** mulberry32: the same numbers in each run. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

const occupied = (text: string): Occupied => ({
  subnet: parseInterfaceAddress(text)!.subnet,
  by: `route ${text} of eth0`,
});

describe("arithmetic", () => {
  test("addresses survive the way to text and back", () => {
    const next = random(1);
    for (let count = 0; count < 2000; count++) {
      const address = next(2 ** 32);
      expect(parseAddress(formatAddress(address))).toBe(address);
    }
  });

  test.each(["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", "a.b.c.d", "-1.2.3.4", "1e1.2.3.4"])(
    "%j is no address",
    (text) => {
      expect(parseAddress(text)).toBeUndefined();
    },
  );

  test.each(["10.0.0.1", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/08", "10.0.0.1/8/8"])(
    "%j is no interface address",
    (text) => {
      expect(parseInterfaceAddress(text)).toBeUndefined();
    },
  );

  test("subnets agree with the definition", () => {
    const next = random(2);
    for (let count = 0; count < 2000; count++) {
      const subnet = subnetOf(next(2 ** 32), next(33));
      const inside = subnet.base + next(sizeOf(subnet));
      expect(contains(subnet, inside)).toBe(true);
      expect(contains(subnet, broadcastOf(subnet))).toBe(true);
      if (subnet.base > 0) expect(contains(subnet, subnet.base - 1)).toBe(false);
      if (broadcastOf(subnet) < 2 ** 32 - 1) expect(contains(subnet, broadcastOf(subnet) + 1)).toBe(false);
      const other = subnetOf(next(2 ** 32), next(12));
      const meet = subnet.base <= broadcastOf(other) && other.base <= broadcastOf(subnet);
      expect(overlaps(subnet, other)).toBe(meet);
      expect(overlaps(other, subnet)).toBe(meet);
    }
  });

  test("a hardware address follows the address", () => {
    expect(macOf(parseAddress("172.17.0.2")!)).toBe("02:42:ac:11:00:02");
  });
});

describe("allocator", () => {
  test("gives the lowest first, not the reserved ones, and what was freed again", () => {
    const subnet = parseInterfaceAddress("10.0.0.0/29")!.subnet;
    const addresses = createAllocator(subnet, [subnet.base + 1]);
    const take = () => formatAddress(addresses.take());
    expect([take(), take(), take(), take(), take()]).toEqual([
      "10.0.0.2",
      "10.0.0.3",
      "10.0.0.4",
      "10.0.0.5",
      "10.0.0.6",
    ]);
    expect(take).toThrow("no available IPv4 addresses on this network's address pool: 10.0.0.0/29");
    addresses.free(parseAddress("10.0.0.4")!);
    addresses.free(parseAddress("10.0.0.1")!);
    expect(take()).toBe("10.0.0.4");
    expect(take).toThrow("no available");
  });

  test("claims what is free and inside", () => {
    const subnet = parseInterfaceAddress("10.0.0.0/24")!.subnet;
    const addresses = createAllocator(subnet, [subnet.base + 1]);
    addresses.claim(parseAddress("10.0.0.2")!);
    expect(formatAddress(addresses.take())).toBe("10.0.0.3");
    for (const taken of ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.255"]) {
      expect(() => addresses.claim(parseAddress(taken)!)).toThrow("Address already in use");
    }
    expect(() => addresses.claim(parseAddress("10.0.1.2")!)).toThrow("10.0.1.2");
  });

  test("agrees with a plain set, whatever is taken, claimed and freed", () => {
    const next = random(3);
    for (let round = 0; round < 50; round++) {
      const subnet: Subnet = subnetOf(next(2 ** 32), 25 + next(8));
      const reserved = subnet.base + next(sizeOf(subnet));
      const addresses = createAllocator(subnet, [reserved]);
      const small = subnet.prefix >= 31;
      const free = new Set<number>();
      for (let at = subnet.base; at <= broadcastOf(subnet); at++) {
        if (at === reserved || (!small && (at === subnet.base || at === broadcastOf(subnet)))) continue;
        free.add(at);
      }
      const all = [...free];
      for (let step = 0; step < 300; step++) {
        const some = subnet.base + next(sizeOf(subnet));
        if (next(3) === 0) {
          addresses.free(some);
          if (all.includes(some)) free.add(some);
        } else if (next(4) === 0) {
          if (free.delete(some)) addresses.claim(some);
          else expect(() => addresses.claim(some)).toThrow();
        } else if (free.size === 0) expect(() => addresses.take()).toThrow();
        else {
          const lowest = Math.min(...free);
          expect(addresses.take()).toBe(lowest);
          free.delete(lowest);
        }
      }
    }
  });
});

describe("choice of the subnet", () => {
  const pools = [
    { base: "172.17.0.0/16", size: 16 },
    { base: "172.18.0.0/16", size: 16 },
    { base: "192.168.0.0/16", size: 20 },
  ];
  const chosen = (...used: string[]) => formatSubnet(chooseFromPools(pools, used.map(occupied)).subnet);

  test("takes the first of the pools that is free", () => {
    expect(chosen()).toBe("172.17.0.0/16");
    expect(chosen("172.17.5.0/24")).toBe("172.18.0.0/16");
    expect(chosen("172.16.0.0/12")).toBe("192.168.0.0/20");
    expect(chosen("172.16.0.0/12", "192.168.0.0/24", "192.168.16.0/24")).toBe("192.168.32.0/20");
    expect(formatAddress(chooseFromPools(pools, []).gateway)).toBe("172.17.0.1");
  });

  test("says what the host uses when nothing is left", () => {
    expect(() => chosen("172.16.0.0/12", "192.168.0.0/16")).toThrow(
      "route 172.16.0.0/12 of eth0, route 192.168.0.0/16",
    );
    expect(() => chooseFromPools([{ base: "10.0.0.0/16", size: 8 }], [])).toThrow("base=10.0.0.0/16,size=8");
  });

  test("never overlaps, and is the lowest that does not", () => {
    const next = random(4);
    for (let round = 0; round < 300; round++) {
      const used = Array.from({ length: next(12) }, () => ({
        subnet: subnetOf(0x0a000000 + next(2 ** 16), 18 + next(15)),
        by: "x",
      }));
      const size = 20 + next(8);
      const pool = [{ base: "10.0.0.0/16", size }];
      const candidates = Array.from({ length: 2 ** (size - 16) }, (_, at) =>
        subnetOf(0x0a000000 + at * 2 ** (32 - size), size),
      );
      const expected = candidates.find((one) => !used.some((other) => overlaps(one, other.subnet)));
      if (expected) expect(chooseFromPools(pool, used).subnet).toEqual(expected);
      else expect(() => chooseFromPools(pool, used)).toThrow();
    }
  });

  test("an address that was asked for is taken or refused by name", () => {
    expect(formatSubnet(chooseAsked("10.9.8.7/20", []).subnet)).toBe("10.9.0.0/20");
    expect(() => chooseAsked("10.9.8.7/20", [occupied("10.0.0.0/8")])).toThrow(
      "bridge address 10.9.8.7/20 overlaps with route 10.0.0.0/8 of eth0",
    );
    for (const bad of [
      "10.0.0.1",
      "10.0.0.0/24",
      "10.0.0.255/24",
      "10.0.0.1/31",
      "127.0.0.1/8",
      "224.0.0.1/8",
      "x/8",
      "",
    ]) {
      expect(() => chooseAsked(bad, [])).toThrow(bad);
    }
  });
});
