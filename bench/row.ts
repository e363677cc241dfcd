/** A row of the table: one kind of work, done by both engines in turn. */
import type { Engine } from "./peers/engine.ts";

/** One engine's half of a row. */
export interface Side {
  /** What is done, as it would be typed. */
  label: string;
  /** Does it once; resolves with milliseconds, or bytes. */
  once(): Promise<number>;
  /** What the figure consists of, asked for when all is measured. */
  detail?(): string;
}

export interface Sides {
  dockerd: Side | undefined;
  gantry: Side | undefined;
  /** Takes back what `start` made. */
  end?(): Promise<void>;
}

export interface Engines {
  /** Why there is none, when it is a text. */
  dockerd: Engine | string;
  gantry: Engine | string;
}

/** Gantry's median by dockerd's at most `ratio` (`aim` is hoped for), or Gantry's median at most `most`. */
export type Goal = { ratio: number; aim?: number } | { most: number };

export interface Row {
  name: string;
  title: string;
  unit: "ms" | "MB";
  goal?: Goal;
  /** What the parts predict for Gantry, in the unit. */
  predicted?: number;
  /** ms to wait before each measurement; a row of the table each. */
  variants: { name: string; pause: number }[];
  /** Of the rounds asked for, how many this row does. */
  rounds(asked: number): number;
  warmUp: number;
  start(engines: Engines): Promise<Sides>;
}

export const hot = { name: "hot", pause: 0 };
/** As when a person types: a hot loop hides what the kernel does only after a moment of rest. */
export const idle = { name: "idle", pause: 150 };
export const once = { name: "", pause: 0 };

/** A side when the engine is there. */
export function side(engine: Engine | string, make: (engine: Engine) => Side): Side | undefined {
  return typeof engine === "string" ? undefined : make(engine);
}
