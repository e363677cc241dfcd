/**
 * crun on a read-only mount. It copies itself into memory at each start, lest a container write to it through
 * /proc/PID/exe (CVE-2019-5736), unless its file lies on a read-only mount: then it cannot be written to anyway.
 */
import { closeSync, openSync, realpathSync, statSync } from "node:fs";
import { bindMount, isMounted, unmount } from "../sys/mount.ts";

export interface Pinned {
  /** Where to call the program: on the mount, or at its own place when there is none. */
  path(): string;
  /** Takes the mount away. */
  close(): void;
}

/** Binds `program`, as it is now, to the file `target`, which is made. Never throws: without the mount it takes longer. */
export function pinProgram(program: string, target: string): Pinned {
  const original = realpathSync(program);
  const isPinned = () => {
    try {
      const [a, b] = [statSync(original), statSync(target)];
      return a.ino === b.ino && a.dev === b.dev;
    } catch {
      return false;
    }
  };
  try {
    // Left by a server that was killed; of an older program when that was upgraded since.
    if (isMounted(target) && !isPinned()) unmount(target, { lazy: true });
    if (!isPinned()) {
      closeSync(openSync(target, "a", 0o600));
      bindMount(original, target, { readonly: true });
    }
  } catch {
    // No right to mount here: the program works at its own place as well.
  }
  return {
    path: () => (isPinned() ? target : original),
    close() {
      try {
        unmount(target, { lazy: true });
      } catch {
        // The next server takes it over.
      }
    },
  };
}
