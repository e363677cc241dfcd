/** Goes through a directory tree, giving the event loop its turn now and then. */
import { constants } from "node:fs";
import { close, openat2, readDirectory, resolve } from "../../sys/directory.ts";
import { type ByteString, PATH_MAX } from "../../sys/names.ts";
import { isDirectoryMode, type Status, statAt } from "../../sys/nodes.ts";

const { O_RDONLY, O_DIRECTORY } = constants;
/** Entries in one turn. */
const slice = 200;

export interface Step {
  /** A descriptor of the directory that it is in, valid until the next step. */
  directory: number;
  name: ByteString;
  /** From the start, without a slash in front. */
  path: ByteString;
  status: Status;
}

/**
 * All that is below the open directory, each directory before what is in it, never through a symbolic link. What is
 * deeper than a path can tell is left out. An entry that vanishes meanwhile is skipped.
 */
export async function* walkTree(start: number): AsyncGenerator<Step> {
  const pending: ByteString[] = [""];
  let count = 0;
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    if (path.length >= PATH_MAX) continue;
    let directory: number;
    try {
      directory = openat2(start, path || ".", O_RDONLY | O_DIRECTORY, resolve.BENEATH | resolve.NO_SYMLINKS);
    } catch (error) {
      if ((error as { code?: string }).code === "ENOENT") continue;
      throw error;
    }
    try {
      for (const { name } of readDirectory(directory)) {
        if (++count % slice === 0) await new Promise<void>((done) => setImmediate(done));
        const status = statAt(directory, name);
        if (!status) continue;
        const below = path === "" ? name : `${path}/${name}`;
        if (isDirectoryMode(status.mode)) pending.push(below);
        yield { directory, name, path: below, status };
      }
    } finally {
      close(directory);
    }
  }
}
