/**
 * Networks of containers on this host: the bridge, its addresses, ready network namespaces, NAT and published ports.
 * User-defined networks and other drivers come behind the same interface.
 */

export interface BridgeOptions {
  /** Interface name, at most 15 characters. Also the suffix of our nft table's name. */
  bridge: string;
  /** Address of the bridge with prefix length (`172.17.0.1/16`); chosen from `pools` so that it collides with nothing when absent. */
  address?: string;
  pools: { base: string; size: number }[];
  /** Where namespace files live: `EXEC_ROOT/netns`. */
  namespaces: string;
  /** How many namespaces wait ready; 0 makes each on demand. */
  ready: number;
  mtu: number;
  /** What an administrator should know: a setting of the host that was changed, something left over that was removed. */
  log?: (message: string) => void;
}

export interface PortBinding {
  protocol: "tcp" | "udp" | "sctp";
  containerPort: number;
  /** "" means every address. */
  hostAddress: string;
  /** 0 means any free one. */
  hostPort: number;
  /** With it, the first free port from `hostPort` to this one. */
  hostPortEnd?: number;
}

export interface Endpoint {
  /** Path of the namespace file, for the OCI spec. */
  namespace: string;
  address: string;
  prefixLength: number;
  gateway: string;
  mac: string;
}

/** Bad input from a user (400 or 500 with Docker's text), told apart from a fault of ours. */
export class NetworkError extends Error {
  constructor(
    message: string,
    readonly kind: "invalid" | "conflict" | "exhausted" | "other",
  ) {
    super(message);
  }
}

export interface BridgeNetwork {
  readonly bridge: string;
  /** `172.17.0.0/16` */
  readonly subnet: string;
  /** `172.17.0.1` */
  readonly gateway: string;
  /**
   * Takes a ready namespace (or makes one) for the container; its file keeps its path until `release`. `restore` comes
   * first, once, also when nothing is held: before, the addresses in use are not known.
   */
  acquire(
    id: string,
    options?: { mac?: string; address?: string; sysctls?: Record<string, string> },
  ): Promise<Endpoint>;
  /**
   * Publishes ports of the container: nft rules in one transaction, and the ports reserved on the host.
   * Returns the bindings with the ports chosen. All or nothing. NetworkError `conflict` with Docker's text when one is
   * taken; `endpoint` (`NAME (ID)`) puts Docker's "driver failed programming external connectivity on endpoint …" before it.
   */
  publish(id: string, bindings: PortBinding[], endpoint?: string): Promise<PortBinding[]>;
  /** Frees ports, address and namespace, also an empty namespace of this ID; no error when there is nothing. */
  release(id: string): Promise<void>;
  /** After a restart of the server: what these containers hold is taken over, everything else of ours is removed. */
  restore(held: { id: string; endpoint: Endpoint; bindings: PortBinding[] }[]): Promise<void>;
  /** Leaves containers' namespaces and rules (live-restore), ends helpers, removes waiting namespaces. */
  close(): Promise<void>;
  /** close(), then removes bridge and nft table: for tests and uninstall. */
  destroy(): Promise<void>;
}

/**
 * A namespace with nothing but lo up, for `--network none`, as a file in the same folder as the bridge's: the bridge's
 * `release` frees it.
 */
export type EmptyNamespace = (id: string) => Promise<string>;
