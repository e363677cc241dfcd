/** Boots a machine with Debian 13's kernel under QEMU, runs one command in it, and switches it off. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commandScript } from "./command.ts";
import { makeImage } from "./image.ts";
import { collectLines } from "./lines.ts";
import { type Accelerator, qemuArguments } from "./qemu.ts";
import type { GuestSystem } from "./root.ts";
import { stageTree } from "./tree.ts";

export interface MachineOptions {
  system: GuestSystem;
  /** What lies in the guest's /gantry (path there → path here), a disk that the guest may write to. */
  files: Record<string, string>;
  /** Which paths of /gantry are left out. */
  leave?: (path: string) => boolean;
  /** Runs as root in /gantry, standard input empty. */
  command: string[];
  env?: Record<string, string>;
  /** MB */
  memory?: number;
  cpus?: number;
  accelerator?: Accelerator;
  kernelArguments?: string[];
  /** ms until the command must have begun, and how long it may take. */
  bootLimit?: number;
  limit?: number;
  /** What the command says, standard output and error together, as it comes. */
  output?: (chunk: Uint8Array) => void;
  /** Each line of the console. */
  console?: (line: string) => void;
  signal?: AbortSignal;
}

export interface MachineResult {
  /** The command's exit code. */
  code: number;
  /** Seconds on this machine's clock: disk made, command begun, machine off. */
  seconds: { disk: number; boot: number; command: number };
  /** The guest's own clock when the command began, in seconds since its kernel started. */
  uptime: number;
  /** Bytes of the tree. */
  bytes: number;
}

/** The machine did not come up, fell silent, or took too long: says at which step, with the console's last lines. */
export class MachineError extends Error {}

/**
 * Rejects with MachineError when the command did not come to an end. The machine is gone afterwards in any case; what its
 * disks became is thrown away.
 */
export async function bootMachine(options: MachineOptions): Promise<MachineResult> {
  const { bootLimit = 120_000, limit = 900_000 } = options;
  // Sockets have short paths; images are too large for a file system in memory.
  const folder = mkdtempSync(join(tmpdir(), "gantry-vm-"));
  const disk = join(options.system.image, "..", `tree-${process.pid}-${folder.slice(-6)}`);
  const began = performance.now();
  try {
    const bytes = await makeTree(disk, options);
    const made = performance.now();
    const run = await runMachine(folder, `${disk}.ext4`, options, bootLimit, limit);
    const seconds = { disk: (made - began) / 1000, boot: (run.started - made) / 1000, command: run.seconds };
    return { code: run.code, seconds, uptime: run.uptime, bytes };
  } finally {
    for (const path of [folder, disk, `${disk}.ext4`]) rmSync(path, { recursive: true, force: true });
  }
}

async function makeTree(disk: string, options: MachineOptions): Promise<number> {
  mkdirSync(disk);
  const { bytes, files } = stageTree(disk, options.files, options.leave);
  writeFileSync(join(disk, ".vm-command"), commandScript(options.command, options.env));
  // Room for what ext4 adds, and for what the guest writes there.
  const megabytes = Math.ceil(bytes / 1e6) + Math.ceil(files / 100) + 512;
  await makeImage(`${disk}.ext4`, disk, { label: "tree", megabytes });
  rmSync(disk, { recursive: true, force: true });
  return bytes;
}

interface Run {
  code: number;
  started: number;
  seconds: number;
  uptime: number;
}

async function runMachine(
  folder: string,
  tree: string,
  options: MachineOptions,
  bootLimit: number,
  limit: number,
): Promise<Run> {
  const { memory = 1536, cpus = 2, accelerator = "tcg", kernelArguments = [], system, output } = options;
  let step = "start the kernel";
  let uptime = 0;
  let started: number | undefined;
  let ended: number | undefined;
  let code: number | undefined;
  const screen = collectLines(40, (line) => {
    const [, said] = /^guest: (.*)/.exec(line) ?? [];
    if (said !== undefined && !said.startsWith("FAILED")) step = said;
    options.console?.(line);
  });
  const reports = collectLines(1, (line) => {
    const [word, first, second] = line.split(" ");
    if (word === "started") {
      started = performance.now();
      uptime = Number(first);
      arm(limit, `the command takes more than ${limit / 1000} s`);
    } else if (word === "ended") {
      ended = performance.now();
      code = Number(first);
      uptime = Number(second) && uptime;
      arm(30_000, "it does not switch off");
    }
  });
  const ports = { output: join(folder, "output"), control: join(folder, "control") };
  const takers = { output: (chunk: Uint8Array) => output?.(chunk), control: reports.add };
  const listeners = Object.entries(ports).map(([name, unix]) =>
    Bun.listen({ unix, socket: { data: (_, chunk) => takers[name as keyof typeof ports](chunk) } }),
  );
  let trouble: string | undefined;
  let timer: Timer | undefined;
  // `timeout` ends the machine even if this process is killed; the timers here know better what went wrong.
  const seconds = Math.ceil((bootLimit + limit) / 1000) + 60;
  const hardware = {
    accelerator,
    cpus,
    memory,
    kernel: system.kernel,
    kernelArguments,
    disks: [system.image, tree],
    ports,
  };
  const child = Bun.spawn(["timeout", "-k", "5", String(seconds), "qemu-system-x86_64", ...qemuArguments(hardware)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    // Where QEMU keeps what the guest writes to the disks.
    env: { ...process.env, TMPDIR: join(tree, "..") },
  });
  const give = (reason: string): void => {
    trouble ??= reason;
    child.kill("SIGTERM"); // timeout passes it on.
  };
  const arm = (after: number, reason: string): void => {
    clearTimeout(timer);
    timer = setTimeout(() => give(reason), after);
  };
  const abort = (): void => give("interrupted");
  options.signal?.addEventListener("abort", abort);
  arm(bootLimit, `it is not up after ${bootLimit / 1000} s`);
  try {
    if (options.signal?.aborted) abort();
    const complaints = child.stderr.text();
    for await (const chunk of child.stdout) screen.add(chunk);
    await child.exited;
    if (code === undefined || started === undefined || ended === undefined) {
      const why = trouble ?? `it ended by itself (QEMU's exit code: ${child.exitCode})`;
      const shown = [`the virtual machine: ${why}; last step: ${step}`, ...screen.last(), await complaints];
      throw new MachineError(shown.join("\n").trimEnd());
    }
    return { code, started, seconds: (ended - started) / 1000, uptime };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", abort);
    child.kill("SIGTERM");
    await child.exited;
    for (const listener of listeners) listener.stop(true);
  }
}
