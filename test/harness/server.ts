/**
 * A Gantry server of the test's own: private roots, socket, bridge, nft table and cgroups, so that it disturbs nobody
 * and can be told from everything else on the machine.
 */
import { closeSync, existsSync, openSync, readFileSync, watch } from "node:fs";
import { connect } from "node:net";
import { dirname, join, resolve } from "node:path";
import { type Home, makeHome } from "./home.ts";
import { type Live, live } from "./live.ts";
import { program } from "./programs.ts";
import { type Pty, pty } from "./pty.ts";
import { cleanEnvironment, type Result, type RunOptions, run } from "./run.ts";
import { leftovers, removeHome } from "./sweep.ts";

const repository = resolve(import.meta.dir, "../..");

/** How Gantry is called: what was built (scripts/test.ts says where), else the sources. */
export const gantry: string[] = process.env.GANTRY_EXECUTABLE
  ? [process.env.GANTRY_EXECUTABLE]
  : [process.execPath, join(repository, "src/main.ts")];

export interface Server {
  readonly home: Home;
  /** `unix:///…` */
  readonly host: string;
  readonly socket: string;
  readonly dataRoot: string;
  readonly execRoot: string;
  /** The running server's process; undefined when it does not run. */
  readonly pid: number | undefined;
  /** What every start of it has logged. */
  log(): string;
  /** Our CLI against it. */
  cli(argv: string[], options?: RunOptions): Promise<Result>;
  /** The stock client against it. */
  docker(argv: string[], options?: RunOptions): Promise<Result>;
  /** Either client on a terminal. */
  terminal(client: "gantry" | "docker", argv: string[], options?: { rows?: number; columns?: number }): Pty;
  /** Either client, running while the test talks to it. */
  live(client: "gantry" | "docker", argv: string[]): Live;
  /** Either client, with pipes that the test reads itself. */
  spawn(
    client: "gantry" | "docker",
    argv: string[],
    stdin?: Uint8Array,
  ): Bun.Subprocess<"ignore" | Uint8Array, "pipe", "pipe">;
  /** A request to the API, path with its leading slash. */
  request(path: string, init?: RequestInit): Promise<Response>;
  /** SIGTERM, and its end. Resolves with the exit code. */
  stop(): Promise<number>;
  /** SIGKILL, and its end. */
  kill9(): Promise<void>;
  /** Ends it by `stop` if it runs, and starts it again on the same roots. */
  restart(): Promise<void>;
  /**
   * Removes all containers by the API, ends the server, and rejects when anything of either is left (processes, mounts,
   * interfaces). Removes everything in any case. A server that does not run at that moment is only swept.
   */
  cleanup(): Promise<void>;
}

export interface ServerOptions {
  /** Further flags of `gantry daemon`. */
  args?: string[];
  env?: Record<string, string>;
  /** ms until it must answer. */
  limit?: number;
}

/** Starts a server and resolves when it answers. Call `cleanup` in afterAll or finally. */
export async function startServer(options: ServerOptions = {}): Promise<Server> {
  const home = makeHome();
  const socket = join(home.path, "s");
  const host = `unix://${socket}`;
  const dataRoot = join(home.path, "data");
  const execRoot = join(home.path, "run");
  const logFile = join(home.path, "log");
  let child: Bun.Subprocess | undefined;

  const log = (): string => (existsSync(logFile) ? readFileSync(logFile, "utf8") : "");

  async function start(): Promise<void> {
    const argv = [...gantry, "daemon", "-H", host, "--data-root", dataRoot, "--exec-root", execRoot];
    argv.push("--pidfile", join(home.path, "pid"), "--bridge", home.bridge, "--cgroup-parent", home.cgroupParent);
    argv.push(...(options.args ?? []));
    const output = openSync(logFile, "a");
    child = Bun.spawn(argv, {
      stdin: "ignore",
      stdout: output,
      stderr: output,
      env: cleanEnvironment({ PATH: searchPathOf(), ...options.env }),
      cwd: "/",
    });
    closeSync(output);
    const started = child;
    try {
      await answers(socket, started.exited, options.limit ?? 20_000);
    } catch (error) {
      started.kill("SIGKILL");
      await started.exited;
      throw new Error(`${(error as Error).message}; the server's log:\n${log()}`);
    }
  }

  async function end(signal: NodeJS.Signals): Promise<number> {
    const ending = child;
    if (ending === undefined) return 0;
    ending.kill(signal);
    const code = await ending.exited;
    child = undefined;
    return code;
  }

  const clientEnvironment = cleanEnvironment({
    HOME: home.path,
    DOCKER_CONFIG: join(home.path, "docker-config"),
    TERM: "xterm",
  });
  const command = (client: "gantry" | "docker", argv: string[]): string[] => [
    ...(client === "gantry" ? gantry : [program("docker")]),
    "-H",
    host,
    ...argv,
  ];

  const server: Server = {
    home,
    host,
    socket,
    dataRoot,
    execRoot,
    get pid() {
      return child !== undefined && child.exitCode === null && child.signalCode === null ? child.pid : undefined;
    },
    log,
    cli: (argv, runOptions) => run(command("gantry", argv), { env: clientEnvironment, ...runOptions }),
    docker: (argv, runOptions) => run(command("docker", argv), { env: clientEnvironment, ...runOptions }),
    terminal: (client, argv, size) => pty(command(client, argv), { env: clientEnvironment, ...size }),
    live: (client, argv) => live(command(client, argv), { env: clientEnvironment }),
    spawn: (client, argv, stdin) =>
      Bun.spawn(command(client, argv), {
        env: clientEnvironment,
        stdin: stdin ?? "ignore",
        stdout: "pipe",
        stderr: "pipe",
      }),
    request: (path, init) => fetch(`http://localhost${path}`, { ...init, unix: socket } as RequestInit),
    stop: () => end("SIGTERM"),
    kill9: async () => void (await end("SIGKILL")),
    async restart() {
      await end("SIGTERM");
      await start();
    },
    async cleanup() {
      const troubles: string[] = [];
      try {
        if (server.pid !== undefined) {
          await removeContainers(server);
          await end("SIGTERM");
          troubles.push(...leftovers(home));
        }
      } catch (error) {
        troubles.push((error as Error).message);
      } finally {
        child?.kill("SIGKILL");
        await child?.exited;
      }
      const said = troubles.length > 0 ? log() : "";
      await removeHome(home);
      if (troubles.length > 0) throw new Error(`left behind: ${troubles.join("\n")}\nthe server's log:\n${said}`);
    },
  };
  try {
    await start();
  } catch (error) {
    await removeHome(home);
    throw error;
  }
  return server;
}

/** The PATH as it is, and where Debian keeps nft and ip. */
function searchPathOf(): string {
  return `${process.env.PATH ?? "/usr/bin:/bin"}:/usr/local/sbin:/usr/sbin:/sbin`;
}

async function removeContainers(server: Server): Promise<void> {
  const answer = await server.request("/containers/json?all=1");
  if (!answer.ok) throw new Error(`cannot list containers: ${answer.status} ${await answer.text()}`);
  for (const { Id } of (await answer.json()) as { Id: string }[]) {
    const removed = await server.request(`/containers/${Id}?force=1&v=1`, { method: "DELETE" });
    if (!removed.ok && removed.status !== 404) {
      throw new Error(`cannot remove container ${Id}: ${removed.status} ${await removed.text()}`);
    }
  }
}

/** Resolves when a connection to `socket` is taken; rejects when `exited` comes first, or after `limit` ms. */
export async function answers(socket: string, exited: Promise<number>, limit: number): Promise<void> {
  const { promise, resolve: done, reject } = Promise.withResolvers<void>();
  let retry: Timer | undefined;
  let over = false;
  const attempt = (): void => {
    if (over || !existsSync(socket)) return;
    const client = connect(socket);
    client.once("connect", () => {
      client.destroy();
      done();
    });
    // Bound and not yet listening: there is no event for that moment.
    client.once("error", () => {
      clearTimeout(retry);
      if (!over) retry = setTimeout(attempt, 5);
    });
  };
  const watcher = watch(dirname(socket), attempt);
  const timer = setTimeout(() => reject(new Error(`${socket} does not answer after ${limit} ms`)), limit);
  void exited.then((code) => reject(new Error(`the server ended with ${code} before it answered`)));
  attempt();
  try {
    await promise;
  } finally {
    over = true;
    watcher.close();
    clearTimeout(timer);
    clearTimeout(retry);
  }
}
