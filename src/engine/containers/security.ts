/** `--security-opt`: what of Docker's options there is. */
import { invalid, notImplemented } from "../errors.ts";

export interface Security {
  /** "unconfined", the text of a profile, or undefined for the default. */
  seccomp: string | undefined;
  noNewPrivileges: boolean;
  /** No masked and no read-only paths. */
  allPaths: boolean;
  /** Name of a loaded AppArmor profile; undefined for none. */
  apparmor: string | undefined;
}

/**
 * `apparmor` is the default profile, undefined where the kernel has AppArmor off; privileged containers have none unless
 * they ask. Throws 400 for what is no option, 501 for what comes later.
 */
export function readSecurity(options: string[], apparmor: string | undefined, privileged: boolean): Security {
  const security: Security = {
    seccomp: undefined,
    noNewPrivileges: false,
    allPaths: false,
    apparmor: privileged ? undefined : apparmor,
  };
  for (const option of options) {
    const parts = /^([a-z-]+)(?:[=:]([\s\S]*))?$/.exec(option);
    const name = parts?.[1];
    const value = parts?.[2];
    if (name === "no-new-privileges") {
      if (value !== undefined && value !== "true" && value !== "false")
        throw invalid(`invalid --security-opt 1: ${JSON.stringify(option)}`);
      security.noNewPrivileges = value !== "false";
    } else if (name === "seccomp" && value) security.seccomp = value === "builtin" ? undefined : value;
    else if (name === "systempaths" && value === "unconfined") security.allPaths = true;
    else if (name === "apparmor" && value) security.apparmor = chooseProfile(value, apparmor);
    // Nothing confines by labels here, which is what this asks for.
    else if (name === "label" && value === "disable") continue;
    else if (name === "label") throw notImplemented(`not there yet: --security-opt ${option}`);
    else throw invalid(`invalid --security-opt 2: ${JSON.stringify(option)}`);
  }
  return security;
}

function chooseProfile(value: string, apparmor: string | undefined): string | undefined {
  if (value === "unconfined") return undefined;
  if (apparmor === undefined) throw invalid(`--security-opt apparmor=${value}: AppArmor is not on in this kernel`);
  if (!/^[\w./-]{1,255}$/.test(value)) throw invalid(`${JSON.stringify(value)} is not the name of an AppArmor profile`);
  return value;
}
