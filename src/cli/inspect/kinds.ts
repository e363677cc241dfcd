/** Where each kind of thing is found. */
import { type Client, imagePath } from "../../client/client.ts";

export type Kind = "container" | "image" | "network" | "volume";

/** The kinds that `inspect` of Docker knows, for its errors. */
export const dockerKinds = [
  "config",
  "container",
  "image",
  "network",
  "node",
  "plugin",
  "secret",
  "service",
  "task",
  "volume",
];

export async function lookUp(
  client: Client,
  kind: Kind,
  ref: string,
  { size, verbose, platform }: { size?: boolean; verbose?: boolean; platform?: string } = {},
): Promise<string> {
  const name = encodeURIComponent(ref);
  const paths: Record<Kind, string> = {
    container: `/containers/${name}/json`,
    image: `${imagePath(ref)}/json`,
    network: `/networks/${name}`,
    volume: `/volumes/${name}`,
  };
  const query = { size: kind === "container" && size, verbose, platform };
  return (await client.transport.request("GET", paths[kind], { query })).text();
}
