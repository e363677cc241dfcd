/**
 * Unpacks a layer's archive into a directory of its own. Nothing of it can lead out: names with `..` are refused, every
 * directory is opened by the kernel as one below the layer's root, and the last part of a name is never followed.
 */
import { constants, writeSync } from "node:fs";
import { close, openAt, openat2, removeTreeNow, resolve, unlinkAt } from "../../../sys/directory.ts";
import { SysError } from "../../../sys/libc.ts";
import { type ByteString, fromBytes } from "../../../sys/names.ts";
import {
  chmodAt,
  chmodFd,
  chownAt,
  chownFd,
  isDirectoryMode,
  isSymlinkMode,
  makeDirectoryAt,
  makeLinkAt,
  makeNodeAt,
  makeSymlinkAt,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  setTimesAt,
  setTimesFd,
  statAt,
  truncateFd,
} from "../../../sys/nodes.ts";
import { isUnsupported, setXattr, setXattrFd } from "../../../sys/xattr.ts";
import { type TarEntry, TarError, type TarHandler } from "../tar/tar.ts";
import { cleanName, createParents, isNoDirectory, isWhiteout } from "./parents.ts";

/** Where the driver wants whiteouts' attributes: those of overlayfs, or of overlayfs mounted with `userxattr`. */
export type WhiteoutForm = "trusted" | "user";

export interface Unpacked {
  /** Bytes of the regular files. */
  size: number;
  entries: number;
  /** Directories that the archive implies but does not list (byte strings), "" for the root; sorted. */
  implied: ByteString[];
  /** The layer hides everything below it. */
  opaque: boolean;
}

export interface Unpacker extends TarHandler {
  /** Gives the directories their owners, modes and times. Call it once, behind the last entry. */
  finish(): Unpacked;
  /** Closes what is open; call it always. */
  close(): void;
}

interface DirectoryAttributes {
  mode: number;
  uid: number;
  gid: number;
  mtime: number;
  mtimeNs: number;
  xattrs: Map<ByteString, ByteString> | undefined;
}

const whiteoutPrefix = ".wh.";
const whiteoutMeta = ".wh..wh.";
const opaqueMark = ".wh..wh..opq";
const { O_WRONLY, O_CREAT, O_EXCL, O_RDONLY, O_DIRECTORY } = constants;
const yes = Buffer.from(new ArrayBuffer(1)).fill("y");

/** An unpacker into the open directory `root`, which stays the caller's to close. */
export function createUnpacker(root: number, form: WhiteoutForm): Unpacker {
  const opaqueName = `${form}.overlay.opaque`;
  const ownXattrs = `${form}.overlay.`;
  const directories = new Map<ByteString, DirectoryAttributes>();
  const parents = createParents(root, (fd) => setXattrFd(fd, opaqueName, yes));
  const [ownUid, ownGid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  let rootListed = false;
  let opaque = false;
  let size = 0;
  let entries = 0;

  /** The file whose data are being written. */
  let file = -1;
  let current: TarEntry | undefined;

  /**
   * Makes room for a new entry, as a later entry of a name replaces an earlier one. `keep`: there is a directory, which
   * the entry, being one too, may keep. `opaque`: a whiteout was there, which a directory in its place must go on to be.
   */
  const makeRoom = (
    parent: number,
    path: ByteString,
    name: ByteString,
    isDirectory: boolean,
  ): "keep" | "opaque" | "free" => {
    const there = statAt(parent, name);
    if (!there) return "free";
    if (isDirectoryMode(there.mode)) {
      if (isDirectory) return "keep";
      removeTreeNow(parent, name);
      parents.forget(path);
      return "free";
    }
    unlinkAt(parent, name);
    if (isSymlinkMode(there.mode)) parents.forget(path);
    // What the whiteout hid must not show through the new directory.
    return isWhiteout(there) && isDirectory ? "opaque" : "free";
  };

  /** Runs `make`; when the name is taken, makes room and runs it again. */
  const making = (parent: number, path: ByteString, name: ByteString, make: () => void): void => {
    try {
      make();
    } catch (error) {
      if (!(error instanceof SysError && error.code === "EEXIST")) throw error;
      makeRoom(parent, path, name, false);
      make();
    }
  };

  const makeFile = (parent: number, path: ByteString, name: ByteString, entry: TarEntry): void => {
    making(parent, path, name, () => {
      file = openAt(parent, name, O_WRONLY | O_CREAT | O_EXCL, 0o600);
    });
    size += entry.size;
    current = entry;
  };

  const makeDirectory = (parent: number, path: ByteString, name: ByteString, entry: TarEntry): void => {
    if (path === "") {
      rootListed = true;
    } else {
      const room = makeRoom(parent, path, name, true);
      if (room !== "keep") makeDirectoryAt(parent, name, 0o700);
      if (room === "opaque") {
        const fd = openAt(parent, name, O_RDONLY | O_DIRECTORY);
        try {
          setXattrFd(fd, opaqueName, yes);
        } finally {
          close(fd);
        }
      }
      parents.listed(path);
    }
    const { mode, uid, gid, mtime, mtimeNs, xattrs } = entry;
    directories.set(path, { mode, uid, gid, mtime, mtimeNs, xattrs });
  };

  const makeLink = (parent: number, path: ByteString, name: ByteString, entry: TarEntry): void => {
    const target = cleanName(entry.link, "hard link target");
    if (target === path) return;
    const slash = target.lastIndexOf("/");
    const from = parents.find(slash === -1 ? "" : target.slice(0, slash));
    if (from === undefined) throw new SysError("link", 2, target);
    const last = target.slice(slash + 1);
    making(parent, path, name, () => makeLinkAt(from, last, parent, name));
  };

  const makeOther = (parent: number, path: ByteString, name: ByteString, entry: TarEntry): void => {
    making(parent, path, name, () => {
      if (entry.type === "symlink") makeSymlinkAt(parent, name, entry.link);
      else if (entry.type === "fifo") makeNodeAt(parent, name, S_IFIFO | 0o600);
      else makeNodeAt(parent, name, (entry.type === "block" ? S_IFBLK : S_IFCHR) | 0o600, entry.major, entry.minor);
    });
    if (entry.uid !== ownUid || entry.gid !== ownGid) chownAt(parent, name, entry.uid, entry.gid);
    if (entry.type !== "symlink") chmodAt(parent, name, entry.mode);
    if (entry.xattrs) {
      setXattrs(entry.xattrs, ownXattrs, (key, value) => setXattr(`/proc/self/fd/${parent}/${name}`, key, value));
    }
    setTimesAt(parent, name, entry.mtime, entry.mtimeNs, entry.mtime, entry.mtimeNs);
  };

  /** `.wh.NAME` hides what lower layers have of that name, not what this layer has. */
  const makeWhiteout = (parent: number, directory: ByteString, name: ByteString): void => {
    if (name === opaqueMark) {
      if (directory === "") opaque = true;
      else setXattrFd(parent, opaqueName, yes);
      return;
    }
    // Other names of this kind were notes of aufs to itself.
    if (name.startsWith(whiteoutMeta)) return;
    const hidden = name.slice(whiteoutPrefix.length);
    if (hidden === "" || hidden === "." || hidden === "..") throw new TarError("a whiteout of nothing");
    const there = statAt(parent, hidden);
    if (!there) makeNodeAt(parent, hidden, S_IFCHR, 0, 0);
    if (!there || !isDirectoryMode(there.mode)) return;
    const fd = openAt(parent, hidden, O_RDONLY | O_DIRECTORY);
    try {
      setXattrFd(fd, opaqueName, yes);
    } finally {
      close(fd);
    }
  };

  const make = (entry: TarEntry): void => {
    const path = cleanName(entry.name, "name");
    if (path === "" && entry.type !== "directory") throw new TarError("the layer's root is no directory");
    const slash = path.lastIndexOf("/");
    const directory = slash === -1 ? "" : path.slice(0, slash);
    const name = slash === -1 ? path : path.slice(slash + 1);
    const [parent, real] = parents.make(directory);
    const own = real === directory ? path : real === "" ? name : `${real}/${name}`;
    if (name.startsWith(whiteoutPrefix)) makeWhiteout(parent, real, name);
    else if (entry.type === "file") makeFile(parent, own, name, entry);
    else if (entry.type === "directory") makeDirectory(parent, own, name, entry);
    else if (entry.type === "hardlink") makeLink(parent, own, name, entry);
    else makeOther(parent, own, name, entry);
  };

  const closeFile = (): void => {
    if (file !== -1) close(file);
    file = -1;
    current = undefined;
  };

  return {
    entry(entry) {
      entries++;
      try {
        make(entry);
      } catch (error) {
        throw named(error, entry.name);
      }
    },
    data(buffer, start, end, position) {
      if (file === -1) return;
      for (let at = start, to = position; at < end; ) {
        const written = writeSync(file, buffer, at, end - at, current?.sparse ? to : null);
        at += written;
        to += written;
      }
    },
    end() {
      if (file === -1 || !current) return;
      const entry = current;
      try {
        if (entry.sparse) truncateFd(file, entry.size);
        // In this order: a change of owner takes away setuid bits and file capabilities.
        if (entry.uid !== ownUid || entry.gid !== ownGid) chownFd(file, entry.uid, entry.gid);
        chmodFd(file, entry.mode);
        if (entry.xattrs) setXattrs(entry.xattrs, ownXattrs, (key, value) => setXattrFd(file, key, value));
        setTimesFd(file, entry.mtime, entry.mtimeNs, entry.mtime, entry.mtimeNs);
      } catch (error) {
        throw named(error, entry.name);
      } finally {
        closeFile();
      }
    },
    finish() {
      const implied = parents.implied();
      if (!rootListed) implied.add("");
      for (const path of implied) {
        directories.set(path, { mode: 0o755, uid: 0, gid: 0, mtime: 0, mtimeNs: 0, xattrs: undefined });
      }
      for (const [path, attributes] of directories) {
        const { mode, uid, gid, mtime, mtimeNs, xattrs } = attributes;
        let fd: number;
        try {
          fd = openat2(root, path || ".", O_RDONLY | O_DIRECTORY, resolve.BENEATH | resolve.NO_SYMLINKS);
        } catch (error) {
          if (!isNoDirectory(error)) throw error;
          // A later entry took its place.
          implied.delete(path);
          continue;
        }
        try {
          chownFd(fd, uid, gid);
          chmodFd(fd, mode);
          if (xattrs) setXattrs(xattrs, ownXattrs, (key, value) => setXattrFd(fd, key, value));
          setTimesFd(fd, mtime, mtimeNs, mtime, mtimeNs);
        } catch (error) {
          throw named(error, path);
        } finally {
          close(fd);
        }
      }
      return { size, entries, implied: [...implied].sort(), opaque };
    },
    close() {
      closeFile();
      parents.close();
    },
  };
}

/**
 * Sets what the archive tells, but for what belongs to the driver (a layer must not fake whiteouts or redirects) and
 * what belongs to the host (SELinux labels). An attribute that the file system cannot hold is left out, unless it is a
 * file capability: without it the program would fail later, and nobody would know why.
 */
function setXattrs(
  xattrs: Map<ByteString, ByteString>,
  own: string,
  set: (name: ByteString, value: Uint8Array) => void,
): void {
  for (const [name, value] of xattrs) {
    if (name.startsWith(own) || name === "security.selinux") continue;
    try {
      set(name, Buffer.from(value, "latin1"));
    } catch (error) {
      const refused = isUnsupported(error) || (error instanceof SysError && error.code === "EPERM");
      if (!refused || name === "security.capability") throw error;
    }
  }
}

/** The error with the entry's name in front. */
function named(error: unknown, name: ByteString): Error {
  const reason = error instanceof Error ? error.message : String(error);
  const text = fromBytes(name.length > 200 ? `${name.slice(0, 200)}…` : name);
  return new TarError(`entry ${JSON.stringify(text)}: ${reason}`, { cause: error });
}
