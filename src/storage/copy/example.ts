/** Directory trees for tests: random ones with every kind of file, and what a tree is, in comparable form. */
import { createHash } from "node:crypto";
import { closeSync, constants, readSync, writeSync } from "node:fs";
import { close, openAt, openDirectory } from "../../sys/directory.ts";
import { type ByteString, toBytes } from "../../sys/names.ts";
import {
  chmodAt,
  chmodFd,
  chownAt,
  chownFd,
  isSymlinkMode,
  makeDirectoryAt,
  makeLinkAt,
  makeNodeAt,
  makeSymlinkAt,
  readLinkAt,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  type Status,
  setTimesAt,
  statFd,
  truncateFd,
} from "../../sys/nodes.ts";
import { getXattr, listXattrs, setXattr } from "../../sys/xattr.ts";
import { walkTree } from "./walk.ts";

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL } = constants;

/** Every path below the directory, and what it is: kind, mode, owner, times, content, links, attributes. */
export async function describeTree(path: string): Promise<Record<ByteString, string>> {
  const root = openDirectory(toBytes(path));
  const links = new Map<string, ByteString[]>();
  const result: Record<ByteString, string> = { ".": describeEntry(root, ".", statFd(root)) };
  try {
    for await (const { directory, name, path, status } of walkTree(root)) {
      result[path] = describeEntry(directory, name, status);
      if (status.links < 2 || (status.mode & S_IFMT) === 0o040000) continue;
      const key = `${status.device} ${status.inode}`;
      links.set(key, [...(links.get(key) ?? []), path]);
    }
  } finally {
    close(root);
  }
  for (const names of links.values()) for (const name of names) result[name] += ` = ${names.sort().join(" = ")}`;
  return result;
}

function describeEntry(directory: number, name: ByteString, status: Status): string {
  const parts = [status.mode.toString(8), status.uid, status.gid, `${status.mtime}.${status.mtimeNs}`];
  if (status.major || status.minor) parts.push(`device ${status.major}:${status.minor}`);
  if ((status.mode & S_IFMT) === S_IFREG) parts.push(status.size, hash(directory, name));
  if (isSymlinkMode(status.mode)) parts.push("->", readLinkAt(directory, name));
  const path = `/proc/self/fd/${directory}/${name}`;
  for (const key of listXattrs(path).sort()) {
    if (!key.includes(".overlay.")) parts.push(`${key}=${getXattr(path, key)?.toString("hex")}`);
  }
  return parts.join(" ");
}

function hash(directory: number, name: ByteString): string {
  const fd = openAt(directory, name, O_RDONLY);
  const [digest, buffer] = [createHash("sha256"), Buffer.alloc(65536)];
  try {
    for (let length = readSync(fd, buffer); length > 0; length = readSync(fd, buffer))
      digest.update(buffer.subarray(0, length));
  } finally {
    closeSync(fd);
  }
  return digest.digest("hex").slice(0, 16);
}

/** Fills the empty directory at `path` with some `count` files of every kind. */
export function makeRandomTree(path: string, random: () => number, count = 60): void {
  const pick = (n: number) => Math.floor(random() * n);
  const root = openDirectory(toBytes(path));
  const directories: { fd: number; path: ByteString }[] = [{ fd: root, path: "." }];
  const times: [fd: number, name: ByteString][] = [];
  const files: [fd: number, name: ByteString][] = [];
  const id = () => (pick(2) ? 0 : pick(3) ? pick(70_000) : pick(2_000_000));
  const mode = () => [0o644, 0o755, 0o600, 0o4755, 0o2711, 0o1777, 0o000][pick(7)] as number;
  const letters = ["a", "b", " ", "\xff", "\xc3\xa4", "\n", "'", "\\", "-", "ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ"];
  const newName = (i: number): ByteString =>
    `${Array.from({ length: 1 + pick(6) }, () => letters[pick(letters.length)]).join("")}${i}`;
  try {
    for (let i = 0; i < count; i++) {
      const parent = directories[pick(directories.length)] as { fd: number; path: ByteString };
      const name = newName(i);
      const place = `/proc/self/fd/${parent.fd}/${name}`;
      const kind = pick(12);
      if (kind < 3) {
        makeDirectoryAt(parent.fd, name, 0o700);
        directories.push({ fd: openAt(parent.fd, name, O_RDONLY), path: `${parent.path}/${name}` });
      } else if (kind < 8) {
        const fd = openAt(parent.fd, name, O_WRONLY | O_CREAT | O_EXCL, 0o600);
        const size = [0, 1, 511, 512, 513, 5000, 70_000][pick(7)] as number;
        if (pick(4) === 0) {
          for (let hole = 0; hole < 1 + pick(30); hole++)
            writeSync(fd, Buffer.alloc(1 + pick(5000), hole + 1), 0, null, hole * 100_000);
          truncateFd(fd, 3_500_000);
        } else {
          writeSync(fd, Buffer.alloc(size, i));
        }
        chownFd(fd, id(), id());
        chmodFd(fd, mode());
        closeSync(fd);
        if (pick(4) === 0) setXattr(place, "user.some", Buffer.from(`value\0\xff=${i}\n`, "latin1"));
        if (pick(6) === 0) setXattr(place, "security.capability", capability);
        files.push([parent.fd, name]);
      } else if (kind === 8) {
        makeSymlinkAt(parent.fd, name, ["/etc/passwd", "../..", "x".repeat(150), "\xffodd", "a\nb"][pick(5)] as string);
        chownAt(parent.fd, name, id(), id());
      } else if (kind === 9 || kind === 10) {
        const [type, major, minor] = [
          [S_IFIFO, 0, 0],
          [S_IFCHR, 1, 3],
          [S_IFBLK, 259, 70_000],
        ][pick(3)] as [number, number, number];
        makeNodeAt(parent.fd, name, type | 0o600, major, minor);
        chownAt(parent.fd, name, id(), id());
        chmodAt(parent.fd, name, mode());
      } else {
        const file = files[pick(files.length)];
        if (!file) continue;
        makeLinkAt(file[0], file[1], parent.fd, name);
      }
      times.push([parent.fd, name]);
    }
    for (const { fd } of directories.slice(1)) {
      chownFd(fd, id(), id());
      chmodFd(fd, mode());
    }
    for (const [fd, name] of times.reverse())
      setTimesAt(fd, name, 0, 0, [1, -5, 1_700_000_000, 2 ** 31 + 5][pick(4)] as number, pick(1e9));
    setTimesAt(root, ".", 0, 0, 1_600_000_000, 5);
  } finally {
    for (const { fd } of directories) close(fd);
  }
}

/** cap_net_bind_service+ep, version 2 (the kernel's include/uapi/linux/capability.h). */
export const capability = Buffer.from("0100000200040000000000000000000000000000", "hex");
