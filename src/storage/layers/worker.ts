/** The Worker that takes layers in; one does several at a time. */
import { type Job, startJob } from "./job.ts";
import type { FromWorker, ToWorker } from "./messages.ts";

declare const self: Worker;

const jobs = new Map<number, Job>();
const post = (message: FromWorker, transfer: ArrayBuffer[] = []) => self.postMessage(message, transfer);

self.onmessage = ({ data: message }: MessageEvent<ToWorker>) => {
  const { id } = message;
  if (message.kind === "start") {
    let finished = false;
    const job = startJob(id, message.order, post, () => {
      finished = true;
      jobs.delete(id);
    });
    if (!finished) jobs.set(id, job);
    return;
  }
  // Absent when it failed meanwhile: its failure is under way to the one who still sends.
  const job = jobs.get(id);
  if (message.kind === "piece") job?.piece(message.buffer, message.length);
  else if (message.kind === "last") job?.last();
  else job?.abort();
};
