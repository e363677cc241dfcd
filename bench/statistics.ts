/** Robust numbers about samples: medians and quantiles, because one slow run on a shared machine says nothing. */

export interface Summary {
  count: number;
  min: number;
  /** A tenth of the samples lie below, and above. */
  p10: number;
  median: number;
  p90: number;
  max: number;
}

/** The value below which the share `q` (0 to 1) lies, between two samples by proportion. `sorted` is not empty. */
export function quantile(sorted: readonly number[], q: number): number {
  const at = (sorted.length - 1) * q;
  const below = Math.floor(at);
  const lower = sorted[below]!;
  const upper = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return lower + (upper - lower) * (at - below);
}

const ascending = (samples: readonly number[]): number[] => [...samples].sort((a, b) => a - b);

export function median(samples: readonly number[]): number {
  return quantile(ascending(samples), 0.5);
}

export function summary(samples: readonly number[]): Summary {
  const sorted = ascending(samples);
  if (sorted.length === 0) throw new Error("no samples");
  const at = (q: number): number => quantile(sorted, q);
  return { count: sorted.length, min: at(0), p10: at(0.1), median: at(0.5), p90: at(0.9), max: at(1) };
}

export interface Ratio {
  value: number;
  /** Nine of ten repetitions of the measurement would give a ratio between these (bootstrap). */
  low: number;
  high: number;
}

/** xorshift32: the same samples give the same interval. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Median of `ours` by median of `theirs`, with its interval. */
export function ratioOfMedians(ours: readonly number[], theirs: readonly number[], resamples = 1000): Ratio {
  const random = generator(0x9e3779b9);
  const again = (samples: readonly number[]): number =>
    median(Array.from(samples, () => samples[Math.floor(random() * samples.length)]!));
  const ratios = ascending(Array.from({ length: resamples }, () => again(ours) / again(theirs)));
  return { value: median(ours) / median(theirs), low: quantile(ratios, 0.05), high: quantile(ratios, 0.95) };
}
