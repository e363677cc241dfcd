/** Text that comes in pieces, as lines. */

export interface Lines {
  /** Takes a piece. */
  add(chunk: Uint8Array): void;
  /** The last complete lines, and the begun one if it is not empty. */
  last(): string[];
}

/** Characters. A longer line is cut: the guest decides how long it is. */
const longest = 65_536;

/** Keeps the `keep` last lines and gives each, when it is complete, to `line`. Carriage returns are dropped. */
export function collectLines(keep: number, line: (text: string) => void = () => {}): Lines {
  const decoder = new TextDecoder();
  const kept: string[] = [];
  let begun = "";
  return {
    add(chunk) {
      const parts = (begun + decoder.decode(chunk, { stream: true }).replaceAll("\r", "")).split("\n");
      begun = parts.pop()!;
      if (begun.length > longest) {
        parts.push(begun);
        begun = "";
      }
      for (const part of parts) {
        kept.push(part);
        if (kept.length > keep) kept.shift();
        line(part);
      }
    },
    last: () => (begun === "" ? [...kept] : [...kept, begun].slice(-keep)),
  };
}
