/** Network namespaces of one bridge: made ahead, so that a container finds one ready, and removed in batches. */
import { join } from "node:path";
import type { Allocator } from "../address/allocator.ts";
import { macOf } from "../address/ipv4.ts";
import { assign, type TaskError } from "./crew.ts";

/** A namespace with its end of a veth pair, and everything that it holds. */
export interface Prepared {
  /** The namespace's file. */
  path: string;
  /** The host's end of the pair. */
  veth: string;
  address: number;
  mac: string;
}

export interface PoolOptions {
  directory: string;
  /** Index of the bridge. */
  bridge: number;
  mtu: number;
  prefix: number;
  gateway: number;
  addresses: Allocator;
  /** How many wait. */
  ready: number;
  log(message: string): void;
}

export interface Pool {
  /** A ready one, at once; else, or when an address is asked for that none of them has, one made now. */
  take(wanted: { address?: number; mac?: string }): Promise<Prepared>;
  /** Unbinds it and takes it off the bridge, then frees its address. The devices go a little later. */
  remove(prepared: Prepared): Promise<void>;
  /** Begins to make what is missing. */
  fill(): void;
  /** Removes what waits; what was taken stays. */
  close(): Promise<void>;
}

/** Between a take and the refill: the container that starts right then has the processors for itself. */
const refillDelay = 100;

/** Until devices whose namespaces should have taken them along are looked after. */
const burialDelay = 2000;

const vethPrefix = "gveth";

/** A namespace's file and the host's end of its pair share a random name, so that one is found by the other. */
export function vethOf(path: string): string {
  return vethPrefix + path.slice(path.lastIndexOf("/") + 1);
}

export function isVethOfOurs(link: string): boolean {
  return link.startsWith(vethPrefix);
}

function newName(): string {
  return crypto.getRandomValues(Buffer.alloc(4)).toString("hex");
}

interface Waiter {
  resolve(prepared: Prepared): void;
  reject(error: unknown): void;
}

export function createPool(options: PoolOptions): Pool {
  const { addresses } = options;
  const waiting: Prepared[] = [];
  const waiters: Waiter[] = [];
  let closed = false;
  let refill: ReturnType<typeof setTimeout> | undefined;
  let making: Promise<void> | undefined;

  async function make(address: number): Promise<Prepared> {
    const { bridge, mtu, prefix, gateway, directory } = options;
    try {
      for (let attempt = 1; ; attempt++) {
        const path = join(directory, newName());
        const prepared = { path, veth: vethOf(path), address, mac: macOf(address) };
        try {
          await assign({ kind: "prepare", bridge, mtu, prefix, gateway, ...prepared }, "now");
          return prepared;
        } catch (error) {
          // EEXIST: another server's has the same random name. Nothing is left of an attempt.
          if (attempt === 3) throw error;
          const { code, message } = error as TaskError;
          if (code !== "EEXIST") options.log(`cannot make a network namespace, trying again: ${message}`);
        }
      }
    } catch (error) {
      addresses.free(address);
      throw error;
    }
  }

  /** One after the other, first for those who wait, so that the lowest address goes to the first who asked. */
  async function makeMissing(whole: boolean): Promise<void> {
    while (waiters.length > 0 || (whole && !closed && waiting.length < options.ready)) {
      const prepared = await make(addresses.take());
      const waiter = waiters.shift();
      if (waiter) waiter.resolve(prepared);
      else {
        waiting.push(prepared);
        waiting.sort((a, b) => a.address - b.address);
      }
    }
  }

  function start(whole: boolean): void {
    making ??= makeMissing(whole)
      .catch((error: Error) => {
        if (waiters.length === 0) options.log(`cannot make a network namespace ready: ${error.message}`);
        for (const waiter of waiters.splice(0)) waiter.reject(error);
      })
      .finally(() => {
        making = undefined;
        if (waiters.length > 0) start(false);
        else if (!whole) fillSoon();
      });
  }

  function fill(): void {
    clearTimeout(refill);
    refill = undefined;
    start(true);
  }

  function fillSoon(): void {
    if (closed || refill || waiting.length >= options.ready) return;
    refill = setTimeout(fill, refillDelay);
    refill.unref();
  }

  function ready(): Prepared | Promise<Prepared> {
    const first = waiting.shift();
    fillSoon();
    if (first) return first;
    return new Promise((resolve, reject) => {
      waiters.push({ resolve, reject });
      start(false);
    });
  }

  async function at(address: number): Promise<Prepared> {
    const index = waiting.findIndex((one) => one.address === address);
    const [found] = index === -1 ? [] : waiting.splice(index, 1);
    fillSoon();
    if (found) return found;
    addresses.claim(address);
    return make(address);
  }

  async function take(wanted: { address?: number; mac?: string }): Promise<Prepared> {
    const prepared = await (wanted.address === undefined ? ready() : at(wanted.address));
    if (wanted.mac === undefined) return prepared;
    try {
      await assign({ kind: "remac", path: prepared.path, mac: wanted.mac }, "now");
    } catch (error) {
      await remove(prepared);
      throw error;
    }
    return { ...prepared, mac: wanted.mac };
  }

  let removals: Prepared[] = [];
  let removing: Promise<void> = Promise.resolve();
  let dying: string[] = [];
  let burial: ReturnType<typeof setTimeout> | undefined;

  /** All that were given while the batch before was at work go together. */
  function remove(prepared: Prepared): Promise<void> {
    removals.push(prepared);
    if (removals.length === 1) removing = removing.catch(() => {}).then(removeBatch);
    return removing;
  }

  async function removeBatch(): Promise<void> {
    const batch = removals;
    removals = [];
    const veths = batch.map((one) => one.veth);
    await assign({ kind: "detach", paths: batch.map((one) => one.path), veths }, "later");
    for (const one of batch) addresses.free(one.address);
    dying.push(...veths);
    burial ??= setTimeout(() => {
      bury().catch((error: Error) => options.log(`cannot remove devices of ended containers: ${error.message}`));
    }, burialDelay);
    burial.unref();
  }

  /** Most went with their namespaces; a process that is still in one may keep it. */
  async function bury(): Promise<void> {
    clearTimeout(burial);
    burial = undefined;
    const veths = dying;
    dying = [];
    if (veths.length > 0) await assign({ kind: "remove", paths: [], veths }, "later");
  }

  async function close(): Promise<void> {
    closed = true;
    clearTimeout(refill);
    await making;
    await Promise.all(waiting.splice(0).map(remove));
    await removing.catch(() => {});
    await bury();
  }

  return { take, remove, fill, close };
}
