/**
 * Draws the progress of a pull as Docker's client does: on a terminal a line for each layer, redrawn in place; elsewhere a
 * plain line for each step, without the bars.
 */
import type { ProgressLine } from "../../client/client.ts";
import { decimalSize } from "../format/units.ts";
import { writeError, write as writeOutput } from "../output.ts";
import { isTerminal } from "../streams/descriptors.ts";

export interface Progress {
  show(line: ProgressLine): void;
  /** Draws what is not drawn yet. */
  close(): void;
}

export interface Screen {
  write(text: string): void;
  /** Undefined: no terminal. */
  size(): { rows: number; columns: number } | undefined;
}

/** Milliseconds between drawings: more of them nobody sees. */
const interval = 50;

export async function openProgress(output: 1 | 2): Promise<Progress> {
  const write = output === 1 ? writeOutput : writeError;
  if (!isTerminal(output)) return drawProgress({ write, size: () => undefined });
  const { windowSize } = await import("../../sys/terminal.ts");
  return drawProgress({ write, size: () => windowSize(output) });
}

export function drawProgress(screen: Screen): Progress {
  return screen.size() === undefined ? plain(screen) : drawn(screen);
}

function plain({ write }: Screen): Progress {
  return {
    show(line) {
      if (line.stream !== undefined) return write(line.stream);
      if (line.status === undefined) return;
      const { current = 0, total = 0 } = line.progressDetail ?? {};
      if (current > 0 || total > 0) return;
      write(`${line.id ? `${line.id}: ` : ""}${line.status}\n`);
    },
    close() {},
  };
}

function drawn(screen: Screen): Progress {
  const lines: string[] = [];
  const places = new Map<string, number>();
  let drawnLines = 0;
  let firstDirty = Number.POSITIVE_INFINITY;
  let timer: Timer | undefined;

  const draw = () => {
    timer = undefined;
    if (firstDirty === Number.POSITIVE_INFINITY) return;
    const { rows, columns } = usable(screen.size());
    // What has scrolled out of the screen cannot be reached.
    const top = Math.max(0, lines.length - rows + 1, drawnLines - rows + 1);
    const from = Math.max(Math.min(firstDirty, drawnLines), Math.min(top, drawnLines));
    let text = drawnLines > from ? `\x1b[${drawnLines - from}A` : "";
    for (const line of lines.slice(from)) text += `\r\x1b[2K${clip(line, columns)}\n`;
    screen.write(text);
    drawnLines = lines.length;
    firstDirty = Number.POSITIVE_INFINITY;
  };
  const put = (place: number, text: string) => {
    if (lines[place] === text) return;
    lines[place] = text;
    firstDirty = Math.min(firstDirty, place);
    timer ??= setTimeout(draw, interval);
  };

  return {
    show(line) {
      if (line.stream !== undefined || line.id === undefined || line.id === "") {
        const text = line.stream ?? line.status;
        if (text === undefined) return;
        const detail = bar(line.progressDetail ?? {}, usable(screen.size()).columns);
        for (const one of `${text}${detail === "" ? "" : ` ${detail}`}`.trimEnd().split("\n")) put(lines.length, one);
        // What follows has its own lines below.
        places.clear();
        return;
      }
      const detail = bar(line.progressDetail ?? {}, usable(screen.size()).columns);
      let place = places.get(line.id);
      if (place === undefined) {
        place = lines.length;
        places.set(line.id, place);
      }
      put(place, `${line.id}: ${line.status ?? ""}${detail === "" ? "" : ` ${detail}`}`);
    },
    close() {
      clearTimeout(timer);
      draw();
    },
  };
}

/** A terminal that does not know its size (a serial line) is taken for a common one. */
const usable = (size: { rows: number; columns: number } | undefined) => ({
  rows: size?.rows || 24,
  columns: size?.columns || 80,
});

/** So long that the line does not wrap: a wrapped line would be two, and the drawing would creep. */
const clip = (line: string, columns: number): string => {
  const clean = line.replace(/\p{Cc}/gu, " ");
  return clean.length > columns - 1 ? clean.slice(0, Math.max(columns - 1, 0)) : clean;
};

/** `[=====>     ]  1.2MB/3.4MB`; narrow terminals get the numbers alone. */
export function bar(
  { current = 0, total = 0, units, hidecounts }: NonNullable<ProgressLine["progressDetail"]>,
  columns: number,
): string {
  if (current <= 0 && total <= 0) return "";
  const size = (value: number) => (units ? `${value} ${units}` : decimalSize(value));
  if (total <= 0) return size(current).padStart(8);
  const done = Math.min(50, Math.trunc(Math.trunc((current / total) * 100) / 2));
  const picture = columns > 110 ? `[${"=".repeat(done)}>${" ".repeat(50 - done)}] ` : "";
  if (hidecounts) return picture.trimEnd();
  return picture + (current > total ? size(current).padStart(8) : `${size(current).padStart(8)}/${size(total)}`);
}
