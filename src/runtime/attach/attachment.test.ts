import { afterEach, expect, test } from "bun:test";
import { closeSync, writeSync } from "node:fs";
import { address, check, nr, syscall } from "../../sys/libc.ts";
import type { Stream } from "../runtime.ts";
import { type AttachmentOptions, type HeldAttachment, openAttachment } from "./attachment.ts";

const [AF_UNIX, SOCK_SEQPACKET, SOCK_NONBLOCK, SOCK_CLOEXEC] = [1, 5, 0o4000, 0o2000000];
const open = new Set<number>();

/** The other end, as conmon holds it. */
class Peer {
  constructor(readonly fd: number) {
    open.add(fd);
  }
  /** False when the connection is full. */
  send(stream: 2 | 3, data: Uint8Array): boolean {
    try {
      return writeSync(this.fd, Buffer.concat([Buffer.from([stream]), data])) > 0;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EAGAIN") return false;
      throw error;
    }
  }
  async sendAll(stream: 2 | 3, data: Uint8Array): Promise<void> {
    while (!this.send(stream, data)) await Bun.sleep(1);
  }
  close(): void {
    if (open.delete(this.fd)) closeSync(this.fd);
  }
}

afterEach(() => {
  for (const fd of open) closeSync(fd);
  open.clear();
});

async function pair(options: AttachmentOptions = { stdinEnds: true }): Promise<[HeldAttachment, Peer]> {
  const fds = new Int32Array(new ArrayBuffer(8));
  const type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
  check(syscall(nr("socketpair"), AF_UNIX, type, 0, address(fds)), "socketpair");
  return [await openAttachment(fds[0]!, options), new Peer(fds[1]!)];
}

function collector() {
  const text: Record<Stream, string> = { stdout: "", stderr: "" };
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  let size = 0;
  return {
    text,
    ended,
    size: () => size,
    listener: {
      data(stream: Stream, chunk: Uint8Array): boolean | undefined {
        size += chunk.length;
        text[stream] += Buffer.from(chunk).toString("latin1");
        return undefined;
      },
      end: resolve,
    },
  };
}

test("each packet goes to its stream, at every listener", async () => {
  const [attachment, peer] = await pair();
  const [one, two] = [collector(), collector()];
  attachment.listen(one.listener);
  attachment.listen(two.listener);
  for (let i = 0; i < 1000; i++) await peer.sendAll(i % 3 === 0 ? 3 : 2, Buffer.from(`${i},`));
  peer.close();
  await Promise.all([one.ended, two.ended]);
  const expected = (third: boolean) =>
    Array.from({ length: 1000 }, (_, i) => i)
      .filter((i) => (i % 3 === 0) === third)
      .map((i) => `${i},`)
      .join("");
  expect(one.text).toEqual({ stdout: expected(false), stderr: expected(true) });
  expect(two.text).toEqual(one.text);
  expect(attachment.ended).toBe(true);
});

test("a paused listener holds back the sender, and loses nothing", async () => {
  const [attachment, peer] = await pair();
  const fast = collector();
  attachment.listen(fast.listener);
  let got = 0;
  let wanting = true;
  const done = Promise.withResolvers<void>();
  const slow = attachment.listen({
    data: (_stream, chunk) => {
      got += chunk.length;
      return wanting ? undefined : false;
    },
    end: done.resolve,
  });
  wanting = false;
  const block = Buffer.alloc(8191, "x");
  let sent = 0;
  // Until nothing goes in any more: bounded by the buffers.
  for (let idle = 0; idle < 20; ) {
    if (peer.send(2, block)) {
      sent += block.length;
      idle = 0;
    } else {
      idle++;
      await Bun.sleep(1);
    }
    expect(sent).toBeLessThan(4 << 20);
    if (sent % 10 === 0) await Bun.sleep(0);
  }
  expect(sent).toBeGreaterThan(1 << 20);
  wanting = true;
  slow.resume();
  for (let i = 0; i < 100; i++) {
    await peer.sendAll(2, block);
    sent += block.length;
  }
  peer.close();
  await done.promise;
  expect(got).toBe(sent);
  expect(fast.size()).toBe(sent);
});

test("a stuck listener is ended, and the others get everything", async () => {
  const [attachment, peer] = await pair({ stdinEnds: true, patience: 50 });
  const fast = collector();
  attachment.listen(fast.listener);
  const stuck = Promise.withResolvers<void>();
  attachment.listen({ data: () => false, end: stuck.resolve });
  const block = Buffer.alloc(8191, "x");
  for (let i = 0; i < 1000; i++) await peer.sendAll(2, block);
  await stuck.promise;
  peer.close();
  await fast.ended;
  expect(fast.size()).toBe(1000 * block.length);
});

test("once the process is gone a paused listener is not waited for", async () => {
  const [attachment, peer] = await pair();
  let got = 0;
  let wanting = false;
  const ended = Promise.withResolvers<void>();
  const handle = attachment.listen({
    data: (_stream, chunk) => {
      got += chunk.length;
      return wanting ? undefined : false;
    },
    end: ended.resolve,
  });
  let sent = 0;
  const block = Buffer.alloc(8191, "x");
  for (let idle = 0; idle < 20; ) {
    if (peer.send(2, block)) sent += block.length;
    else {
      idle++;
      await Bun.sleep(1);
    }
  }
  peer.close();
  attachment.drain();
  await attachment.finished;
  expect(got).toBeLessThan(sent);
  wanting = true;
  handle.resume();
  await ended.promise;
  expect(got).toBe(sent);
});

test("input arrives in order, waits for a slow reader, and ends once", async () => {
  const [attachment, peer] = await pair();
  const output = collector();
  attachment.listen(output.listener);
  const input = Buffer.alloc(3 << 20);
  for (let i = 0; i < input.length; i++) input[i] = (i * 31 + (i >> 12)) & 255;
  const written = Promise.all([
    attachment.write(input.subarray(0, 1 << 20)),
    attachment.write(input.subarray(1 << 20)),
  ]);
  attachment.closeStdin();
  const received: Buffer[] = [];
  const buffer = Buffer.alloc(32 << 10);
  for (;;) {
    const length = syscallRead(peer.fd, buffer);
    if (length === 0) break;
    if (length < 0) await Bun.sleep(1);
    else received.push(Buffer.from(buffer.subarray(0, length)));
  }
  await written;
  expect(Buffer.concat(received).equals(input)).toBe(true);
  await expect(attachment.write(Buffer.from("x"))).rejects.toThrow("standard input");
  peer.send(2, Buffer.from("after"));
  peer.close();
  await output.ended;
  expect(output.text.stdout).toBe("after");
});

function syscallRead(fd: number, buffer: Buffer): number {
  const iovec = new BigUint64Array(new ArrayBuffer(16));
  iovec[0] = BigInt(address(buffer));
  iovec[1] = BigInt(buffer.length);
  const message = new BigUint64Array(new ArrayBuffer(56));
  message[2] = BigInt(address(iovec));
  message[3] = 1n;
  return syscall(nr("recvmsg"), fd, address(message), 0);
}

test("an end that is not to be passed on is not", async () => {
  const [attachment, peer] = await pair({ stdinEnds: false });
  attachment.closeStdin();
  await attachment.write(Buffer.from("more"));
  const buffer = Buffer.alloc(10);
  expect(syscallRead(peer.fd, buffer)).toBe(4);
  attachment.close();
  await expect(attachment.write(Buffer.from("x"))).rejects.toThrow("standard input");
});

test("who listens after the end is told so", async () => {
  const [attachment, peer] = await pair();
  peer.close();
  await attachment.finished;
  const late = collector();
  attachment.listen(late.listener);
  await late.ended;
});
