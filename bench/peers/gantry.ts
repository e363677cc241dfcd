/** Gantry on roots of its own. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { program } from "../../test/harness/programs.ts";
import { cleanEnvironment, run } from "../../test/harness/run.ts";
import { gantry as executable, startServer } from "../../test/harness/server.ts";
import { processes } from "../../test/harness/sweep.ts";
import type { Engine } from "./engine.ts";

/** Rejects when it cannot be started. `existsSync` of the executable is the caller's to check. */
export async function startGantry(): Promise<Engine> {
  const server = await startServer({ args: ["--embedded-hub", "off", "--log-level", "warn"] });
  const env = cleanEnvironment({ HOME: server.home.path, DOCKER_CONFIG: join(server.home.path, "docker-config") });
  const engine: Engine = {
    name: "gantry",
    versions: {},
    docker: (words) => [program("docker"), "-H", server.host, ...words],
    gantry: (words) => [...executable, "-H", server.host, ...words],
    env,
    processes: () => processes(server.home),
    async ask(words) {
      const { code, stdout, stderr } = await run(engine.docker(words), { env });
      if (code !== 0) throw new Error(`gantry: docker ${words.join(" ")}: ${stderr}`);
      return stdout.trim();
    },
    log: server.log,
    cleanup: server.cleanup,
  };
  const version = await run([...executable, "--version"]);
  engine.versions.Gantry = version.stdout.trim();
  return engine;
}

/** Why Gantry cannot be measured, or undefined. */
export function lacksGantry(): string | undefined {
  const path = executable[0]!;
  return existsSync(path) ? undefined : `${path} is not built (scripts/build.ts makes it)`;
}
