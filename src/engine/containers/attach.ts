/** Attaching: to the process that runs, or to the one that will. */
import type { Attachment, RunningProcess } from "../../runtime/runtime.ts";
import type { AttachSession } from "../engine.ts";
import { conflict } from "../errors.ts";
import type { Container } from "./container.ts";
import { eventAttributes, type Parts } from "./containers.ts";
import { containerLogs } from "./logs.ts";

/** Throws 409 when it is paused or restarting, as Docker does. */
export function attachSession(parts: Parts, container: Container): AttachSession {
  const { record, state } = container;
  if (state.status === "paused") {
    throw conflict(`container ${record.id} is paused, unpause the container before attach`);
  }
  if (state.status === "restarting") {
    throw conflict(`container ${record.id} is restarting, wait until the container is running`);
  }
  parts.events.emit("container", "attach", record.id, eventAttributes(record));
  const everything = { stdout: true, stderr: true, follow: false, since: 0, until: 0, tail: -1 };
  return {
    terminal: record.config.Tty ?? false,
    openStdin: record.config.OpenStdin ?? false,
    stdinOnce: record.config.StdinOnce ?? false,
    detached: () => parts.events.emit("container", "detach", record.id, eventAttributes(record)),
    history: () => containerLogs(parts, container, everything).records,
    attachment: (signal) => attachment(container, signal),
  };
}

function attachment(container: Container, signal: AbortSignal): Promise<Attachment> {
  if (container.process) return Promise.resolve(container.process.attachment);
  return new Promise((resolve, reject) => {
    const arrive = (process: RunningProcess | undefined) => {
      signal.removeEventListener("abort", abort);
      if (process) resolve(process.attachment);
      else reject(conflict(`container ${container.record.id} did not start`));
    };
    const abort = () => {
      container.arrivals.delete(arrive);
      reject(new Error("the client went away"));
    };
    container.arrivals.add(arrive);
    signal.addEventListener("abort", abort, { once: true });
  });
}
