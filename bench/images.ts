/** The images that both engines get. */
import { type BuiltImage, buildImage } from "../test/harness/image.ts";
import type { Entry } from "../test/harness/tar.ts";

export const layerCount = 5;
/** Compressed bytes of a layer, about. */
export const layerSize = 8_000_000;

/**
 * `bytes` that gzip packs to three quarters, the same for the same seed: six random bits in each byte. What does not
 * compress at all is stored, and unpacking it would cost nothing, as no real image does.
 */
export function data(bytes: number, seed: number): Uint8Array {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const codes = Uint8Array.from(alphabet, (letter) => letter.charCodeAt(0));
  const made = new Uint8Array(bytes);
  let state = seed;
  for (let at = 0; at < bytes; at++) {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    made[at] = codes[state & 63]!;
  }
  return made;
}

/** 40 MB in five layers of 64 files. */
export function fiveLayers(): BuiltImage {
  const layers = Array.from({ length: layerCount }, (_, layer): Entry[] => {
    const size = Math.round(layerSize / 0.76 / 64);
    const files = Array.from({ length: 64 }, (_, file): Entry => {
      return { name: `layer-${layer}/file-${file}`, data: data(size, 1 + layer * 64 + file) };
    });
    return [{ name: `layer-${layer}/`, type: "directory", mode: 0o755 }, ...files];
  });
  return buildImage(layers);
}
