/** The containers of this server: the parts that they are made with, and the interface put together. */
import type { BridgeNetwork } from "../../network/network.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Platform } from "../../storage/content/content.ts";
import type { Snapshots } from "../../storage/snapshots/snapshots.ts";
import type { Containers } from "../engine.ts";
import { conflict } from "../errors.ts";
import type { EventLog } from "../events/events.ts";
import type { ImageService } from "../images/images.ts";
import type { Endpoints } from "../networks/endpoints.ts";
import type { VolumeService } from "../volumes/volumes.ts";
import { attachSession } from "./attach.ts";
import type { Container, ContainerRecord } from "./container.ts";
import { createContainer } from "./create.ts";
import { inspectContainer } from "./inspect.ts";
import {
  killContainer,
  pauseContainer,
  restartContainer,
  startContainer,
  stopContainer,
  unpauseContainer,
} from "./lifecycle.ts";
import { listContainers, pruneContainers } from "./list.ts";
import { containerLogs } from "./logs.ts";
import { removeContainer, renameContainer } from "./remove.ts";
import type { ContainerStore } from "./store.ts";
import { topContainer } from "./top.ts";
import { waitContainer } from "./wait.ts";

export interface Parts {
  store: ContainerStore;
  images: ImageService;
  volumes: VolumeService;
  endpoints: Endpoints;
  bridge: BridgeNetwork;
  snapshots: Snapshots;
  runtime: Runtime;
  events: EventLog;
  platform: Platform;
  cgroupVersion: 1 | 2;
  /** The AppArmor profile of containers that ask for none; undefined where the kernel has it off. */
  apparmor: string | undefined;
  /** DATA_ROOT/containers: a folder a container, for its log. */
  folder: string;
  /** In memory: a folder a running container, for the files mounted into it. */
  files: string;
  dns: { servers: string[]; search: string[]; options: string[] };
  hostname(): string;
  log: Record<"debug" | "info" | "warn" | "error", (message: string) => void>;
  /** The server ends: no restarts, no removals that a next start would do as well. */
  closing: () => boolean;
}

export function createContainers(parts: Parts): Containers {
  const find = parts.store.find;
  return {
    create: (name, request, platform) => createContainer(parts, name, request, platform),
    start: (ref) => startContainer(parts, find(ref)),
    stop: (ref, options) => stopContainer(parts, find(ref), options),
    restart: (ref, options) => restartContainer(parts, find(ref), options),
    kill: (ref, signal) => killContainer(parts, find(ref), signal),
    pause: (ref) => pauseContainer(parts, find(ref)),
    unpause: (ref) => unpauseContainer(parts, find(ref)),
    wait: (ref, condition) => waitContainer(find(ref), condition),
    remove: (ref, options) => removeContainer(parts, find(ref), options),
    rename: (ref, name) => renameContainer(parts, find(ref), name),
    list: (options) => listContainers(parts, options),
    inspect: (ref, size) => inspectContainer(parts, find(ref), size),
    top: (ref, psArgs) => topContainer(parts, find(ref), psArgs),
    resize: async (ref, rows, columns) => resizeContainer(parts, find(ref), rows, columns),
    attach: (ref) => attachSession(parts, find(ref)),
    logs: (ref, options) => containerLogs(parts, find(ref), options),
    prune: (filters) => pruneContainers(parts, filters),
  };
}

/** What Docker sends with every event of a container. */
export function eventAttributes(record: ContainerRecord, more: Record<string, string> = {}): Record<string, string> {
  return { ...record.config.Labels, image: record.imageName, name: record.name, ...more };
}

/** A process's end that a call saw before its exit was told. */
export const isGone = (error: unknown): boolean =>
  ["ENXIO", "ENOENT", "EPIPE"].includes((error as NodeJS.ErrnoException).code ?? "") ||
  / is not running$/.test((error as Error).message);

async function resizeContainer(parts: Parts, container: Container, rows: number, columns: number) {
  if (!container.process || container.state.status === "exited") {
    throw conflict(`Container ${container.record.id} is not running`);
  }
  try {
    await container.process.resize(rows, columns);
  } catch (error) {
    // It has just ended: nobody reads its supervisor's pipe.
    if (!isGone(error)) throw error;
    throw conflict(`Container ${container.record.id} is not running`);
  }
  const size = { height: String(rows), width: String(columns) };
  parts.events.emit("container", "resize", container.record.id, eventAttributes(container.record, size));
}
