/** What the layer store and its Workers say to each other. */
import type { Digest } from "../content/content.ts";
import type { TarLimits } from "./tar/tar.ts";
import type { Unpacked, WhiteoutForm } from "./unpack/unpack.ts";

/** One layer to take in. */
export interface Order {
  /** The blob's digest, size and media type, as its descriptor has them. */
  digest: Digest;
  size: number;
  mediaType: string;
  diffId: Digest;
  /** The blob is there already, in this file; else it comes in pieces and is written to `blob`. */
  source?: string;
  blob?: string;
  /** An absent directory that is made, for `diff/` and `layer.json`. Removed by the Worker when it fails. */
  directory: string;
  form: WhiteoutForm;
  limits: TarLimits;
}

export type ToWorker =
  | { kind: "start"; id: number; order: Order }
  /** The buffer is handed over, and comes back with `taken`. */
  | { kind: "piece"; id: number; buffer: ArrayBuffer; length: number }
  | { kind: "last"; id: number }
  | { kind: "abort"; id: number };

export type FromWorker =
  | { kind: "taken"; id: number; buffer: ArrayBuffer }
  /** Bytes of the blob read so far, when it comes from a file. */
  | { kind: "read"; id: number; bytes: number }
  /** Every byte of the blob is there and verified. */
  | { kind: "verified"; id: number }
  | { kind: "done"; id: number; unpacked: Unpacked }
  /** Nothing is left of it. `damaged`: the blob is not what its digest says. */
  | { kind: "failed"; id: number; message: string; damaged: boolean };
