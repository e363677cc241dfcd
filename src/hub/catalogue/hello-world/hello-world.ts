/** The image `hello-world` of the embedded hub: ours, not the official one, and it says so. */
import type { CatalogueImage } from "../catalogue.ts";
import { makeImage } from "../image.ts";
import { type Architecture, makeProgram } from "./program.ts";

/** A change of the text changes the image's digests: the test that pins them is changed with it. */
export const greeting = (architecture: Architecture): string => `
Hello from Gantry! Your installation runs containers.

What happened between your command and these lines:
  1. The command line sent it to the Gantry server, over a Unix socket.
  2. The server looked for hello-world among its local images; the first time
     it was not there.
  3. It fetched the image from a hub: this copy (linux/${architecture}) is from the small
     hub inside the server, which stands in when Docker Hub is out of reach.
  4. It made a container from the image: a file system, a network, limits.
  5. The container ran one program, which wrote this text and ended; the server
     passed it on to your terminal.

Run the same command again: it needs no hub any more. Then try
  gantry images          to see what the server keeps
  gantry ps -a           to see the container that has just ended
  gantry run -it --rm alpine sh
                         for a shell, when Docker Hub can be reached

`;

export function helloWorld(): CatalogueImage {
  return makeImage({
    name: "library/hello-world",
    tags: ["latest"],
    created: "2026-01-01T00:00:00Z",
    createdBy: "gantry: an executable that writes a greeting",
    config: {
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      Cmd: ["/hello"],
      WorkingDir: "/",
      Labels: { "io.gantry.origin": "embedded-hub" },
    },
    annotations: {
      "io.gantry.origin": "embedded-hub",
      "org.opencontainers.image.title": "hello-world",
      "org.opencontainers.image.licenses": "Apache-2.0",
    },
    variants: [
      variant("amd64", { os: "linux", architecture: "amd64" }),
      variant("arm64", { os: "linux", architecture: "arm64", variant: "v8" }),
    ],
  });
}

const variant = (
  architecture: Architecture,
  platform: { os: string; architecture: string; variant?: string },
): { platform: typeof platform; files: { path: string; mode: number; bytes: Uint8Array }[] } => ({
  platform,
  files: [
    { path: "hello", mode: 0o755, bytes: makeProgram(architecture, new TextEncoder().encode(greeting(architecture))) },
  ],
});
