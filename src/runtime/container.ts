/** One container under its conmon: its connection, its end. */
import { setTimeout as sleep } from "node:timers/promises";
import { realtime } from "../sys/clock.ts";
import { isAccepted } from "../sys/diagnosis.ts";
import { connectSeqpacket } from "../sys/seqpacket.ts";
import { type HeldAttachment, openAttachment } from "./attach/attachment.ts";
import { endedAttachment } from "./attach/ended.ts";
import type { Cgroups } from "./cgroup/cgroup.ts";
import { resizeTerminal } from "./conmon/control.ts";
import { type ExitFile, type Exits, timestamp } from "./exits/exits.ts";
import type { Exit, RunningProcess, Streams } from "./runtime.ts";
import { type Identity, isAlive } from "./supervisors.ts";

export interface HeldContainer extends RunningProcess {
  readonly attachment: HeldAttachment;
  readonly cgroup: string;
  /** A descriptor that names the container's first process; undefined when it was gone before we looked. */
  readonly pidfd: number | undefined;
  /** Gives up waiting for its end, for good: `exit` stays unresolved. */
  abandon(): void;
}

export interface HoldOptions {
  id: string;
  folder: string;
  pid: number;
  pidfd: number | undefined;
  cgroup: string;
  conmon: Identity;
  streams: Streams;
  exits: Exits;
  cgroups: Cgroups;
}

/** Connects to the container's streams and waits for its end. When conmon is gone the attachment has ended already. */
export async function holdContainer(options: HoldOptions): Promise<HeldContainer> {
  const attachment = await attach(options.folder, options.streams, options.conmon);
  const control = { abandoned: false, ended: false };
  const exit = awaitExit(options, attachment, control).finally(() => {
    control.ended = true;
  });
  // Nobody may be waiting when it fails: that must not end the server.
  exit.catch(() => {});
  return {
    pid: options.pid,
    pidfd: options.pidfd,
    cgroup: options.cgroup,
    attachment,
    exit,
    abandon() {
      control.abandoned = true;
      attachment.close();
    },
    async resize(rows, columns) {
      // conmon's FIFO outlives the process by a moment.
      if (control.ended) throw new Error(`container ${options.id} is not running`);
      resizeTerminal(options.folder, rows, columns);
    },
  };
}

/** Only conmon's own end, or its closed socket, makes an ended attachment: anything else is an error. */
async function attach(folder: string, streams: Streams, conmon: Identity): Promise<HeldAttachment> {
  let fd: number;
  try {
    fd = connectSeqpacket(`${folder}/attach`);
  } catch (error) {
    const code = (error as { code?: string }).code;
    if ((code === "ECONNREFUSED" || code === "ENOENT") && !(await stays(conmon))) return endedAttachment();
    throw error;
  }
  const attachment = await openAttachment(fd, {
    stdinEnds: streams.openStdin && streams.stdinOnce && !streams.terminal,
  });
  await untilAccepted(fd, attachment);
  return attachment;
}

/**
 * A connection that conmon has not taken from its queue gets nothing of the output, and a short process can be over before
 * conmon comes to it (seen with conmon 2.1.12 on a busy machine). No event tells of it: conmon takes it within a moment.
 */
async function untilAccepted(fd: number, attachment: HeldAttachment): Promise<void> {
  const until = performance.now() + 5000;
  for (let round = 0; !attachment.ended && isAccepted(fd) === false; round++) {
    if (performance.now() > until) return;
    if (round < 20) await new Promise((resolve) => setImmediate(resolve));
    else await sleep(1);
  }
}

async function stays(conmon: Identity): Promise<boolean> {
  for (let round = 0; round < 20 && isAlive(conmon); round++) await sleep(10);
  return isAlive(conmon);
}

async function awaitExit(
  options: HoldOptions,
  attachment: HeldAttachment,
  control: { abandoned: boolean },
): Promise<Exit> {
  const { id, exits, cgroups, cgroup, conmon } = options;
  const found = Promise.withResolvers<ExitFile | undefined>();
  const stop = exits.watch(id, found.resolve);
  let over = false;
  void attachment.finished.then(async () => {
    // conmon closed its socket: it is about to write the exit file, or it was killed.
    for (let delay = 5; !over && !control.abandoned && isAlive(conmon); delay = Math.min(delay * 2, 1000)) {
      await sleep(delay, undefined, { ref: false });
    }
    if (!over && !control.abandoned) found.resolve(exits.read(id));
  });
  const file = await found.promise;
  over = true;
  stop();
  if (file === undefined) {
    await cgroups.killAll(cgroup).catch(() => {});
    return {
      code: 137,
      at: timestamp(realtime()),
      oomKilled: false,
      error: "the supervisor of the container (conmon) was killed",
    };
  }
  // Read before the listeners are told: a quick removal takes the group away.
  const oomKilled = cgroups.oomKills(cgroup) > 0;
  attachment.drain();
  // conmon is done once its exit file is there; a connection that stays open all the same holds nothing for us.
  await Promise.race([attachment.finished, sleep(5000, undefined, { ref: false })]);
  if (!attachment.ended) attachment.close();
  return { code: file.code, at: refine(file.at), oomKilled };
}

/** A file's time is that of the clock's last tick, up to 10 ms old: for an end that we see as it happens, now is nearer. */
function refine(at: string): string {
  const now = realtime();
  return Number(now / 1_000_000n) - Date.parse(at) < 15 ? timestamp(now) : at;
}
