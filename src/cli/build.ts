/** What `version` and `info` say of the client itself. */
import { newestVersion } from "../client/transport.ts";
import { commit } from "../version.ts";
import type { Session } from "./command.ts";

/** Docker's fields, in Docker's order: `--format json` shows it. */
export const buildOf = (session: Session) => ({
  DefaultAPIVersion: newestVersion,
  GitCommit: commit,
  GoVersion: `bun${Bun.version}`,
  Os: process.platform,
  Arch: process.arch === "x64" ? "amd64" : process.arch,
  BuildTime: "",
  Context: session.context(),
});
