/**
 * A machine of its own for what uses Gantry's default paths: private mounts over /etc, /run, /var/lib/gantry and /var/log,
 * a network and processes of its own. Nothing of the real machine's is seen changed, and all of it ends with one process.
 */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Home, makeHome } from "./home.ts";
import { program } from "./programs.ts";
import { cleanEnvironment, type Result, run } from "./run.ts";
import { gantry } from "./server.ts";
import { removeHome } from "./sweep.ts";

export interface Sandbox {
  readonly home: Home;
  /** Runs a program in it, as root. */
  run(argv: string[]): Promise<Result>;
  /** Our CLI in it, with no word about hosts. */
  cli(argv: string[]): Promise<Result>;
  /** /etc/gantry/daemon.json; the cgroup of the sandbox's own is added. */
  configure(content: Record<string, unknown>): void;
  /** Host's pids of the servers in it. */
  servers(): number[];
  /** Ends the server that runs, if one does, and waits for it. */
  end(signal: NodeJS.Signals): Promise<void>;
  cleanup(): Promise<void>;
}

export const sandboxNeeds = ["root", "unshare", "nsenter", "ip"];

const script = `
  set -e
  mount --make-rprivate /
  mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/etc-work" /etc
  mount -t overlay overlay -o "lowerdir=/var/lib,upperdir=$1/lib,workdir=$1/lib-work" /var/lib
  mkdir -p /var/lib/gantry
  mount --bind "$1/data" /var/lib/gantry
  mount --bind "$1/log" /var/log
  mount -t tmpfs tmpfs /run
  ip link set lo up
  echo ready
  exec sleep infinity
`;

export async function startSandbox(): Promise<Sandbox> {
  const home = makeHome();
  for (const name of ["etc", "etc-work", "etc/gantry", "lib", "lib-work", "data", "log"])
    mkdirSync(join(home.path, name));
  const flags = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const child = Bun.spawn([program("unshare"), ...flags, "sh", "-c", script, "sh", home.path], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    env: cleanEnvironment(),
  });
  const cleanup = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
    await removeHome(home);
  };
  const { value } = await child.stdout.getReader().read();
  if (value === undefined) {
    await cleanup();
    throw new Error("the sandbox could not be made");
  }
  const pid = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8"));
  const enter = [program("nsenter"), "--target", String(pid), "--mount", "--net", "--pid", "--"];
  const network = readlinkSync(`/proc/${pid}/ns/net`);
  const env = cleanEnvironment({ HOME: home.path, DOCKER_CONFIG: join(home.path, "docker-config") });

  const sandbox: Sandbox = {
    home,
    run: (argv) => run([...enter, ...argv], { env }),
    cli: (argv) => run([...enter, ...gantry, ...argv], { env }),
    configure(content) {
      const own = { "cgroup-parent": home.cgroupParent, ...content };
      writeFileSync(join(home.path, "etc/gantry/daemon.json"), JSON.stringify(own));
    },
    servers: () =>
      readdirSync("/proc")
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
        .filter((one) => {
          try {
            const words = readFileSync(`/proc/${one}/cmdline`, "utf8").split("\0");
            return readlinkSync(`/proc/${one}/ns/net`) === network && words.includes("daemon");
          } catch {
            return false; // Gone meanwhile.
          }
        }),
    async end(signal) {
      for (const server of sandbox.servers()) process.kill(server, signal);
      // It is nobody's child that could tell.
      for (let tries = 0; sandbox.servers().length > 0; tries++) {
        if (tries === 400) throw new Error(`the server does not end by ${signal}`);
        await Bun.sleep(25);
      }
    },
    cleanup,
  };
  sandbox.configure({});
  return sandbox;
}
