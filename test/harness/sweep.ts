/**
 * Finds and removes what a test's servers have on the machine: processes, cgroups, mounts, interfaces, nft tables, files.
 * Everything is recognised by the home's path or id, never by a program's name: others run the same programs.
 */
import { existsSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Home, homeName, homeOf, homesRoot } from "./home.ts";

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // Gone meanwhile.
  }
};

/** The home's path as a whole word of path components: `/tmp/gt-1-a` is not in `/tmp/gt-1-ab`. */
const mentions = (text: string, home: Home): boolean => new RegExp(`${home.path}(?![0-9a-f])`).test(text);

/** Cgroup folders of the home, parents before children. */
function cgroups(home: Home): string[] {
  const found: string[] = [];
  const walk = (folder: string, depth: number, inside: boolean): void => {
    let names: string[] = [];
    try {
      names = readdirSync(folder, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name);
    } catch {
      // Gone meanwhile.
    }
    for (const name of names) {
      const path = join(folder, name);
      const ours = inside || name.includes(`gt${home.id}`);
      if (ours) found.push(path);
      if (depth > 0 || ours) walk(path, depth - 1, ours);
    }
  };
  walk("/sys/fs/cgroup", 4, false);
  return found;
}

function commandLine(pid: number): string {
  return read(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim();
}

/** Pids of the home's processes: by command line, root, working directory or cgroup. This process is none of them. */
export function processes(home: Home): number[] {
  const members = new Set(
    cgroups(home).flatMap((folder) => read(join(folder, "cgroup.procs")).split("\n").filter(Boolean).map(Number)),
  );
  const link = (path: string): string => {
    try {
      return readlinkSync(path);
    } catch {
      return "";
    }
  };
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid)
    .filter(
      (pid) =>
        members.has(pid) ||
        mentions(commandLine(pid), home) ||
        mentions(link(`/proc/${pid}/cwd`), home) ||
        mentions(link(`/proc/${pid}/root`), home),
    );
}

/** Mount points below the home, the last mounted first. */
export function mounts(home: Home): string[] {
  return read("/proc/self/mountinfo")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .map((path) => path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))))
    .filter((path) => mentions(path, home))
    .reverse();
}

/** The bridge, and the interfaces that are attached to it. */
function interfaces(home: Home): string[] {
  const bridge = `/sys/class/net/${home.bridge}`;
  if (!existsSync(bridge)) return [];
  return [...(existsSync(`${bridge}/brif`) ? readdirSync(`${bridge}/brif`) : []), home.bridge];
}

function run(...argv: string[]): string {
  try {
    const child = Bun.spawnSync(argv, { stdin: "ignore", stderr: "pipe" });
    return child.stdout.toString();
  } catch {
    return ""; // The program is not installed: then there is nothing of it either.
  }
}

/** Tables as `inet NAME`. */
function tables(home: Home): string[] {
  return run("nft", "list", "tables")
    .split("\n")
    .filter((line) => line.includes(`gt${home.id}`))
    .map((line) => line.replace(/^table /, ""));
}

/** What of the home's servers is still there and should not be, when all of them ended in good order. */
export function leftovers(home: Home): string[] {
  return [
    ...processes(home).map((pid) => `process ${pid} (${commandLine(pid) || read(`/proc/${pid}/comm`).trim()})`),
    ...mounts(home).map((path) => `mount ${path}`),
    ...interfaces(home)
      .filter((name) => name !== home.bridge)
      .map((name) => `interface ${name}`),
  ];
}

async function killAll(home: Home): Promise<void> {
  // A frozen process does not take a signal on cgroup v1.
  for (const folder of cgroups(home)) {
    for (const [file, value] of [
      ["freezer.state", "THAWED"],
      ["cgroup.freeze", "0"],
    ] as const) {
      if (existsSync(join(folder, file))) {
        try {
          writeFileSync(join(folder, file), value);
        } catch {
          // Gone meanwhile, or the root of its kind.
        }
      }
    }
  }
  for (let round = 0; round < 100; round++) {
    const pids = processes(home);
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone meanwhile.
      }
    }
    await Bun.sleep(20);
  }
}

/** Removes everything of the home. Throws when something cannot be removed. */
export async function removeHome(home: Home): Promise<void> {
  await killAll(home);
  for (let round = 0; round < 3 && mounts(home).length > 0; round++) {
    for (const path of mounts(home)) run("umount", "-l", path);
  }
  for (const name of interfaces(home)) run("ip", "link", "delete", name);
  for (const table of tables(home)) run("nft", "delete", "table", ...table.split(" "));
  for (const folder of cgroups(home).reverse()) {
    try {
      rmdirSync(folder);
    } catch {
      // The same group may show in two places when controllers are mounted together.
    }
  }
  // Never remove files through a mount.
  const stuck = [...mounts(home).map((path) => `mount ${path}`), ...processes(home).map((pid) => `process ${pid}`)];
  if (stuck.length > 0) throw new Error(`cannot remove ${home.path}: ${stuck.join(", ")}`);
  rmSync(home.path, { recursive: true, force: true });
}

/** Removes the homes that process `owner` made and says what it left behind. */
export async function sweep(owner: number): Promise<string[]> {
  const found: string[] = [];
  for (const name of readdirSync(homesRoot)) {
    if (homeName.exec(name)?.[1] !== String(owner)) continue;
    const home = homeOf(join(homesRoot, name));
    found.push(home.path, ...leftovers(home));
    await removeHome(home);
  }
  return found;
}
