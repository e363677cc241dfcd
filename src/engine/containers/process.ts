/** What a container's processes are: command, environment, user, folder. Every look into its tree is confined to it. */
import type { ExecConfig } from "@docker/node-sdk";
import type { Streams } from "../../runtime/runtime.ts";
import { processCapabilities } from "../../runtime/spec/build.ts";
import { resolveCapabilities, serverCapabilities } from "../../runtime/spec/capabilities.ts";
import { SpecError } from "../../runtime/spec/errors.ts";
import type { Process } from "../../runtime/spec/types.ts";
import { type ResolvedUser, resolveUser } from "../../runtime/spec/user.ts";
import { openRoot, type Root } from "../../sys/rooted.ts";
import { EngineError, invalid } from "../errors.ts";
import type { Container, ContainerRecord } from "./container.ts";
import type { Parts } from "./containers.ts";
import { readSecurity } from "./security.ts";

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Docker reads these files whole; an image could make them endless. */
const largestPasswd = 8 << 20;

export function streamsOf(record: ContainerRecord): Streams {
  return {
    terminal: record.config.Tty ?? false,
    openStdin: record.config.OpenStdin ?? false,
    stdinOnce: record.config.StdinOnce ?? false,
  };
}

/** Throws EngineError 400 with Docker's text when there is no such user. */
export function userOf(root: Root, user: string, groupAdd: string[]): ResolvedUser {
  const read = (path: string): string => {
    try {
      return root.readFile(path, largestPasswd)?.toString("utf8") ?? "";
    } catch (error) {
      throw invalid(`cannot read ${path} of the container: ${(error as Error).message}`);
    }
  };
  try {
    return resolveUser(read("/etc/passwd"), read("/etc/group"), user, groupAdd);
  } catch (error) {
    if (error instanceof SpecError) throw invalid(error.message);
    throw error;
  }
}

/** Docker's order: PATH, HOSTNAME, TERM, then the configuration's, of which a name without `=` removes. */
export function environment(
  config: { Env?: string[]; Hostname?: string; Tty?: boolean },
  user: ResolvedUser,
): string[] {
  const variables = new Map<string, string>();
  const set = (variable: string) => {
    const name = variable.split("=", 1)[0]!;
    if (variable.includes("=")) variables.set(name, variable);
    else variables.delete(name);
  };
  set(defaultPath);
  if (config.Hostname) set(`HOSTNAME=${config.Hostname}`);
  if (config.Tty) set("TERM=xterm");
  for (const variable of config.Env ?? []) set(variable);
  if (!variables.has("HOME")) set(`HOME=${user.home ?? "/"}`);
  return [...variables.values()];
}

/** The process of an exec: the container's environment and limits, the request's user and folder. */
export function makeExecProcess(parts: Parts, container: Container, exec: ExecConfig): Process {
  const { record } = container;
  const { config, hostConfig } = record;
  const root = openRoot(parts.snapshots.root(record.id));
  try {
    const user = userOf(root, exec.User || config.User || "", hostConfig.GroupAdd ?? []);
    const security = readSecurity(
      hostConfig.SecurityOpt ?? [],
      parts.apparmor,
      (hostConfig.Privileged ?? false) || (exec.Privileged ?? false),
    );
    const capabilities = resolveCapabilities({
      add: hostConfig.CapAdd ?? [],
      drop: hostConfig.CapDrop ?? [],
      privileged: (hostConfig.Privileged ?? false) || (exec.Privileged ?? false),
      available: serverCapabilities(),
    });
    return {
      terminal: exec.Tty ?? false,
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
      args: exec.Cmd!,
      env: environment(
        { Env: [...(config.Env ?? []), ...(exec.Env ?? [])], Hostname: config.Hostname!, Tty: exec.Tty ?? false },
        user,
      ),
      cwd: exec.WorkingDir || config.WorkingDir || "/",
      capabilities: processCapabilities(capabilities),
      noNewPrivileges: security.noNewPrivileges,
      ...(security.apparmor === undefined ? {} : { apparmorProfile: security.apparmor }),
    };
  } finally {
    root.close();
  }
}

export const asEngineError = (error: unknown): unknown =>
  error instanceof SpecError ? new EngineError("invalid", error.message) : error;
