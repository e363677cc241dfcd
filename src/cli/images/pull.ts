/** Pulls an image through the server and shows its progress. */
import { ProtocolError } from "../../client/client.ts";
import type { Session } from "../command.ts";
import { CliError } from "../errors.ts";
import { credentialsFor } from "../settings/credentials.ts";
import { openProgress } from "./progress.ts";
import { familiarName, fullName, type Reference } from "./reference.ts";

export interface PullOptions {
  session: Session;
  reference: Reference;
  /** Undefined: the reference's. `""` with `all`: every tag. */
  all?: boolean;
  platform: string;
  /** The descriptor for the progress. */
  output: 1 | 2;
  quiet: boolean;
}

/** Throws ApiError when the server refuses at once, CliError with its text when it fails later. */
export async function pullImage({ session, reference, all, platform, output, quiet }: PullOptions): Promise<void> {
  const authorization = await credentialsFor(reference.domain, session.config());
  const tag = all ? undefined : (reference.digest ?? reference.tag);
  const lines = session.client().images.pull(fullName(reference), {
    ...(tag === undefined ? {} : { tag }),
    ...(platform === "" ? {} : { platform }),
    ...(authorization === undefined ? {} : { authorization }),
  });
  const progress = quiet ? undefined : await openProgress(output);
  try {
    for await (const line of lines) {
      if (line.error !== undefined || line.errorDetail !== undefined) {
        throw new CliError(line.errorDetail?.message ?? line.error ?? "the server gave no reason");
      }
      progress?.show(line);
    }
  } catch (error) {
    if (error instanceof ProtocolError) throw new CliError(`pulling ${familiarName(reference)}: ${error.message}`);
    throw error;
  } finally {
    progress?.close();
  }
}
