/**
 * Changes of folders by inotify(7), every one of them. fs.watch does not do: it drops an event that resembles one of the
 * last millisecond (149 of 300 appends, each made when the one before had been seen, went unnoticed).
 *
 * One instance for all watches: a user may have 128 only. It is read by `Bun.file(fd).stream()`, which waits in the event
 * loop, and closed with the last watch.
 */
import { closeSync } from "node:fs";
import { address, check, cstring, nr, syscall } from "./libc.ts";

const IN_MODIFY = 0x2;
const IN_MOVED_TO = 0x80;
const IN_CREATE = 0x100;
const IN_Q_OVERFLOW = 0x4000;
const IN_IGNORED = 0x8000;
const IN_ONLYDIR = 0x01000000;
const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;

/** Told of a name in the folder that was made, written to or moved there; undefined when anything may have happened. */
type Listener = (name: string | undefined) => void;

interface Instance {
  fd: number;
  reader: { read(): Promise<{ done: boolean; value?: Uint8Array }>; cancel(): Promise<void> };
  watches: Map<number, Set<Listener>>;
}

let instance: Instance | undefined;

/** What happens after the return is told. Returns the way to stop. Throws SysError (ENOENT, ENOTDIR, ENOSPC). */
export function watchFolder(path: string, listener: Listener): () => void {
  instance ??= open();
  const current = instance;
  const name = cstring(path);
  let watch: number;
  try {
    watch = check(
      syscall(nr("inotify_add_watch"), current.fd, address(name), IN_MODIFY | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR),
      "inotify_add_watch",
      path,
    );
  } catch (error) {
    closeIfIdle(current);
    throw error;
  }
  // The kernel gives a folder that is watched already the same number.
  const listeners = current.watches.get(watch) ?? new Set();
  current.watches.set(watch, listeners);
  const entry: Listener = (changed) => listener(changed);
  listeners.add(entry);
  return () => {
    if (!listeners.delete(entry) || listeners.size > 0) return;
    if (current.watches.get(watch) === listeners) {
      current.watches.delete(watch);
      syscall(nr("inotify_rm_watch"), current.fd, watch);
    }
    closeIfIdle(current);
  };
}

function open(): Instance {
  const fd = check(syscall(nr("inotify_init1"), IN_NONBLOCK | IN_CLOEXEC), "inotify_init1");
  const opened: Instance = { fd, reader: Bun.file(fd).stream().getReader() as Instance["reader"], watches: new Map() };
  void listen(opened);
  return opened;
}

function closeIfIdle(current: Instance): void {
  if (current.watches.size > 0 || instance !== current) return;
  instance = undefined;
  void current.reader.cancel().finally(() => closeSync(current.fd));
}

async function listen(current: Instance): Promise<void> {
  for (;;) {
    const { done, value } = await current.reader.read();
    if (done || value === undefined) return;
    dispatch(current, value);
  }
}

/** struct inotify_event: watch, mask, cookie, length of the name with its padding, name. The kernel gives whole ones. */
function dispatch(current: Instance, chunk: Uint8Array): void {
  const data = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  for (let at = 0; at + 16 <= data.length; ) {
    const watch = data.readInt32LE(at);
    const mask = data.readUInt32LE(at + 4);
    const length = data.readUInt32LE(at + 12);
    const name = data.toString("utf8", at + 16, at + 16 + length).replace(/\0+$/, "");
    at += 16 + length;
    if (mask & IN_Q_OVERFLOW) {
      for (const listeners of [...current.watches.values()]) for (const listener of [...listeners]) listener(undefined);
      continue;
    }
    const listeners = current.watches.get(watch);
    // The folder is gone, and its number may be used again.
    if (mask & IN_IGNORED) current.watches.delete(watch);
    for (const listener of [...(listeners ?? [])]) listener(mask & IN_IGNORED ? undefined : name);
  }
  closeIfIdle(current);
}
