/**
 * Exit files: conmon writes one, named by the container's ID and holding its exit code, when the container ended. One
 * watch for all.
 */
import { mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { watchFolder } from "../../sys/inotify.ts";

export interface ExitFile {
  code: number;
  /** RFC 3339 with nanoseconds, UTC. */
  at: string;
}

export interface Exits {
  readonly folder: string;
  /** What the file says now; undefined when there is none. */
  read(id: string): ExitFile | undefined;
  /** Calls back once, when the file is there, at once if it is already. Returns the way to give up. */
  watch(id: string, found: (exit: ExitFile) => void): () => void;
  /** Removes the file; no error when there is none. */
  remove(id: string): void;
  close(): void;
}

export function openExits(folder: string): Exits {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const waiting = new Map<string, (exit: ExitFile) => void>();
  const check = (id: string) => {
    const found = waiting.get(id);
    const exit = found === undefined ? undefined : read(id);
    if (found === undefined || exit === undefined) return;
    waiting.delete(id);
    found(exit);
  };
  const stop = watchFolder(folder, (name) => {
    if (name !== undefined) check(name);
    else for (const id of [...waiting.keys()]) check(id);
  });

  function read(id: string): ExitFile | undefined {
    const path = `${folder}/${id}`;
    try {
      // conmon renames it into place: what is there is whole.
      const code = Number.parseInt(readFileSync(path, "utf8"), 10);
      const nanoseconds = statSync(path, { bigint: true }).mtimeNs;
      return { code: Number.isNaN(code) ? 137 : code & 255, at: timestamp(nanoseconds) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  return {
    folder,
    read,
    watch(id, found) {
      waiting.set(id, found);
      check(id);
      return () => waiting.delete(id);
    },
    remove: (id) => rmSync(`${folder}/${id}`, { force: true }),
    close: stop,
  };
}

/** Nanoseconds since the epoch as RFC 3339, UTC. */
export function timestamp(nanoseconds: bigint): string {
  const milliseconds = nanoseconds / 1_000_000n;
  const rest = nanoseconds % 1_000_000n;
  return `${new Date(Number(milliseconds)).toISOString().slice(0, -1)}${String(rest).padStart(6, "0")}Z`;
}
