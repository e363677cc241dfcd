/** The measurements as a table for the terminal, as Markdown for the documentation, and as JSON. */
import type { Machine } from "./machine.ts";
import type { Goal, Row } from "./row.ts";
import { type Ratio, ratioOfMedians, type Summary, summary } from "./statistics.ts";
import type { Measured, Samples } from "./turns.ts";

export interface Line {
  name: string;
  title: string;
  unit: Row["unit"];
  /** Why there is none, when it is a text. */
  dockerd: Summary | string;
  gantry: Summary | string;
  ratio?: Ratio;
  goal?: Goal;
  predicted?: number;
  /** What the figures consist of. */
  details: string[];
  /** undefined: no goal, or not measured. */
  met?: boolean;
}

export interface Report {
  machine: Machine;
  versions: Record<string, string>;
  /** ms of an empty program by the same clock: no row is less. */
  overhead: Summary;
  /** The rounds asked for. */
  rounds: number;
  lines: Line[];
}

const megabyte = 1_000_000;

export function lineOf({ row, variant, dockerd, gantry, details = [] }: Measured): Line {
  const { title, unit, goal, predicted } = row;
  const scale = unit === "MB" ? megabyte : 1;
  const scaled = (samples: Samples): Samples =>
    typeof samples === "string" ? samples : samples.map((value) => value / scale);
  const sum = (samples: Samples): Summary | string => (typeof samples === "string" ? samples : summary(samples));
  const [theirs, ours] = [scaled(dockerd), scaled(gantry)];
  const line: Line = {
    name: variant ? `${row.name} ${variant}` : row.name,
    title,
    unit,
    dockerd: sum(theirs),
    gantry: sum(ours),
    details,
  };
  if (goal) line.goal = goal;
  if (predicted !== undefined) line.predicted = predicted;
  if (typeof theirs !== "string" && typeof ours !== "string") line.ratio = ratioOfMedians(ours, theirs);
  if (goal && "most" in goal && typeof line.gantry !== "string") line.met = line.gantry.median <= goal.most;
  if (goal && "ratio" in goal && line.ratio) line.met = line.ratio.value <= goal.ratio;
  return line;
}

const figure = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);

/** `12.3 (11.0–14.2)`: median, and what lies between the tenth and the ninetieth percentile. */
function cell(half: Summary | string, unit: string): string {
  if (typeof half === "string") return "–";
  return `${figure(half.median)} ${unit} (${figure(half.p10)}–${figure(half.p90)})`;
}

function goalText({ goal, unit }: Line): string {
  if (!goal) return "";
  if ("most" in goal) return `≤ ${goal.most} ${unit}`;
  return `≤ ${goal.ratio}${goal.aim === undefined ? "" : `, aim ${goal.aim}`}`;
}

function cells(line: Line): string[] {
  const { ratio, met } = line;
  return [
    line.name,
    cell(line.dockerd, line.unit),
    cell(line.gantry, line.unit),
    ratio ? `${ratio.value.toFixed(2)} (${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)})` : "–",
    goalText(line),
    met === undefined ? "" : met ? "met" : "MISSED",
  ];
}

const heads = ["row", "dockerd", "gantry", "ratio", "goal", ""];

/** Sentences about what the table cannot say: what is missing, and for which rows; what was predicted. */
function notes({ lines }: Report): string[] {
  const missing = new Map<string, string[]>();
  const said: string[] = [];
  for (const line of lines) {
    for (const name of ["dockerd", "gantry"] as const) {
      const half = line[name];
      if (typeof half === "string") missing.set(half, [...(missing.get(half) ?? []), line.name]);
    }
    for (const detail of line.details) said.push(`${line.name}, ${detail}`);
    if (line.predicted !== undefined && typeof line.gantry !== "string") {
      const share = (line.gantry.median / line.predicted).toFixed(2);
      const figures = `${figure(line.gantry.median)} ${line.unit}, the parts predict ${line.predicted} (${share} of it)`;
      said.push(`${line.name}: ${figures}`);
    }
  }
  const reasons = [...missing].map(([reason, names]) =>
    names.length === lines.length ? reason : `${names.join(", ")}: ${reason}`,
  );
  return [...reasons, ...said];
}

function machineText({ machine, rounds, overhead }: Report): string {
  const { processor, cores, memory, kernel, cgroups } = machine;
  const clock = `an empty program takes ${figure(overhead.median)} ms by this clock`;
  return `${processor}, ${cores} cores, ${memory}, Linux ${kernel}, cgroup ${cgroups}; ${rounds} rounds; ${clock}`;
}

export function terminalTable(report: Report): string {
  const rows = [heads, ...report.lines.map(cells)];
  const widths = heads.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const table = rows.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
  return [machineText(report), "", ...table, "", ...notes(report), ""].join("\n");
}

export function markdown(report: Report): string {
  const escaped = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const table = report.lines.map((line) => {
    const [, ...rest] = cells(line);
    const variant = line.name.split(" ")[1];
    return `| ${[`${line.title}${variant ? `, ${variant}` : ""}`, ...rest].map(escaped).join(" | ")} |`;
  });
  return `# Performance

Gantry beside dockerd, on the same machine, in the same minutes. \`npm run bench\` measures this and writes this page.

| work | dockerd | Gantry | ratio | goal | |
| --- | --- | --- | --- | --- | --- |
${table.join("\n")}

A figure is the median; in parentheses stand the tenth and the ninetieth percentile. The ratio is Gantry's median by
dockerd's; in parentheses, where nine of ten repetitions would find it (bootstrap).
${notes(report)
  .map((note) => `\n- ${escaped(note)}`)
  .join("")}

## How it is measured

- Both servers run on roots and bridges of their own, and pull the same images from Debian's docker-registry on loopback.
  \`bb\` is Debian's static busybox in one layer.
- After a warm-up the two are measured in turn, one command each: whatever else the machine does falls on both.
- A time is that of the client's process, from before its spawn until its exit is seen, output to /dev/null.
- *hot*: back to back. *idle*: after a pause of 150 ms, as when a person types; the kernel then makes some work wait that
  it does at once when busy.
- Memory is the proportional set size (Pss) of all processes of a server, for dockerd containerd's too. A supervisor is
  the parent of a container's first process.
- An image is removed before each pull of it.

\`npm run bench -- run exec\` measures some rows, \`--rounds N\` more or less often, \`--json\` prints all of it.

## Machine

${machineText(report)}.

${Object.entries(report.versions)
  .map(([name, version]) => `- ${name}: ${version}`)
  .join("\n")}
`;
}
