/** The host's ports that containers have: reserved by sockets of ours, chosen when none is named. */
import { closeSync, readFileSync } from "node:fs";
import type { SysError } from "../../sys/libc.ts";
import { reservePort } from "../../sys/reservation.ts";
import { formatAddress, parseAddress } from "../address/ipv4.ts";
import { NetworkError, type PortBinding } from "../network.ts";

export interface Reservation {
  binding: PortBinding;
  /** -1 where the kernel has no socket of this protocol. */
  fd: number;
}

export interface Ports {
  /** Takes the port, or a free one when it is 0 (in the range up to `hostPortEnd`, if given). NetworkError with Docker's text. */
  reserve(binding: PortBinding): Reservation;
  free(reservation: Reservation): void;
}

/** Ports handed out when none is asked for: the upper part of those that the host itself draws from. */
export function freePortRange(): [first: number, last: number] {
  const dynamic = 49152;
  try {
    const [low, high] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").trim().split(/\s+/).map(Number);
    if (low! > 0 && high! >= low! && high! <= 65535) return [dynamic > low! && dynamic < high! ? dynamic : low!, high!];
  } catch {}
  return [dynamic, 65535];
}

export function createPorts(range: [first: number, last: number] = freePortRange()): Ports {
  // Ours by protocol and port: the text for a port that another container has differs from that for a process.
  const held = new Map<string, Set<number>>();
  const [first, last] = range;
  // Not always from the first: servers side by side would try each other's ports.
  let next = first + Math.floor(Math.random() * (last - first + 1));

  const isOurs = (binding: PortBinding, host: number, port: number) => {
    const hosts = held.get(`${binding.protocol} ${port}`);
    return hosts !== undefined && (hosts.has(host) || hosts.has(0) || (host === 0 && hosts.size > 0));
  };

  const take = (binding: PortBinding, host: number, port: number): Reservation => {
    if (isOurs(binding, host, port)) {
      throw new NetworkError(`Bind for ${formatAddress(host)}:${port} failed: port is already allocated`, "conflict");
    }
    const fd = bind(binding.protocol, host, port);
    const key = `${binding.protocol} ${port}`;
    held.set(key, (held.get(key) ?? new Set()).add(host));
    return { binding: { ...binding, hostPort: port }, fd };
  };

  const takeAny = (binding: PortBinding, host: number): Reservation => {
    for (let tried = first; tried <= last; tried++) {
      const port = next;
      next = next >= last ? first : next + 1;
      try {
        return take(binding, host, port);
      } catch (error) {
        if (!(error instanceof NetworkError) || error.kind !== "conflict") throw error;
      }
    }
    throw new NetworkError(`all ports from ${first} to ${last} are allocated`, "exhausted");
  };

  const takeBetween = (binding: PortBinding, host: number, end: number): Reservation => {
    for (let port = binding.hostPort; port < end; port++) {
      try {
        return take(binding, host, port);
      } catch (error) {
        if (!(error instanceof NetworkError) || error.kind !== "conflict") throw error;
      }
    }
    return take(binding, host, end);
  };

  return {
    reserve(binding) {
      const host = hostOf(binding);
      if (binding.hostPort === 0) return takeAny(binding, host);
      return takeBetween(binding, host, binding.hostPortEnd ?? binding.hostPort);
    },
    free({ binding, fd }) {
      if (fd !== -1) closeSync(fd);
      const key = `${binding.protocol} ${binding.hostPort}`;
      const hosts = held.get(key);
      hosts?.delete(hostOf(binding));
      if (hosts?.size === 0) held.delete(key);
    },
  };
}

/** The host's address as a number, 0 for every one. NetworkError `invalid`. */
export function hostOf(binding: PortBinding): number {
  if (binding.hostAddress === "") return 0;
  const parsed = parseAddress(binding.hostAddress);
  if (parsed === undefined) {
    throw new NetworkError(
      `invalid host address ${JSON.stringify(binding.hostAddress)}: ports are published over IPv4`,
      "invalid",
    );
  }
  return parsed;
}

function bind(protocol: PortBinding["protocol"], host: number, port: number): number {
  try {
    return reservePort(protocol, host, port);
  } catch (error) {
    const { code, call, message } = error as SysError;
    // The container may speak SCTP where the host cannot (its module is not loaded): the rules suffice.
    if (call === "socket" && protocol === "sctp") return -1;
    if (call !== "bind" && call !== "listen") throw error;
    const reasons: Record<string, string> = {
      EADDRINUSE: "address already in use",
      EADDRNOTAVAIL: "cannot assign requested address",
      EACCES: "permission denied",
    };
    const reason = reasons[code] ?? message;
    throw new NetworkError(
      `listen ${protocol}4 ${formatAddress(host)}:${port}: bind: ${reason}`,
      code === "EADDRINUSE" ? "conflict" : "invalid",
    );
  }
}
