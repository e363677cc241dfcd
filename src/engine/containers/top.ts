/** `docker top`: ps(1) of the host, and of its lines those of the container's processes. */
import type { ContainerTopResponse } from "@docker/node-sdk";
import { conflict, EngineError, invalid } from "../errors.ts";
import { type Container, isRunning } from "./container.ts";
import { eventAttributes, type Parts } from "./containers.ts";

export async function topContainer(parts: Parts, container: Container, psArgs: string): Promise<ContainerTopResponse> {
  const { id } = container.record;
  if (!isRunning(container)) throw conflict(`container ${id} is not running`);
  const args = (psArgs || "-ef").split(/\s+/).filter((word) => word !== "");
  for (const word of args) {
    // Docker's rule: a column renamed with `=` could hide the PID column's title.
    if (/pid.*=/i.test(word)) throw invalid(`specifying "${word}" is not allowed`);
  }
  const pids = new Set(await parts.runtime.processes(id));
  const ps = Bun.spawn(["ps", ...args], { stdout: "pipe", stderr: "pipe", stdin: "ignore" });
  const [text, complaint, code] = await Promise.all([ps.stdout.text(), ps.stderr.text(), ps.exited]);
  if (code !== 0) throw new EngineError("internal", `error running ps: ${complaint.trim() || `exit status ${code}`}`);
  parts.events.emit("container", "top", id, eventAttributes(container.record));
  return readTable(text, pids);
}

/** Keeps the lines whose PID is in `pids`. The last column takes the rest of its line. Throws when there is no PID column. */
export function readTable(text: string, pids: Set<number>): ContainerTopResponse {
  const [head = "", ...lines] = text.split("\n");
  const titles = head.trim().split(/\s+/);
  const at = titles.indexOf("PID");
  if (at < 0) throw new EngineError("internal", "Couldn't find PID field in ps output");
  const rows: string[][] = [];
  for (const line of lines) {
    const words = line.trim().split(/\s+/);
    if (!pids.has(Number(words[at]))) continue;
    rows.push([...words.slice(0, titles.length - 1), words.slice(titles.length - 1).join(" ")]);
  }
  return { Titles: titles, Processes: rows };
}
