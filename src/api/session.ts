/** A client on the streams of a process: output to it, input from it, for attach and exec alike. */
import type { Attachment, Stream } from "../runtime/runtime.ts";
import { createDetachScanner } from "./detach-keys.ts";
import { frame } from "./http/framing.ts";
import type { Hijacked } from "./http/response.ts";

export interface SessionOptions {
  /** Frames around output, since both streams share the connection. */
  multiplexed: boolean;
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** The client's end of input is the process's, too. Otherwise it ends the session, as Docker does. */
  closesStdin: boolean;
  /** Keys that end the session when they are typed. */
  detachKeys?: Uint8Array;
  /** Ends the session: the client's death or the server's. */
  signal: AbortSignal;
}

/** Resolves when output is over, the client detached or is gone. The last bytes may still be on the way to it. */
export function runSession(
  client: Hijacked,
  attachment: Attachment,
  options: SessionOptions,
): Promise<"ended" | "detached"> {
  return new Promise((resolve) => {
    let over = false;
    const end = (how: "ended" | "detached") => {
      if (over) return;
      over = true;
      options.signal.removeEventListener("abort", finish);
      listener.remove();
      resolve(how);
    };
    const finish = () => end("ended");

    const wanted: Record<Stream, boolean> = { stdout: options.stdout, stderr: options.stderr };
    const listener = attachment.listen({
      data(stream, chunk) {
        if (over || client.gone) {
          // Not from inside listen(): the listener's handle does not exist yet.
          queueMicrotask(finish);
          return false;
        }
        if (!wanted[stream]) return true;
        if (client.write(options.multiplexed ? frame(stream, chunk) : Buffer.from(chunk))) return true;
        client.drained().then(() => {
          if (client.gone) finish();
          else if (!over) listener.resume();
        });
        return false;
      },
      end: () => queueMicrotask(finish),
    });
    if (options.signal.aborted) return finish();
    options.signal.addEventListener("abort", finish);
    readInput(client, attachment, options, () => over).then((how) => {
      if (how) end(how);
    }, finish);
  });
}

/** Takes the client's input to the process. Says how the session ends with it, if it does. */
async function readInput(
  client: Hijacked,
  attachment: Attachment,
  options: SessionOptions,
  over: () => boolean,
): Promise<"ended" | "detached" | undefined> {
  const scan = options.stdin && options.detachKeys ? createDetachScanner(options.detachKeys) : undefined;
  for (;;) {
    const input = await client.read();
    if (over()) return undefined;
    if (input === undefined) break;
    // Without standard input the client's bytes are thrown away, so that its end is still seen.
    if (!options.stdin) continue;
    const { pass, detached } = scan ? scan(input) : { pass: input, detached: false };
    try {
      if (pass.length > 0) await attachment.write(pass);
    } catch {
      // The process reads no more; what it writes still counts.
      options = { ...options, stdin: false };
    }
    if (detached) return "detached";
  }
  if (!options.stdin) return undefined;
  if (!options.closesStdin) return "ended";
  attachment.closeStdin();
  return undefined;
}
