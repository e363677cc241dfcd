/** Up to two Workers, started when there is work and ended after a while without: an idle server stays small. */
import type { FromWorker, Order, ToWorker } from "./messages.ts";
import type { Unpacked } from "./unpack/unpack.ts";

/** One running job. */
export interface Ticket {
  /** Hands over the first `length` bytes; the buffer comes back by `taken`. */
  piece(buffer: ArrayBuffer, length: number): void;
  last(): void;
  abort(): void;
  /** Rejects with a LayerFailure. */
  readonly done: Promise<Unpacked>;
}

export interface TicketHandler {
  taken(buffer: ArrayBuffer): void;
  read(bytes: number): void;
  verified(): void;
}

/** Why a layer could not be taken in. `damaged`: the blob is not what its digest says. */
export class LayerFailure extends Error {
  constructor(
    message: string,
    readonly damaged: boolean,
  ) {
    super(message);
  }
}

export interface Pool {
  start(order: Order, handler: TicketHandler): Ticket;
  /** Ends the Workers; running jobs fail. */
  close(): void;
}

interface Member {
  worker: Worker;
  jobs: Map<number, { handler: TicketHandler; done: (unpacked: Unpacked) => void; failed: (error: Error) => void }>;
  timer: Timer | undefined;
}

const most = 2;

export function createPool(idle = 10_000): Pool {
  const members: Member[] = [];
  let nextId = 1;

  const retire = (member: Member): void => {
    const index = members.indexOf(member);
    if (index !== -1) members.splice(index, 1);
    clearTimeout(member.timer);
    member.worker.terminate();
  };

  const add = (): Member => {
    const worker = new Worker(new URL("./worker.ts", import.meta.url));
    const member: Member = { worker, jobs: new Map(), timer: undefined };
    worker.onmessage = ({ data: message }: MessageEvent<FromWorker>) => {
      const job = member.jobs.get(message.id);
      if (!job) return;
      if (message.kind === "taken") job.handler.taken(message.buffer);
      else if (message.kind === "read") job.handler.read(message.bytes);
      else if (message.kind === "verified") job.handler.verified();
      else {
        member.jobs.delete(message.id);
        if (message.kind === "done") job.done(message.unpacked);
        else job.failed(new LayerFailure(message.message, message.damaged));
        rest(member);
      }
    };
    worker.onerror = (event) => {
      retire(member);
      for (const job of member.jobs.values()) job.failed(new Error(`the unpacking thread failed: ${event.message}`));
      member.jobs.clear();
    };
    members.push(member);
    return member;
  };

  const rest = (member: Member): void => {
    if (member.jobs.size > 0) return;
    // Without work it does not keep the process alive.
    member.worker.unref();
    member.timer = setTimeout(() => retire(member), idle);
    member.timer.unref();
  };

  /** The one with the least to do; a new one when all have something. */
  const choose = (): Member => {
    const [least] = members.toSorted((a, b) => a.jobs.size - b.jobs.size);
    const member = least && (least.jobs.size === 0 || members.length === most) ? least : add();
    clearTimeout(member.timer);
    member.worker.ref();
    return member;
  };

  return {
    start(order, handler) {
      const id = nextId++;
      const member = choose();
      const { promise, resolve, reject } = Promise.withResolvers<Unpacked>();
      member.jobs.set(id, { handler, done: resolve, failed: reject });
      const post = (message: ToWorker, transfer: ArrayBuffer[] = []) => {
        if (member.jobs.has(id)) member.worker.postMessage(message, transfer);
      };
      post({ kind: "start", id, order });
      return {
        piece: (buffer, length) => post({ kind: "piece", id, buffer, length }, [buffer]),
        last: () => post({ kind: "last", id }),
        abort: () => post({ kind: "abort", id }),
        done: promise,
      };
    },
    close() {
      for (const member of [...members]) {
        retire(member);
        for (const job of member.jobs.values()) job.failed(new Error("the layer store was closed"));
        member.jobs.clear();
      }
    },
  };
}
