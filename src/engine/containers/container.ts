/** A container as the engine keeps it: what was asked for (`record`), what became of it (`state`), what lives now. */
import type { ContainerConfig, EndpointSettings, HostConfig } from "@docker/node-sdk";
import type { Endpoint, PortBinding } from "../../network/network.ts";
import type { RunningProcess } from "../../runtime/runtime.ts";
import type { Digest, Platform } from "../../storage/content/content.ts";
import type { Lock } from "../lock.ts";

export interface ContainerRecord {
  id: string;
  /** Without the slash that the API shows. */
  name: string;
  created: string;
  image: Digest;
  /** The image as the user typed it. */
  imageName: string;
  platform: Platform;
  chain: Digest[];
  /** The request's, merged with the image's. */
  config: ContainerConfig;
  hostConfig: HostConfig;
  endpoints: Record<string, EndpointSettings>;
  mounts: MountRecord[];
  path: string;
  args: string[];
}

export interface MountRecord {
  type: "bind" | "volume" | "tmpfs";
  /** Host path of a bind, name of a volume, "" of a tmpfs. */
  source: string;
  destination: string;
  readonly: boolean;
  /** Options as the user wrote them, for inspect (`ro`, `z`, …). */
  mode: string;
  /** bind: a mount propagation, default rprivate. */
  propagation: string;
  /** The image's content is copied into the volume at its first use. */
  copy: boolean;
  recursive: boolean;
  /** Read only, but not what is mounted below. */
  shallowReadonly?: boolean;
  tmpfs?: { size?: number; mode?: number; options?: string[] };
  /** By `--tmpfs`: Docker does not show those among the mounts. */
  unlisted?: boolean;
  /** For the volume, if it is made. */
  labels?: Record<string, string>;
  /** Made for this container alone: removed with it by `--rm` and `rm -v`. */
  anonymous: boolean;
}

export type Status = "created" | "running" | "paused" | "restarting" | "removing" | "exited" | "dead";

export interface ContainerState {
  status: Status;
  pid: number;
  exitCode: number;
  error: string;
  oomKilled: boolean;
  startedAt: string;
  finishedAt: string;
  restartCount: number;
  /** A user stopped it: restart policies leave it alone. */
  stopped: boolean;
  /** While it runs on a bridge. */
  endpoint?: Endpoint;
  bindings?: PortBinding[];
}

export interface Container {
  record: ContainerRecord;
  state: ContainerState;
  lock: Lock;
  process?: RunningProcess;
  /** Those who attached before it started, and are told when it does. */
  arrivals: Set<(process: RunningProcess | undefined) => void>;
  /** Resolved at its next exit, and at removal. */
  exits: Set<(code: number) => void>;
  removals: Set<(code: number) => void>;
  /** What still goes on after the last exit was answered; a new start waits for it. */
  teardown: Promise<void>;
  /** A removal is under way: no start, no restart. */
  removing: boolean;
  removed: boolean;
  /** `docker restart` ends it to begin it again: `--rm` does not mean this end. */
  restartAsked?: boolean;
  restart?: { timer: ReturnType<typeof setTimeout>; delay: number };
  execs: Set<string>;
}

export const isRunning = (container: Container): boolean =>
  container.state.status === "running" || container.state.status === "paused";

/** Docker counts a container that waits for its restart as running. */
export const isActive = (container: Container): boolean =>
  isRunning(container) || container.state.status === "restarting";
