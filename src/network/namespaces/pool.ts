/** Network namespaces of one bridge: made ahead, so that a container finds one ready, and removed in batches. */
import { join } from "node:path";
import type { Allocator } from "../address/allocator.ts";
import { macOf } from "../address/ipv4.ts";
import { assign, type TaskError, type Urgency } from "./crew.ts";

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
  /** A ready one, at once; else, or when an address or a MAC is asked for, one made now. */
  take(wanted: { address?: number; mac?: string }): Promise<Prepared>;
  /** Removes it, then frees its address. */
  remove(prepared: Prepared): Promise<void>;
  /** Begins to make what is missing. */
  fill(): void;
  /** Removes what waits; what was taken stays. */
  close(): Promise<void>;
}

/** Between a take and the refill: the container that starts right then has the processors for itself. */
const refillDelay = 100;

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

export function createPool(options: PoolOptions): Pool {
  const { addresses } = options;
  const waiting: Prepared[] = [];
  let closed = false;
  let refill: ReturnType<typeof setTimeout> | undefined;
  let filling: Promise<void> | undefined;

  async function make(urgency: Urgency, wanted: { address?: number; mac?: string }): Promise<Prepared> {
    if (wanted.address !== undefined) addresses.claim(wanted.address);
    const address = wanted.address ?? addresses.take();
    try {
      return await makeAt(urgency, address, wanted.mac ?? macOf(address));
    } catch (error) {
      addresses.free(address);
      throw error;
    }
  }

  async function makeAt(urgency: Urgency, address: number, mac: string): Promise<Prepared> {
    const { bridge, mtu, prefix, gateway, directory } = options;
    for (let attempt = 1; ; attempt++) {
      const path = join(directory, newName());
      const prepared = { path, veth: vethOf(path), address, mac };
      try {
        await assign({ kind: "prepare", bridge, mtu, prefix, gateway, ...prepared }, urgency);
        return prepared;
      } catch (error) {
        // Another server's has the same random name.
        if ((error as TaskError).code !== "EEXIST" || attempt === 3) throw error;
      }
    }
  }

  async function fillUp(): Promise<void> {
    while (!closed && waiting.length < options.ready) {
      waiting.push(await make("later", {}));
      waiting.sort((a, b) => a.address - b.address);
    }
  }

  function fill(): void {
    clearTimeout(refill);
    refill = undefined;
    filling ??= fillUp()
      .catch((error: Error) => options.log(`cannot make a network namespace ready: ${error.message}`))
      .finally(() => {
        filling = undefined;
      });
  }

  function fillSoon(): void {
    if (closed || refill || waiting.length >= options.ready) return;
    refill = setTimeout(fill, refillDelay);
    refill.unref();
  }

  async function take(wanted: { address?: number; mac?: string }): Promise<Prepared> {
    const ready = wanted.address === undefined && wanted.mac === undefined ? waiting.shift() : undefined;
    fillSoon();
    return ready ?? make("now", wanted);
  }

  let removals: Prepared[] = [];
  let removing: Promise<void> = Promise.resolve();

  /** All that were given while the batch before was at work go together: the kernel waits once for a batch. */
  function remove(prepared: Prepared): Promise<void> {
    removals.push(prepared);
    if (removals.length === 1) removing = removing.catch(() => {}).then(removeBatch);
    return removing;
  }

  async function removeBatch(): Promise<void> {
    const batch = removals;
    removals = [];
    await assign({ kind: "remove", paths: batch.map((one) => one.path), veths: batch.map((one) => one.veth) }, "later");
    for (const one of batch) addresses.free(one.address);
  }

  async function close(): Promise<void> {
    closed = true;
    clearTimeout(refill);
    await filling;
    await Promise.all(waiting.splice(0).map(remove));
    await removing.catch(() => {});
  }

  return { take, remove, fill, close };
}
