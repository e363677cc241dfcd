/** Errors in the words of Docker's client. */
import { ApiError, ConnectError } from "../client/client.ts";

export function describe(error: unknown): string {
  if (error instanceof ApiError) return `Error response from daemon: ${error.message}`;
  if (error instanceof ConnectError) {
    if (error.code === "EACCES") {
      return `permission denied while trying to connect to the Gantry daemon socket at ${error.host}: ${error.reason}`;
    }
    if (error.code === "ENOENT" || error.code === "ECONNREFUSED" || error.host.startsWith("unix:")) {
      return `Cannot connect to the Gantry daemon at ${error.host}. Is the gantry daemon running?`;
    }
    return `error during connect: ${error.host}: ${error.reason}`;
  }
  return error instanceof Error ? error.message : String(error);
}
