/** Namespaces with nothing but lo, for `--network none`. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { assign } from "../namespaces/crew.ts";
import type { EmptyNamespace } from "../network.ts";

/** `namespaces` is the bridge's folder: its network frees them, by ID. One of an earlier start of the container is replaced. */
export function createEmptyNamespaces(namespaces: string): EmptyNamespace {
  return async (id) => {
    mkdirSync(namespaces, { recursive: true, mode: 0o700 });
    const path = join(namespaces, id);
    await assign({ kind: "remove", paths: [path], veths: [] }, "now");
    await assign({ kind: "empty", path }, "now");
    return path;
  };
}
