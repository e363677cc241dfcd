/** One more process in a container: by a conmon of its own, in a folder of its own. */
import { closeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { realtime } from "../sys/clock.ts";
import { pidfdOpen, pidfdSendSignal } from "../sys/process.ts";
import { connectSeqpacket } from "../sys/seqpacket.ts";
import { type HeldAttachment, openAttachment } from "./attach/attachment.ts";
import type { Bundles } from "./bundle/bundle.ts";
import type { Supervision } from "./conmon/command.ts";
import { resizeTerminal } from "./conmon/control.ts";
import { supervise } from "./conmon/supervise.ts";
import { timestamp } from "./exits/exits.ts";
import type { ExecLaunch, Exit, RunningProcess } from "./runtime.ts";

export interface ExecOptions {
  id: string;
  launch: ExecLaunch;
  bundles: Bundles;
  programs: Pick<Supervision, "conmon" | "crun" | "crunArguments" | "entrance">;
  environment: Record<string, string>;
  place(pid: number): void;
}

/** Throws LaunchError, and leaves nothing then. */
export async function startExec(options: ExecOptions): Promise<RunningProcess> {
  const { id, launch, bundles } = options;
  const { streams, size } = launch;
  const process = {
    ...launch.process,
    terminal: streams.terminal,
    ...(size === undefined ? {} : { consoleSize: { height: size.rows, width: size.columns } }),
  };
  const folder = bundles.makeExec(id, launch.execId, process);
  const log = `${folder}/crun.log`;
  let attachment: HeldAttachment | undefined;
  try {
    const { pid, code } = await supervise({
      id,
      folder,
      ...options.programs,
      // On a terminal crun's child says its reason to the terminal alone, of which conmon reads nothing then.
      ...(streams.terminal
        ? { crunArguments: [`--log=file:${log}`, ...options.programs.crunArguments], errorPath: log }
        : {}),
      streams,
      processPath: `${folder}/process.json`,
      command: process.args[0] ?? "",
      environment: options.environment,
      place: options.place,
      async attach() {
        const fd = connectSeqpacket(`${folder}/attach`);
        attachment = await openAttachment(fd, {
          stdinEnds: streams.openStdin && streams.stdinOnce && !streams.terminal,
          keepEarly: launch.detached !== true,
        });
      },
    });
    if (attachment === undefined) throw new Error(`conmon opened no attach socket for exec ${launch.execId}`);
    const held = attachment;
    const pidfd = openIfThere(pid);
    let ended = false;
    const exit = awaitExit(code, held, pidfd).finally(() => {
      if (pidfd !== undefined) closeSync(pidfd);
      ended = true;
      bundles.removeExec(id, launch.execId);
    });
    exit.catch(() => {});
    return {
      pid,
      attachment: held,
      exit,
      async resize(rows, columns) {
        if (ended) throw new Error(`exec ${launch.execId} is not running`);
        resizeTerminal(folder, rows, columns);
      },
    };
  } catch (error) {
    attachment?.close();
    bundles.removeExec(id, launch.execId);
    throw error;
  }
}

async function awaitExit(code: Promise<number>, attachment: HeldAttachment, pidfd: number | undefined): Promise<Exit> {
  const number = await code;
  const at = timestamp(realtime());
  attachment.drain();
  // conmon reports the code when the output is read to its end, and then ends itself.
  await Promise.race([attachment.finished, sleep(5000, undefined, { ref: false })]);
  if (!attachment.ended) attachment.close();
  if (number >= 0) return { code: number & 255, at, oomKilled: false };
  // Nobody reads what it prints any more, nor learns its end.
  if (pidfd !== undefined) killIfThere(pidfd);
  return { code: 137, at, oomKilled: false, error: "the supervisor of the exec (conmon) was killed" };
}

/** A short process may have ended, and been read by conmon, already. */
function openIfThere(pid: number): number | undefined {
  try {
    return pidfdOpen(pid);
  } catch {
    return undefined;
  }
}

function killIfThere(pidfd: number): void {
  try {
    pidfdSendSignal(pidfd, 9);
  } catch {
    // It ended meanwhile.
  }
}
