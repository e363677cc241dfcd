import { expect, test } from "bun:test";
import { closeSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAccepted } from "./diagnosis.ts";
import { address, check, nr, syscall } from "./libc.ts";
import { connectSeqpacket } from "./seqpacket.ts";

const [AF_UNIX, SOCK_SEQPACKET, SOCK_CLOEXEC] = [1, 5, 0o2000000];

test("a connection counts as accepted once the listener has taken it", () => {
  const folder = mkdtempSync(join(tmpdir(), "gantry-diagnosis-"));
  const opened: number[] = [];
  try {
    const listener = check(syscall(nr("socket"), AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket");
    opened.push(listener);
    const name = Buffer.from(`\u0001\0${join(folder, "socket")}\0`);
    check(syscall(nr("bind"), listener, address(name), name.length), "bind");
    check(syscall(nr("listen"), listener, 1), "listen");
    const client = connectSeqpacket(join(folder, "socket"));
    opened.push(client);
    expect(isAccepted(client)).toBe(false);
    opened.push(check(syscall(nr("accept4"), listener, 0, 0, SOCK_CLOEXEC), "accept4"));
    expect(isAccepted(client)).toBe(true);
  } finally {
    for (const fd of opened) closeSync(fd);
    rmSync(folder, { recursive: true });
  }
});
