import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { cleanFileMappings, releaseFilePages } from "./memory.ts";

const smaps = `00400000-00800000 r--p 00000000 fe:00 1234 /usr/bin/program
Rss: 400 kB
Private_Dirty:         0 kB
Anonymous:             0 kB
00800000-00900000 r-xp 00400000 fe:00 1234 /usr/bin/program
Private_Dirty:         0 kB
Anonymous:             0 kB
00900000-00910000 r--p 00500000 fe:00 1234 /usr/bin/program
Private_Dirty:         4 kB
Anonymous:             4 kB
00910000-00920000 rw-p 00510000 fe:00 1234 /usr/bin/program
Private_Dirty:         0 kB
Anonymous:             0 kB
01000000-01001000 rw-p 00000000 00:00 0 [heap]
Private_Dirty:         0 kB
7f0000000000-7f0000001000 r--s 00000000 fe:00 99 /var/lib/state.db-shm
Private_Dirty:         0 kB
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0 [vdso]
Private_Dirty:         0 kB
`;

test("takes only what was never written and comes from a file", () => {
  expect(cleanFileMappings(smaps)).toEqual([
    { start: 0x400000, length: 0x400000 },
    { start: 0x800000, length: 0x100000 },
  ]);
});

test("a process goes on after its file pages were given back, with fewer of them", () => {
  const resident = () => Number(/^RssFile:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))![1]);
  const before = resident();
  expect(releaseFilePages()).toBeGreaterThan(1 << 20);
  expect(resident()).toBeLessThan(before);
  const words = Array.from({ length: 50_000 }, (_, at) => `word ${at}`)
    .sort()
    .reverse();
  expect(JSON.parse(JSON.stringify(words))).toEqual(words);
});
