/**
 * Compiled seccomp filters, kept. Compiling a profile takes crun some 15 ms a container; it takes the program instead, in
 * base64, by an annotation of its own. crun compiles a profile once: what it left in its state folder is kept.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import type { Seccomp, Spec } from "../spec/types.ts";

const annotation = "run.oci.seccomp_bpf_data";
/** The kernel's BPF_MAXINSNS, of struct sock_filter. */
const [largest, instruction] = [4096 * 8, 8];

export interface Filters {
  /**
   * The specification with its filter compiled, if that is known. The profile stays in it: a runtime that does not know
   * the annotation compiles it as ever.
   */
  withFilter(spec: Spec): Spec;
  /** Keeps the filter that the runtime compiled for a specification: the file that it left. No error when there is none. */
  keep(spec: Spec, file: string): void;
}

/** `folder` is emptied by a reboot. The key holds what the program depends on: the profile, and the runtime itself. */
export function openFilters(folder: string, crun: string): Filters {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { size, mtimeMs, ino } = statSync(crun);
  const known = new Map<string, string>();

  const keys = new WeakMap<Seccomp, string>();

  function keyOf(seccomp: Seccomp): string {
    let key = keys.get(seccomp);
    if (key === undefined) {
      key = hash(seccomp);
      keys.set(seccomp, key);
    }
    return key;
  }

  function hash(seccomp: Seccomp): string {
    return createHash("sha256")
      .update(`${size} ${mtimeMs} ${ino}\n`)
      .update(JSON.stringify([seccomp.defaultAction, seccomp.defaultErrnoRet, seccomp.architectures, seccomp.syscalls]))
      .digest("hex");
  }

  return {
    withFilter(spec) {
      const { seccomp } = spec.linux;
      if (seccomp === undefined) return spec;
      const key = keyOf(seccomp);
      let program = known.get(key);
      if (program === undefined) {
        const bytes = readProgram(`${folder}/${key}`);
        if (bytes === undefined) return spec;
        program = bytes.toString("base64");
        // A client may bring any number of profiles.
        if (known.size >= 64) known.clear();
        known.set(key, program);
      }
      return { ...spec, annotations: { ...spec.annotations, [annotation]: program } };
    },
    keep(spec, file) {
      const { seccomp } = spec.linux;
      if (seccomp === undefined || spec.annotations?.[annotation] !== undefined) return;
      const bytes = readProgram(file);
      if (bytes === undefined) return;
      const path = `${folder}/${keyOf(seccomp)}`;
      const temporary = `${path}.${crypto.randomUUID()}`;
      writeFileSync(temporary, bytes, { mode: 0o600 });
      renameSync(temporary, path);
    },
  };
}

function readProgram(path: string): Buffer | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  return bytes.length > 0 && bytes.length <= largest && bytes.length % instruction === 0 ? bytes : undefined;
}
