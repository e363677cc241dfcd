/** Debian's dockerd, with the containerd that it starts, on roots and a bridge of their own. */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { startPeer } from "../../test/harness/peer.ts";
import { find, libraryPath, program } from "../../test/harness/programs.ts";
import { cleanEnvironment, run } from "../../test/harness/run.ts";
import { gantry } from "../../test/harness/server.ts";
import { processes } from "../../test/harness/sweep.ts";
import type { Engine } from "./engine.ts";
import { removal, stale } from "./rules.ts";

/** dockerd makes it where it finds none, outside its roots. */
const keyFile = "/etc/docker/key.json";

const save = async (): Promise<string> => (await run([program("iptables-save")])).stdout;

/** Removes rules of a dockerd that was killed with its bench. */
export async function sweepRules(): Promise<void> {
  const commands = stale(await save(), (name) => existsSync(`/sys/class/net/${name}`));
  if (commands !== "") await run([program("iptables-restore"), "--noflush"], { stdin: commands });
}

/** Rejects when it cannot be started. */
export async function startDockerd(): Promise<Engine> {
  const rules = await save();
  const hadKey = existsSync(keyFile);
  const tidy = async (bridge: string): Promise<void> => {
    const commands = removal(rules, await save(), bridge);
    if (commands !== "") await run([program("iptables-restore"), "--noflush"], { stdin: commands });
    if (!hadKey) rmSync(keyFile, { force: true });
  };
  const peer = await startPeer({ network: true });
  const env = cleanEnvironment({ HOME: peer.home.path, DOCKER_CONFIG: join(peer.home.path, "docker-config") });
  const engine: Engine = {
    name: "dockerd",
    versions: {},
    docker: (words) => [program("docker"), "-H", peer.host, ...words],
    gantry: (words) => [...gantry, "-H", peer.host, ...words],
    env,
    processes: () => processes(peer.home),
    async ask(words) {
      const { code, stdout, stderr } = await run(engine.docker(words), { env });
      if (code !== 0) throw new Error(`dockerd: docker ${words.join(" ")}: ${stderr}`);
      return stdout.trim();
    },
    log: peer.log,
    async cleanup() {
      try {
        await engine.ask(["ps", "-aq"]).then(async (ids) => {
          if (ids !== "") await engine.ask(["rm", "-f", ...ids.split("\n")]);
        });
      } finally {
        await peer.cleanup();
        await tidy(peer.home.bridge);
      }
    },
  };
  const libraries = libraryPath();
  const unpacked = libraries === undefined ? {} : { LD_LIBRARY_PATH: libraries };
  for (const name of ["dockerd", "containerd", "runc", "docker"]) {
    const said = (await run([program(name), "--version"], { env: cleanEnvironment(unpacked) })).stdout;
    engine.versions[name] = said.split("\n")[0]!.trim();
  }
  return engine;
}

/** Why dockerd cannot be measured, or undefined. */
export function lacksDockerd(): string | undefined {
  const missing = ["dockerd", "containerd", "runc", "docker", "iptables", "iptables-save"].filter(
    (name) => !find(name),
  );
  if (missing.length > 0) return `${missing.join(", ")} missing (scripts/setup test fetches them)`;
  return process.getuid?.() === 0 ? undefined : "needs root";
}
