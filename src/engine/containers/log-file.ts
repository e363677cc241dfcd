/** Where a container's log is: one record a line, in the form of the Kubernetes container runtime interface. */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** `folder` is DATA_ROOT/containers. */
export const logFile = (folder: string, id: string): string => join(folder, id, "container.log");

/** Makes the folder in which the supervisor will make the log. Returns the log's path. */
export function openLog(folder: string, id: string): string {
  mkdirSync(join(folder, id), { recursive: true, mode: 0o710 });
  return logFile(folder, id);
}

export function dropLog(folder: string, id: string): void {
  rmSync(join(folder, id), { recursive: true, force: true });
}
