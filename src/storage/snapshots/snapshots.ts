/**
 * Snapshots: a container's root file system, made of an image's layers below and a writable directory above.
 * Implementations: `overlay/` (and EROFS later). One suite, `suite.ts`, runs on each.
 */
import type { Digest } from "../content/content.ts";
import type { LayerStore } from "../layers/layers.ts";

/** A uid or gid mapping: `size` IDs from `container` on are the host's from `host` on. */
export interface IdMapping {
  container: number;
  host: number;
  size: number;
}

export interface MountOptions {
  readonly?: boolean;
  /** The layers are mounted with these mappings before the merge (userns-remap, rootless). */
  uids?: IdMapping[];
  gids?: IdMapping[];
}

export type ChangeKind = "added" | "modified" | "deleted";
export interface Change {
  path: string;
  kind: ChangeKind;
}

export interface Snapshots {
  /** Docker's name of the driver (`overlay2`), shown by `info`. */
  readonly driver: string;
  /** A layer that is removed while a snapshot stands on it is not there any more for whoever asks, and goes with the snapshot. */
  readonly layers: LayerStore;
  /**
   * Makes the writable part over `chain` (diff IDs, base first; [] is an empty root). `id` is a container's 64 hex digits.
   * Whole or absent after a kill at any moment. Just made, it may be absent after a power cut, when nothing was written
   * to it yet: `has` tells, and it can be made again.
   */
  prepare(id: string, chain: Digest[]): Promise<void>;
  /** Mounts it (if it is not) and returns the root's path. Counts nothing: one unmount ends it. Synchronous system calls. */
  mount(id: string, options?: MountOptions): string;
  /** Unmounts it; no error when it is not mounted. */
  unmount(id: string): void;
  /** The mount point, whether mounted or not. */
  root(id: string): string;
  has(id: string): boolean;
  /** Unmounts and removes the writable part. No error when it is absent. */
  remove(id: string): Promise<void>;
  list(): string[];
  /** What the container changed against its image, sorted by path, as `docker diff` shows it. */
  changes(id: string): Promise<Change[]>;
  /** Bytes that the writable part takes (`SizeRw`). */
  usage(id: string): Promise<number>;
  /** What `docker inspect` shows under GraphDriver.Data. */
  describe(id: string): Record<string, string>;
}
