/** Debian's dockerd on roots of its own, as the peer: the CLI is tested against it, and the bench measures it. */
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Home, makeHome } from "./home.ts";
import { libraryPath, program, searchPath } from "./programs.ts";
import { cleanEnvironment, type Result, type RunOptions, run } from "./run.ts";
import { answers, gantry } from "./server.ts";
import { removeHome } from "./sweep.ts";

export interface Peer {
  readonly home: Home;
  readonly host: string;
  readonly socket: string;
  readonly pid: number;
  /** Our CLI against it. */
  cli(argv: string[], options?: RunOptions): Promise<Result>;
  docker(argv: string[], options?: RunOptions): Promise<Result>;
  log(): string;
  /** Ends it and removes everything of it. */
  cleanup(): Promise<void>;
}

export interface PeerOptions {
  /** A bridge with NAT (dockerd then writes iptables rules of its own) instead of no network. */
  network?: boolean;
  args?: string[];
}

export async function startPeer(options: PeerOptions = {}): Promise<Peer> {
  const dockerd = program("dockerd");
  const home = makeHome();
  const socket = join(home.path, "s");
  const host = `unix://${socket}`;
  const logFile = join(home.path, "log");
  const argv = [dockerd, "-H", host, "--data-root", join(home.path, "data"), "--exec-root", join(home.path, "run")];
  argv.push("--pidfile", join(home.path, "pid"), "--cgroup-parent", home.cgroupParent);
  const libraries = libraryPath();
  const env = cleanEnvironment({ PATH: searchPath, ...(libraries ? { LD_LIBRARY_PATH: libraries } : {}) });
  try {
    if (options.network) {
      // A bridge that is not docker0 must exist before; a third octet of chance keeps several apart.
      const octet = Number.parseInt(home.id.slice(0, 2), 16);
      for (const words of [
        ["link", "add", home.bridge, "type", "bridge"],
        ["address", "add", `10.213.${octet}.1/24`, "dev", home.bridge],
        ["link", "set", home.bridge, "up"],
      ]) {
        const { code, stderr } = await run([program("ip"), ...words]);
        if (code !== 0) throw new Error(`ip ${words.join(" ")}: ${stderr}`);
      }
      // Without the second it sets the policy of the FORWARD chain to DROP for everybody on the machine.
      argv.push("--bridge", home.bridge, "--ip-forward=false");
    } else argv.push("--bridge", "none", "--iptables=false", "--ip6tables=false");
    argv.push(...(options.args ?? []));
    const output = openSync(logFile, "a");
    const child = Bun.spawn(argv, { stdin: "ignore", stdout: output, stderr: output, env, cwd: "/" });
    closeSync(output);
    const log = (): string => readFileSync(logFile, "utf8");
    try {
      await answers(socket, child.exited, 60_000);
    } catch (error) {
      child.kill("SIGKILL");
      throw new Error(`${(error as Error).message}; dockerd's log:\n${log()}`);
    }
    const clientEnvironment = cleanEnvironment({ HOME: home.path, DOCKER_CONFIG: join(home.path, "docker-config") });
    return {
      home,
      host,
      socket,
      pid: child.pid,
      cli: (words, runOptions) => run([...gantry, "-H", host, ...words], { env: clientEnvironment, ...runOptions }),
      docker: (words, runOptions) =>
        run([program("docker"), "-H", host, ...words], { env: clientEnvironment, ...runOptions }),
      log,
      async cleanup() {
        child.kill("SIGTERM");
        await Promise.race([child.exited, Bun.sleep(20_000)]);
        await removeHome(home);
        if (options.network) await removeRules(home.bridge);
      },
    };
  } catch (error) {
    await removeHome(home);
    throw error;
  }
}

/** dockerd leaves its iptables rules behind: removes those that name `bridge`, and nothing else. */
async function removeRules(bridge: string): Promise<void> {
  for (const table of ["filter", "nat"]) {
    const { stdout } = await run([program("iptables"), "-w", "-t", table, "-S"]);
    for (const line of stdout.split("\n")) {
      if (!line.startsWith("-A ") || !line.split(" ").includes(bridge)) continue;
      await run([program("iptables"), "-w", "-t", table, "-D", ...line.slice(3).split(" ")]);
    }
  }
}
