/**
 * The held connection to conmon's attach socket. SOCK_SEQPACKET: each packet begins with a byte that names its stream.
 *
 * conmon writes to it without a time limit, so what is not read here holds back the container, as a pipe would. That is
 * what a slow listener gets (nothing is lost, memory is bounded) until it took nothing for `patience`: then it is ended,
 * for it must not hold back the others and the container for ever.
 */
import { shutdownWrite } from "../../sys/seqpacket.ts";
import type { Attachment, OutputListener, Stream } from "../runtime.ts";

/** Bytes kept for one paused listener before the container is held back. */
const buffered = 1 << 20;
/** Milliseconds that a full connection waits for its first listener: there may never be one. */
const earlyPatience = 5000;
/** conmon reads at most 32 KiB of a packet. */
const packetSize = 16 << 10;

export interface HeldAttachment extends Attachment {
  /** Resolves when conmon closed the connection and all that it had sent was handed to the listeners or their buffers. */
  readonly finished: Promise<void>;
  /** The process is gone: read what is left whatever the listeners take; it is at most a socket buffer. */
  drain(): void;
  close(): void;
}

export interface AttachmentOptions {
  /** Milliseconds that a full listener may take nothing before it is ended. */
  patience?: number;
  /** closeStdin does something: false for terminals, and where others may attach later. */
  stdinEnds: boolean;
  /**
   * Output that comes before the first listener is kept for it, as for a paused one. For a process that runs already when
   * its attachment is handed out.
   */
  keepEarly?: boolean;
}

function newEntry(listener: OutputListener): Entry {
  return { listener, paused: false, queue: [], queued: 0, timer: undefined, removed: false };
}

interface Entry {
  listener: OutputListener;
  paused: boolean;
  queue: { stream: Stream; chunk: Uint8Array }[];
  queued: number;
  timer: Timer | undefined;
  removed: boolean;
}

/** Takes over the connected, nonblocking descriptor. */
export async function openAttachment(fd: number, options: AttachmentOptions): Promise<HeldAttachment> {
  const patience = options.patience ?? 30_000;
  const entries = new Set<Entry>();
  /** Stands in for the first listener. */
  let early: Entry | undefined;
  if (options.keepEarly) {
    early = newEntry({ data: () => false, end() {} });
    early.paused = true;
    entries.add(early);
  }
  let ended = false;
  let held = false;
  let draining = false;
  let stdinClosed = false;
  const { promise: finished, resolve: finish } = Promise.withResolvers<void>();
  let drained = Promise.withResolvers<void>();
  let writes: Promise<void> = Promise.resolve();

  let socket: Bun.Socket | undefined;
  socket = await Bun.connect({
    fd,
    socket: {
      data: (_socket: unknown, packet: Uint8Array) => {
        const stream: Stream = packet[0] === 3 ? "stderr" : "stdout";
        const chunk = packet.subarray(1);
        if (chunk.length === 0) return;
        for (const entry of [...entries]) deliver(entry, stream, chunk);
        regulate();
      },
      drain: () => {
        drained.resolve();
        drained = Promise.withResolvers<void>();
      },
      end: over,
      close: over,
      error: over,
    },
  } as never);
  if (ended) socket.terminate();

  function over(): void {
    if (ended) return;
    ended = true;
    drained.resolve();
    for (const entry of [...entries]) if (entry.queue.length === 0) drop(entry);
    finish();
    // 'end' alone leaves our half open.
    socket?.terminate();
  }

  function deliver(entry: Entry, stream: Stream, chunk: Uint8Array): void {
    if (entry.paused) {
      entry.queue.push({ stream, chunk: chunk.slice() });
      entry.queued += chunk.length;
    } else if (entry.listener.data(stream, chunk) === false) {
      entry.paused = true;
    }
  }

  /** Stops or resumes reading by what the listeners hold. */
  function regulate(): void {
    if (ended) return;
    const full = [...entries].filter((entry) => entry.queued >= buffered);
    for (const entry of full) entry.timer ??= setTimeout(() => drop(entry), entry === early ? earlyPatience : patience);
    const hold = full.length > 0 && !draining;
    if (hold === held) return;
    held = hold;
    if (hold) socket?.pause();
    else socket?.resume();
  }

  function release(entry: Entry): void {
    if (entry.removed || !entry.paused) return;
    entry.paused = false;
    clearTimeout(entry.timer);
    entry.timer = undefined;
    while (entry.queue.length > 0 && !entry.paused) {
      const { stream, chunk } = entry.queue.shift()!;
      entry.queued -= chunk.length;
      if (entry.listener.data(stream, chunk) === false) entry.paused = true;
    }
    if (ended && entry.queue.length === 0) drop(entry);
    regulate();
  }

  function drop(entry: Entry): void {
    if (entry.removed) return;
    forget(entry);
    entry.listener.end();
    regulate();
  }

  function forget(entry: Entry): void {
    entry.removed = true;
    clearTimeout(entry.timer);
    entry.queue = [];
    entries.delete(entry);
  }

  async function send(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      if (ended || stdinClosed) throw new Error("the standard input of the process is closed");
      const packet = bytes.subarray(at, at + packetSize);
      const room = drained.promise;
      // A packet is written whole or not at all.
      if (socket?.write(packet) === packet.length) at += packet.length;
      else await room;
    }
  }

  return {
    finished,
    get ended() {
      return ended;
    },
    listen(listener) {
      const entry = newEntry(listener);
      if (early !== undefined && !early.removed) {
        Object.assign(entry, { paused: true, queue: early.queue, queued: early.queued });
        forget(early);
        early = undefined;
        entries.add(entry);
        queueMicrotask(() => release(entry));
      } else if (ended) {
        entry.removed = true;
        queueMicrotask(() => listener.end());
      } else {
        entries.add(entry);
      }
      return {
        resume: () => release(entry),
        remove: () => {
          if (entry.removed) return;
          forget(entry);
          regulate();
        },
      };
    },
    write(chunk) {
      const result = writes.then(() => send(chunk));
      writes = result.catch(() => {});
      return result;
    },
    closeStdin() {
      if (!options.stdinEnds) return;
      // After what was written before: conmon reads packets in order, and so do we send them.
      writes = writes.then(() => {
        if (ended || stdinClosed) return;
        stdinClosed = true;
        shutdownWrite(fd);
      });
    },
    drain() {
      draining = true;
      regulate();
    },
    close() {
      socket?.terminate();
      over();
    },
  };
}
