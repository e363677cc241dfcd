/** Memory that the kernel holds for this process and that it does not need at the moment. */
import { readFileSync } from "node:fs";
import { nr, syscall } from "./libc.ts";

const MADV_DONTNEED = 4;

export interface Mapping {
  start: number;
  length: number;
}

/**
 * Parts of the address space that show a file as it is: never written, so that the kernel can bring them back from the
 * file. A page may be dirty in the file's own cache (a program built a moment ago); a copy of ours counts as `Anonymous`.
 * `smaps` as /proc/PID/smaps has it (proc(5)).
 */
export function cleanFileMappings(smaps: string): Mapping[] {
  const found: Mapping[] = [];
  let current: (Mapping & { clean: boolean }) | undefined;
  const keep = () => {
    if (current?.clean) found.push({ start: current.start, length: current.length });
  };
  for (const line of smaps.split("\n")) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (....) [0-9a-f]+ \S+ (\d+)/.exec(line);
    if (head) {
      keep();
      const start = Number.parseInt(head[1]!, 16);
      const length = Number.parseInt(head[2]!, 16) - start;
      const readable = head[3]!.startsWith("r") && head[3]![1] === "-" && head[3]![3] === "p";
      current = { start, length, clean: readable && head[4] !== "0" };
    } else if (current && /^(Anonymous|Locked|Swap): +[1-9]/.test(line)) {
      current.clean = false;
    }
  }
  keep();
  return found;
}

/**
 * Gives the clean pages of mapped files back (madvise(2)): after its start a server has touched most of its program,
 * and needs little of it. What is needed again comes from the page cache. Returns the bytes of address space treated.
 */
export function releaseFilePages(): number {
  let sum = 0;
  for (const { start, length } of cleanFileMappings(readFileSync("/proc/self/smaps", "utf8"))) {
    if (syscall(nr("madvise"), start, length, MADV_DONTNEED) === 0) sum += length;
  }
  return sum;
}
