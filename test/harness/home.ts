/**
 * A test's home: the folder that holds the roots of a server, and the names that only it uses on the machine. All of
 * them follow from the folder's name, so that `sweep.ts` finds what is left of a test that was killed.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

export interface Home {
  /** Short, because sockets below it have at most 107 characters. */
  path: string;
  /** Six hex digits. */
  id: string;
  /** Names that hold `id`, so that everything named so can be told from others'. */
  bridge: string;
  cgroupParent: string;
}

/** Where homes are made; must not lie on overlayfs. */
export const homesRoot = process.env.GANTRY_TEST_ROOT ?? "/tmp";

/** `gt-PID-ID`: the process that made it, and its id. */
export const homeName = /^gt-(\d+)-([0-9a-f]{6})$/;

export function homeOf(path: string): Home {
  const id = homeName.exec(path.slice(path.lastIndexOf("/") + 1))?.[2];
  if (id === undefined) throw new Error(`${path} is not the home of a test`);
  return { path, id, bridge: `gt${id}`, cgroupParent: `/gt${id}` };
}

/** Makes a home of this process. `sweep.ts` removes it. */
export function makeHome(): Home {
  const path = join(homesRoot, `gt-${process.pid}-${randomBytes(3).toString("hex")}`);
  mkdirSync(path, { mode: 0o755 });
  return homeOf(path);
}
