/** A server with busybox on it, and the two clients that tests run against it. */
import { type BuiltImage, busyboxImage } from "./image.ts";
import { realRegistry, type TestRegistry } from "./registry.ts";
import type { Result, RunOptions } from "./run.ts";
import { type Server, type ServerOptions, startServer } from "./server.ts";

/** What a server that runs containers needs of the machine. */
export const engineNeeds = ["root", "crun", "conmon", "nft", "docker-registry", "busybox"];

export interface Lab {
  server: Server;
  registry: TestRegistry;
  /** Reference of the busybox image, pulled. */
  image: string;
  /** Pushes and pulls an image; resolves with its reference. */
  add(image: BuiltImage, name: string): Promise<string>;
  cleanup(): Promise<void>;
}

export async function startLab(options: ServerOptions = {}): Promise<Lab> {
  const registry = await realRegistry();
  try {
    const server = await startServer({ ...options, args: ["--embedded-hub", "off", ...(options.args ?? [])] });
    const add = async (image: BuiltImage, name: string): Promise<string> => {
      const reference = await registry.push(image, name);
      const answer = await server.request(`/images/create?fromImage=${encodeURIComponent(reference)}`, {
        method: "POST",
      });
      const said = await answer.text();
      if (!answer.ok || said.includes('"error"')) throw new Error(`pull of ${reference}: ${answer.status} ${said}`);
      return reference;
    };
    const cleanup = async (): Promise<void> => {
      try {
        await server.cleanup();
      } finally {
        await registry.cleanup();
      }
    };
    try {
      return { server, registry, image: await add(await busyboxImage(), "bb"), add, cleanup };
    } catch (error) {
      await server.cleanup();
      throw error;
    }
  } catch (error) {
    await registry.cleanup();
    throw error;
  }
}

export interface Client {
  name: "gantry" | "docker";
  /** What it needs beyond the server. */
  needs: string[];
  call(server: Server, argv: string[], options?: RunOptions): Promise<Result>;
}

export const clients: Client[] = [
  { name: "gantry", needs: [], call: (server, argv, options) => server.cli(argv, options) },
  { name: "docker", needs: ["docker"], call: (server, argv, options) => server.docker(argv, options) },
];
