/** Does a row's work: warm-up, then each engine once, in turn, so that whatever else the machine does falls on both. */
import type { Engines, Row, Side } from "./row.ts";

/** Samples of one engine, or why there are none. */
export type Samples = number[] | string;

export interface Measured {
  row: Row;
  /** Of the row's variants. */
  variant: string;
  dockerd: Samples;
  gantry: Samples;
  /** What the figures consist of, `dockerd: …`. */
  details?: string[];
}

export interface TurnOptions {
  rounds: number;
  /** Rejects what comes next. */
  signal: AbortSignal;
  progress(text: string): void;
}

export async function measure(row: Row, engines: Engines, options: TurnOptions): Promise<Measured[]> {
  const why = (name: "dockerd" | "gantry"): string | undefined =>
    typeof engines[name] === "string" ? engines[name] : undefined;
  let sides: Awaited<ReturnType<Row["start"]>>;
  try {
    sides = await row.start(engines);
  } catch (error) {
    const failed = (error as Error).message;
    return row.variants.map(({ name }) => ({
      row,
      variant: name,
      dockerd: why("dockerd") ?? failed,
      gantry: why("gantry") ?? failed,
    }));
  }
  try {
    const measured: Measured[] = [];
    for (const { name, pause } of row.variants) {
      const dockerd = track(sides.dockerd, why("dockerd"));
      const gantry = track(sides.gantry, why("gantry"));
      const rounds = row.rounds(options.rounds);
      for (let round = -row.warmUp; round < rounds; round++) {
        if (round % 10 === 0) options.progress(`${row.name}${name && ` ${name}`}: ${Math.max(0, round)} of ${rounds}`);
        for (const one of [dockerd, gantry]) {
          options.signal.throwIfAborted();
          await one.turn(pause, round >= 0);
        }
      }
      const details = [sides.dockerd?.detail?.(), sides.gantry?.detail?.()].flatMap((detail, index) =>
        detail === undefined ? [] : [`${index === 0 ? "dockerd" : "gantry"}: ${detail}`],
      );
      measured.push({ row, variant: name, dockerd: dockerd.samples(), gantry: gantry.samples(), details });
    }
    return measured;
  } finally {
    await sides.end?.();
  }
}

/** An engine's half while it is measured: a failure ends it, and not the other's. */
function track(side: Side | undefined, missing: string | undefined) {
  const samples: number[] = [];
  let trouble = side === undefined ? (missing ?? "not measured") : undefined;
  return {
    samples: (): Samples => trouble ?? samples,
    async turn(pause: number, counts: boolean): Promise<void> {
      if (side === undefined || trouble !== undefined) return;
      if (pause > 0) await Bun.sleep(pause);
      try {
        const value = await side.once();
        if (counts) samples.push(value);
      } catch (error) {
        trouble = (error as Error).message;
      }
    },
  };
}
