/** --volume, the short form. Errors are Docker's texts; the modes are the server's to judge. */
import { resolve } from "node:path";

export interface Volumes {
  /** `source:target[:mode]` */
  binds: string[];
  /** Targets of anonymous volumes. */
  anonymous: string[];
}

export function parseVolumes(specs: readonly string[]): Volumes {
  const binds = new Set<string>();
  const anonymous = new Set<string>();
  for (const spec of specs) {
    const source = sourceOf(spec);
    if (source === undefined) anonymous.add(spec);
    else binds.add(isPath(source) ? absolute(spec) : spec);
  }
  return { binds: [...binds], anonymous: [...anonymous] };
}

/** The part before the target, or undefined when the target is all there is. */
function sourceOf(spec: string): string | undefined {
  if (spec === "") throw new Error("invalid empty volume spec");
  if (spec.length <= 2) return undefined;
  const parts: string[] = [];
  let part = "";
  const end = (last: boolean) => {
    const bad = (reason: string) => new Error(`invalid spec: ${spec}: ${reason}`);
    if (part === "") throw bad("empty section between colons");
    if (parts.length === 2 && !last) throw bad("too many colons");
    parts.push(part);
    part = "";
  };
  for (const c of spec) {
    // A drive of Windows, `C:`, is no separator.
    if (c === ":" && !(part.length === 1 && /\p{L}/u.test(part))) end(false);
    else part += c;
  }
  end(true);
  return parts.length === 1 ? undefined : parts[0];
}

const isPath = (source: string): boolean => /^[./~]/.test(source) || /^\p{L}:/u.test(source);

function absolute(spec: string): string {
  const colon = spec.indexOf(":");
  const source = spec.slice(0, colon);
  return source.startsWith(".") ? `${resolve(source)}${spec.slice(colon)}` : spec;
}
