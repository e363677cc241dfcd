/** Puts the files for the guest together in a folder: by hard links where that goes, so it costs next to nothing. */
import {
  constants,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";

/** Bytes and number of what `stageTree` put there. */
export interface Staged {
  files: number;
  bytes: number;
}

/**
 * Lays the files and folders (path in the tree → path here) into `folder`. `leave` says which paths of the tree (no
 * leading slash) are left out.
 */
export function stageTree(
  folder: string,
  files: Record<string, string>,
  leave: (path: string) => boolean = () => false,
): Staged {
  const staged: Staged = { files: 0, bytes: 0 };
  const put = (path: string, from: string): void => {
    if (leave(path)) return;
    const to = join(folder, path);
    const status = lstatSync(from);
    if (status.isDirectory()) {
      mkdirSync(to, { recursive: true });
      for (const name of readdirSync(from)) put(join(path, name), join(from, name));
    } else if (status.isSymbolicLink()) symlinkSync(readlinkSync(from), to);
    else if (status.isFile()) {
      staged.files++;
      staged.bytes += status.size;
      try {
        linkSync(from, to);
      } catch {
        // Another file system, or one without links.
        copyFileSync(from, to, constants.COPYFILE_FICLONE);
      }
    }
  };
  for (const [path, from] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    put(path, from);
  }
  return staged;
}
