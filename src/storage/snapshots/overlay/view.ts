/**
 * What the merge of some layers shows, found without mounting it: as overlayfs looks a name up, from the topmost layer to
 * the one that hides those below.
 */
import { constants } from "node:fs";
import { close, openAt } from "../../../sys/directory.ts";
import type { ByteString } from "../../../sys/names.ts";
import { isDirectoryMode, type Status, statAt, statFd } from "../../../sys/nodes.ts";
import { getXattrFd } from "../../../sys/xattr.ts";
import { isNoDirectory, isWhiteout } from "../../layers/unpack/parents.ts";

const { O_RDONLY, O_DIRECTORY } = constants;

export interface OpenLayer {
  /** A descriptor of its directory. */
  fd: number;
  /** Directories that it implies but does not list: their attributes are made up. */
  implied: Set<ByteString>;
}

/** Layers, topmost first. */
export interface View {
  layers: OpenLayer[];
  opaqueName: string;
}

interface Seen {
  status: Status;
  layer: OpenLayer;
}

/** What shows at the path (no symbolic link on the way is followed); undefined when nothing does. "" is the root. */
export function see(view: View, path: ByteString): Seen | undefined {
  for (const layer of view.layers) {
    const found = look(layer, path, view.opaqueName);
    if (found === "hidden") return undefined;
    if (found !== "absent") return { status: found.status, layer };
  }
  return undefined;
}

export interface Attributes {
  /** The attributes that show are made up, and `status` are others. */
  wrong: boolean;
  /** The right ones; undefined when no layer that shows lists the directory. */
  status?: Status;
  layer?: OpenLayer;
}

/** Looks for the attributes that a directory should have. */
export function findAttributes(view: View, path: ByteString): Attributes {
  let wrong = false;
  for (const layer of view.layers) {
    const found = look(layer, path, view.opaqueName);
    if (found === "hidden") break;
    if (found === "absent") continue;
    if (!isDirectoryMode(found.status.mode)) break;
    if (!layer.implied.has(path)) return { wrong, status: found.status, layer };
    wrong = true;
    if (found.isOpaque) break;
  }
  return { wrong: false };
}

export interface Repair extends Seen {
  path: ByteString;
}

/**
 * The directories that need attributes of a lower layer, those in which `places` are to be made, and all above either:
 * each with what it should have, in an order in which they can be made.
 */
export function findRepairs(view: View, places: { path: ByteString }[]): Repair[] {
  const paths = new Set<ByteString>();
  const addParents = (path: ByteString) => {
    for (let at = path.indexOf("/"); at !== -1; at = path.indexOf("/", at + 1)) paths.add(path.slice(0, at));
  };
  for (const { path } of places) addParents(path);
  for (const layer of view.layers) {
    for (const path of layer.implied) {
      // The root's attributes are those of the writable directory.
      if (path === "" || paths.has(path) || !findAttributes(view, path).wrong) continue;
      paths.add(path);
      addParents(path);
    }
  }
  const repairs: Repair[] = [];
  for (const path of [...paths].sort()) {
    const { status, layer } = findAttributes(view, path);
    const seen = status && layer ? { status, layer } : see(view, path);
    if (seen) repairs.push({ path, ...seen });
  }
  return repairs;
}

/** What one layer has at the path. `hidden`: nothing, and nothing of the layers below shows there. */
function look(
  layer: OpenLayer,
  path: ByteString,
  opaqueName: string,
): "absent" | "hidden" | { status: Status; isOpaque: boolean } {
  let isOpaque = false;
  let fd = openAt(layer.fd, ".", O_RDONLY | O_DIRECTORY);
  try {
    const parts = path === "" ? [] : path.split("/");
    for (const [index, part] of parts.entries()) {
      if (index === parts.length - 1) {
        const status = statAt(fd, part);
        if (!status) return isOpaque ? "hidden" : "absent";
        if (isWhiteout(status)) return "hidden";
        if (!isDirectoryMode(status.mode)) return { status, isOpaque: true };
      }
      let next: number;
      try {
        next = openAt(fd, part, O_RDONLY | O_DIRECTORY);
      } catch (error) {
        if (!isNoDirectory(error)) throw error;
        // Absent below an opaque directory is as hidden as below a whiteout, a file or a link.
        const isAbsent = (error as { code?: string }).code === "ENOENT";
        return isAbsent && !isOpaque ? "absent" : "hidden";
      }
      close(fd);
      fd = next;
      isOpaque ||= getXattrFd(fd, opaqueName)?.toString() === "y";
    }
    return { status: statFd(fd), isOpaque };
  } finally {
    close(fd);
  }
}
