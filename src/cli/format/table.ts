/** Columns of text, as Go's tabwriter sets them with Docker's settings. */

const padding = 3;
const minimum = 10;

/**
 * Sets lines whose cells are separated by tabs: each cell but a line's last is padded to its column, at least three blanks
 * behind the longest and ten wide. A column reaches over neighbouring lines that have it.
 */
export function alignColumns(lines: readonly string[], { least = minimum, gap = padding } = {}): string[] {
  const rows = lines.map((line) => line.split("\t"));
  const widths = rows.map((cells) => cells.slice(0, -1).map(() => 0));
  const deepest = Math.max(0, ...widths.map((cells) => cells.length));
  for (let column = 0; column < deepest; column++) {
    for (let start = 0; start < rows.length; ) {
      let end = start;
      let longest = 0;
      for (; end < rows.length && widths[end]!.length > column; end++) {
        longest = Math.max(longest, length(rows[end]![column]!));
      }
      const width = Math.max(least, longest + gap);
      for (let row = start; row < end; row++) widths[row]![column] = width;
      start = Math.max(end, start + 1);
    }
  }
  return rows.map((cells, row) =>
    cells.map((cell, column) => cell + " ".repeat(Math.max(0, (widths[row]![column] ?? 0) - length(cell)))).join(""),
  );
}

const length = (text: string): number => [...text].length;
