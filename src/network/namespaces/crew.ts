/**
 * The main thread's side of the namespaces' Worker: a queue in which what a container waits for overtakes what can wait.
 * The Worker starts with the first task and is shared by all networks of the process.
 */
import { NetworkError } from "../network.ts";
import type { Task, TaskAnswer, TaskFailure } from "./tasks.ts";

/** Someone waits for it; it fills the pool or cleans up. */
export type Urgency = "now" | "later";

interface Waiting {
  task: Task;
  resolve(): void;
  reject(error: Error): void;
}

/** Failed at the system call `code`. */
export class TaskError extends Error {
  constructor(
    message: string,
    readonly code?: string,
  ) {
    super(message);
  }
}

const queues: Record<Urgency, Waiting[]> = { now: [], later: [] };
let worker: Worker | undefined;
let current: Waiting | undefined;
let users = 0;

function start(): Worker {
  const started = new Worker(new URL("./worker.ts", import.meta.url), { smol: true, ref: false } as WorkerOptions);
  started.onmessage = (event: MessageEvent<TaskAnswer>) => {
    const done = current;
    current = undefined;
    const failure = event.data.failure;
    if (failure) done?.reject(failureError(failure));
    else done?.resolve();
    next();
  };
  started.onerror = (event) => {
    if (worker !== started) return;
    worker = undefined;
    const lost = current;
    current = undefined;
    lost?.reject(new TaskError(`the namespaces' worker ended: ${event.message}`));
    started.terminate();
    next();
  };
  return started;
}

function failureError({ message, code, invalid }: TaskFailure): Error {
  return invalid ? new NetworkError(message, "invalid") : new TaskError(message, code);
}

function next(): void {
  if (current) return;
  current = queues.now.shift() ?? queues.later.shift();
  if (!current) {
    worker?.unref();
    return;
  }
  worker ??= start();
  worker.ref();
  worker.postMessage(current.task);
}

/** Rejects with a TaskError (NetworkError `invalid` for a refused sysctl). */
export function assign(task: Task, urgency: Urgency): Promise<void> {
  return new Promise((resolve, reject) => {
    queues[urgency].push({ task, resolve, reject });
    next();
  });
}

/** Counts who uses the Worker: it ends with the last one. */
export function hire(): void {
  users++;
}

/** After its own tasks are done. */
export function dismiss(): void {
  users--;
  if (users > 0 || current) return;
  worker?.terminate();
  worker = undefined;
}
