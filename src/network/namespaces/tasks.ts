/** What the namespaces' Worker is asked, and what it answers. Everything a task needs is in it: the Worker keeps nothing. */

/** A namespace with lo up and an end of a veth pair: `eth0`, with address and default route. */
export interface PrepareTask {
  kind: "prepare";
  path: string;
  /** The host's end. */
  veth: string;
  /** Index of the bridge. */
  bridge: number;
  mtu: number;
  address: number;
  prefix: number;
  gateway: number;
  mac: string;
}

/** Gives `eth0` of a prepared namespace another hardware address. */
export interface RemacTask {
  kind: "remac";
  path: string;
  mac: string;
}

/** A namespace with nothing but lo up. */
export interface EmptyTask {
  kind: "empty";
  path: string;
}

/** Writes `net.*` sysctls of the namespace. */
export interface SysctlTask {
  kind: "sysctls";
  path: string;
  values: Record<string, string>;
}

/** Removes namespaces and their veths, all at once; no error when they are gone. */
export interface RemoveTask {
  kind: "remove";
  paths: string[];
  veths: string[];
}

/**
 * Unbinds namespaces and takes their veths off the bridge: 0.3 ms each, where their removal waits 30 ms for the kernel's
 * readers. The kernel removes a veth with its namespace, a moment after the last process in it has ended; `remove` makes
 * sure of it later.
 */
export interface DetachTask {
  kind: "detach";
  paths: string[];
  veths: string[];
}

/** Makes the host forget its UDP flows to these ports. */
export interface ForgetTask {
  kind: "forget";
  ports: number[];
}

export type Task = PrepareTask | RemacTask | EmptyTask | SysctlTask | DetachTask | RemoveTask | ForgetTask;

export interface TaskFailure {
  message: string;
  /** The errno's name, where a system call failed. */
  code?: string;
  /** The task asked for something that the kernel refuses: the user's fault. */
  invalid?: boolean;
}

export type TaskAnswer = { failure?: TaskFailure };
