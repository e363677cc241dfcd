/** --security-opt: profiles are read here and sent as text, for the server may be elsewhere. Errors are Docker's texts. */
import { readFileSync } from "node:fs";

export interface Security {
  options: string[];
  /** `systempaths=unconfined`: nothing of /proc and /sys is hidden. */
  systemPaths: boolean;
}

export function parseSecurity(given: readonly string[]): Security {
  const options: string[] = [];
  let systemPaths = false;
  for (const option of given) {
    if (option === "systempaths=unconfined") {
      systemPaths = true;
      continue;
    }
    let at = option.indexOf("=");
    if (at < 0 && option !== "no-new-privileges") at = option.indexOf(":");
    const key = at < 0 ? option : option.slice(0, at);
    const value = at < 0 ? "" : option.slice(at + 1);
    if (value === "" && key !== "no-new-privileges")
      throw new Error(`Invalid --security-opt: ${JSON.stringify(option)}`);
    if (key === "seccomp" && value !== "unconfined" && value !== "builtin") {
      options.push(`seccomp=${readProfile(value)}`);
    } else options.push(option);
  }
  return { options, systemPaths };
}

const maxProfile = 4 * 1024 * 1024;

function readProfile(path: string): string {
  let text: Buffer;
  try {
    text = readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === "ENOENT" ? `open ${path}: no such file or directory` : message;
    throw new Error(`opening seccomp profile (${path}) failed: ${reason}`);
  }
  if (text.length > maxProfile) throw new Error(`opening seccomp profile (${path}) failed: it is over 4 MB`);
  try {
    return JSON.stringify(JSON.parse(text.toString()));
  } catch (error) {
    throw new Error(`compacting json for seccomp profile (${path}) failed: ${(error as Error).message}`);
  }
}
