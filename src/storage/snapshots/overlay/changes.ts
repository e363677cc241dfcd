/** What a container wrote: the writable directory against the layers below. */
import { constants } from "node:fs";
import { close, openat2, readDirectory, resolve } from "../../../sys/directory.ts";
import { type ByteString, fromBytes } from "../../../sys/names.ts";
import { isDirectoryMode, S_IFMT, S_IFREG, type Status, statAt } from "../../../sys/nodes.ts";
import { getXattrFd } from "../../../sys/xattr.ts";
import { walkTree } from "../../copy/walk.ts";
import { isNoDirectory, isWhiteout } from "../../layers/unpack/parents.ts";
import type { Change, ChangeKind } from "../snapshots.ts";

const { O_RDONLY, O_DIRECTORY } = constants;
const inside = resolve.BENEATH | resolve.NO_SYMLINKS;

/**
 * The changes in the directory `upper` against the merged layers `lower` (descriptors), sorted by path. A directory is
 * modified when its own attributes differ, or something in it is added, modified or deleted.
 */
export async function findChanges(upper: number, lower: number, opaqueName: string): Promise<Change[]> {
  const changes = new Map<ByteString, ChangeKind>();
  const record = (path: ByteString, kind: ChangeKind): void => {
    changes.set(path, kind);
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
      const parent = path.slice(0, at);
      if (changes.has(parent)) break;
      changes.set(parent, "modified");
    }
  };

  for await (const { directory, name, path, status } of walkTree(upper)) {
    const below = statBelow(lower, path);
    if (isWhiteout(status)) {
      if (below) record(path, "deleted");
      continue;
    }
    if (!below) {
      record(path, "added");
      continue;
    }
    if (differs(below, status)) record(path, "modified");
    if (!isDirectoryMode(status.mode) || !isDirectoryMode(below.mode)) continue;
    for (const hidden of hiddenBelow(directory, name, lower, path, opaqueName)) record(`${path}/${hidden}`, "deleted");
  }
  return [...changes]
    .map(([path, kind]) => ({ path: `/${fromBytes(path)}`, kind }))
    .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

function statBelow(lower: number, path: ByteString): Status | undefined {
  const slash = path.lastIndexOf("/");
  if (slash === -1) return statAt(lower, path);
  let directory: number;
  try {
    directory = openat2(lower, path.slice(0, slash), O_RDONLY | O_DIRECTORY, inside);
  } catch (error) {
    if (isNoDirectory(error)) return undefined;
    throw error;
  }
  try {
    return statAt(directory, path.slice(slash + 1));
  } finally {
    close(directory);
  }
}

/** A directory's size and time tell nothing about itself. */
function differs(a: Status, b: Status): boolean {
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid) return true;
  if (a.major !== b.major || a.minor !== b.minor) return true;
  if (isDirectoryMode(b.mode)) return false;
  return a.size !== b.size || a.mtime !== b.mtime || a.mtimeNs !== b.mtimeNs;
}

/** What an opaque directory hides of the one below, and does not have itself. */
function hiddenBelow(
  parent: number,
  name: ByteString,
  lower: number,
  path: ByteString,
  opaqueName: string,
): ByteString[] {
  const upper = openat2(parent, name, O_RDONLY | O_DIRECTORY, inside);
  try {
    if (getXattrFd(upper, opaqueName)?.toString() !== "y") return [];
    const below = openat2(lower, path, O_RDONLY | O_DIRECTORY, inside);
    try {
      return readDirectory(below)
        .map((entry) => entry.name)
        .filter((one) => !statAt(upper, one));
    } finally {
      close(below);
    }
  } finally {
    close(upper);
  }
}

/** Bytes of the regular files below the directory, hard links counted once. */
export async function measure(directory: number): Promise<number> {
  const linked = new Set<number>();
  let sum = 0;
  for await (const { status } of walkTree(directory)) {
    if ((status.mode & S_IFMT) !== S_IFREG) continue;
    if (status.links > 1) {
      if (linked.has(status.inode)) continue;
      linked.add(status.inode);
    }
    sum += status.size;
  }
  return sum;
}
