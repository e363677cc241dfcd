/** Random numbers that are the same in every run, for tests of parsers. */
export interface Random {
  /** 0 to `below` - 1 */
  int(below: number): number;
  pick<T>(list: readonly T[]): T;
  /** `count` characters of `alphabet`. */
  text(alphabet: string, count: number): string;
}

export function random(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    // A linear congruence (Numerical Recipes), its upper bits mixed in.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state ^ (state >>> 15)) >>> 0;
  };
  const int = (below: number): number => next() % below;
  return {
    int,
    pick: (list) => list[int(list.length)]!,
    text: (alphabet, count) => Array.from({ length: count }, () => alphabet[int(alphabet.length)]).join(""),
  };
}
