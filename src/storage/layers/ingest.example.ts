/** A process for tests to kill: takes the layers in the files that it is told, for ever again. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createContentStore } from "../content/content-store.ts";
import { digestOf } from "../content/digest.ts";
import { createLayerStore } from "./layer-store.ts";

if (import.meta.main) {
  const [root = "", ...files] = process.argv.slice(2);
  const content = createContentStore(join(root, "content"));
  const layers = createLayerStore({ root: join(root, "layers"), content, form: "trusted" });
  const sources = files.map((file) => {
    const blob = readFileSync(file);
    const diffId = digestOf(Bun.gunzipSync(blob));
    return { blob, source: { descriptor: { mediaType: "", digest: digestOf(blob), size: blob.length }, diffId } };
  });
  console.log("begin");
  for (;;) {
    await Promise.all(sources.map(({ blob, source }) => layers.ingest(source, new Blob([blob]).stream())));
    for (const { source } of sources) {
      await layers.remove(source.diffId);
      await content.remove(source.descriptor.digest);
    }
  }
}
