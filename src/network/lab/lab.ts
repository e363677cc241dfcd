/**
 * For tests: hosts as network namespaces, wired to each other, with programs in them. A server runs in one (`server.ts`)
 * and sees it as the whole machine, so that a test changes nothing of the real one.
 */
import { join } from "node:path";
import { type Home, makeHome } from "../../../test/harness/home.ts";
import { removeHome } from "../../../test/harness/sweep.ts";
import type { BridgeOptions, Endpoint, PortBinding } from "../network.ts";
import type { Answer, Call } from "./server.ts";

const programs = { server: join(import.meta.dir, "server.ts"), peer: join(import.meta.dir, "peer.ts") };

export interface Lab {
  home: Home;
  /** A host of its own, lo up. Its name is unique on the machine. */
  host(): Host;
  /** Joins two hosts by a cable: each gets an address of 198.18.N.0/24 on a device of this name. */
  wire(a: Host, b: Host, device: string): { a: string; b: string };
  /** A container, by its namespace's file. */
  inside(namespace: string): Host;
  /** A server's process on the host. Its bridge is the home's, unless it is told otherwise. */
  server(host: Host): Server;
  /** Ends everything and removes it. */
  end(): Promise<void>;
}

/** Anything that has a network namespace: a host, or a container. */
export interface Host {
  /** The namespace's file. */
  path: string;
  /** Runs a program in it to its end, throws when it fails, returns what it printed. */
  run(...argv: string[]): string;
  /** Listens and answers everything with `text`; resolves when it listens. */
  serve(protocol: "tcp" | "udp", port: number, text: string, address?: string): Promise<void>;
  /** What a server there answers, "nothing" when it does not within a second, or the error's code. */
  ask(protocol: "tcp" | "udp", address: string, port: number, ownPort?: number): Promise<string>;
}

export function createLab(): Lab {
  const home = makeHome();
  const children = new Set<Bun.Subprocess>();
  const names: string[] = [];
  let wires = 0;

  const at = (path: string): Host => ({
    path,
    run: (...argv) => command("nsenter", `--net=${path}`, ...argv),
    async serve(protocol, port, text, address = "0.0.0.0") {
      const child = Bun.spawn(
        ["nsenter", `--net=${path}`, process.execPath, programs.peer, "serve", protocol, address, String(port), text],
        {
          stdout: "pipe",
          stderr: "inherit",
        },
      );
      children.add(child);
      const { value } = await child.stdout.getReader().read();
      if (new TextDecoder().decode(value) !== "ready\n") throw new Error(`no server on port ${port} of ${path}`);
    },
    async ask(protocol, address, port, ownPort = 0) {
      const child = Bun.spawn(
        [
          "nsenter",
          `--net=${path}`,
          process.execPath,
          programs.peer,
          "ask",
          protocol,
          address,
          String(port),
          String(ownPort),
        ],
        {
          stderr: "inherit",
        },
      );
      return (await new Response(child.stdout).text()).trim();
    },
  });

  return {
    home,
    host() {
      const name = `gt${home.id}-${names.length}`;
      names.push(name);
      command("ip", "netns", "add", name);
      const host = at(`/run/netns/${name}`);
      host.run("ip", "link", "set", "lo", "up");
      return host;
    },
    wire(a, b, device) {
      const network = `198.18.${++wires}`;
      const name = (host: Host) => host.path.slice(host.path.lastIndexOf("/") + 1);
      command("ip", "link", "add", device, "netns", name(a), "type", "veth", "peer", "name", device, "netns", name(b));
      for (const [host, last] of [
        [a, 1],
        [b, 2],
      ] as const) {
        host.run("ip", "address", "add", `${network}.${last}/24`, "dev", device);
        host.run("ip", "link", "set", device, "up");
      }
      return { a: `${network}.1`, b: `${network}.2` };
    },
    inside: at,
    server(host) {
      const argv = ["nsenter", `--net=${host.path}`, process.execPath, programs.server];
      const child = Bun.spawn(argv, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
      children.add(child);
      return connect(child, {
        bridge: home.bridge,
        pools: [{ base: "172.17.0.0/16", size: 16 }],
        namespaces: join(home.path, "netns"),
        ready: 2,
        mtu: 1500,
      });
    },
    async end() {
      for (const child of children) child.kill("SIGKILL");
      await Promise.all([...children].map((child) => child.exited));
      await removeHome(home);
      for (const name of names) command("ip", "netns", "delete", name);
    },
  };
}

export interface Server {
  readonly pid: number;
  /** What it logged so far. */
  log: string[];
  create(options?: Partial<BridgeOptions>): Promise<{ subnet: string; gateway: string }>;
  acquire(id: string, wanted?: { mac?: string; address?: string; sysctls?: Record<string, string> }): Promise<Endpoint>;
  publish(id: string, bindings: PortBinding[], endpoint?: string): Promise<PortBinding[]>;
  release(id: string): Promise<void>;
  restore(held: { id: string; endpoint: Endpoint; bindings: PortBinding[] }[]): Promise<void>;
  empty(id: string): Promise<string>;
  destroy(): Promise<void>;
  close(): Promise<void>;
  /** Acquires, publishes and releases without end, several at a time. */
  storm(): Promise<void>;
  /** Kills it with -9. */
  kill(): Promise<void>;
}

/** Speaks with the server's process: a line of JSON each way. */
function connect(child: Bun.Subprocess<"pipe", "pipe", "inherit">, defaults: BridgeOptions): Server {
  const waiting = new Map<number, (answer: Answer) => void>();
  const log: string[] = [];
  let last = 0;
  const ended = async () => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      text += decoder.decode(chunk, { stream: true });
      const lines = text.split("\n");
      text = lines.pop()!;
      for (const line of lines) {
        const answer = JSON.parse(line) as Answer;
        if (answer.log !== undefined) log.push(answer.log);
        else waiting.get(answer.number)?.(answer);
      }
    }
    for (const answer of waiting.values()) answer({ number: 0, error: "the server's process ended" });
  };
  ended();
  const call = <T>(method: Call["method"], ...args: unknown[]): Promise<T> =>
    new Promise((resolve, reject) => {
      const number = ++last;
      waiting.set(number, (answer) => {
        waiting.delete(number);
        if (answer.error !== undefined) reject(new Error(answer.error));
        else resolve(answer.result as T);
      });
      child.stdin.write(`${JSON.stringify({ number, method, args } satisfies Call)}\n`);
      child.stdin.flush();
    });
  return {
    pid: child.pid,
    log,
    create: (options) => call("create", { ...defaults, ...options }),
    acquire: (...args) => call("acquire", ...args),
    publish: (...args) => call("publish", ...args),
    release: (...args) => call("release", ...args),
    restore: (...args) => call("restore", ...args),
    empty: (...args) => call("empty", ...args),
    destroy: () => call("destroy"),
    close: () => call("close"),
    storm: () => call("storm"),
    async kill() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

function command(...argv: string[]): string {
  const child = Bun.spawnSync(argv, { stdin: "ignore", stderr: "pipe" });
  if (!child.success) throw new Error(`${argv.join(" ")}: ${child.stderr.toString().trim()}`);
  return child.stdout.toString();
}
