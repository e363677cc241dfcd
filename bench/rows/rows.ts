/** All rows, in the order of the table. Memory comes first: before the servers have worked much. */
import type { Row } from "../row.ts";
import { client } from "./client.ts";
import { execOurs, execStock } from "./exec.ts";
import { memory } from "./memory.ts";
import { pull } from "./pull.ts";
import { runOurs } from "./run-ours.ts";
import { runStock } from "./run-stock.ts";
import { supervisor } from "./supervisor.ts";
import { version } from "./version.ts";

export interface References {
  /** Of the image with five layers. */
  five: string;
}

export function allRows({ five }: References): Row[] {
  return [memory, supervisor, runStock, runOurs, execStock, execOurs, version, client, pull(five)];
}

export const rowNames = allRows({ five: "" }).map(({ name }) => name);

/** The rows with these names, or whose names begin so (`exec` is both of them); all for none. Throws for an unknown one. */
export function chooseRows(rows: Row[], names: string[]): Row[] {
  if (names.length === 0) return rows;
  for (const name of names) {
    if (!rows.some((row) => row.name === name || row.name.startsWith(`${name}-`))) {
      throw new Error(`no row ${name}; there are ${rows.map((row) => row.name).join(", ")}`);
    }
  }
  return rows.filter((row) => names.some((name) => row.name === name || row.name.startsWith(`${name}-`)));
}
