/**
 * Runs tests in a virtual machine with Debian 13's kernel and programs, and nothing but cgroup v2.
 *
 *   bun test/vm/main.ts [--quick | PATTERN …] [-t NAME] [--accel tcg|kvm] [--memory MB] [--cpus N] [--limit SECONDS]
 *                       [--refresh] [--console] [--command WORD …]
 *
 * PATTERN and NAME choose tests as scripts/test.ts does; without any, those of plan.ts, with
 * `--quick` a part of them. After `--command` stands what
 * to run instead (the tree is /gantry, Bun is on the PATH). `--refresh` fetches Debian's packages anew, `--console`
 * shows the machine's. The exit code is that of the tests.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { call } from "./call.ts";
import { bootMachine, MachineError } from "./machine.ts";
import { plan } from "./plan.ts";
import type { Accelerator } from "./qemu.ts";
import { guestSystem } from "./root.ts";

const root = resolve(import.meta.dir, "../..");
const say = (text: string): void => void console.error(`vm: ${text}`);

/** What the tests need of the tree. Of node_modules, what only builds and checks stays here. */
const parts = [
  "bench",
  "dist/gantry",
  "gantry",
  "node_modules",
  "package.json",
  "scripts",
  "src",
  "test",
  "tsconfig.json",
];
const leave = (path: string): boolean =>
  /^node_modules\/(@biomejs|@typescript|typescript|@types|bun-types|bun|\.bin)$/.test(path) ||
  (/^node_modules\/@oven\/./.test(path) && !path.startsWith("node_modules/@oven/bun-linux-x64"));

function treeFiles(): Record<string, string> {
  const there = parts.filter((path) => existsSync(join(root, path)));
  return Object.fromEntries(there.map((path) => [path, join(root, path)]));
}

/** Installs, as root on Debian, what makes and runs the machine. */
async function setUp(): Promise<void> {
  if (process.arch !== "x64") throw new Error(`the virtual machine is one for x86-64; this machine is ${process.arch}`);
  const path = `${process.env.PATH}:/usr/sbin:/sbin`;
  const missing = Object.entries({ "qemu-system-x86_64": "qemu-system-x86", mke2fs: "e2fsprogs", "dpkg-deb": "dpkg" })
    .filter(([program]) => Bun.which(program, { PATH: path }) === null)
    .map(([, name]) => name);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || Bun.which("apt-get") === null) {
    throw new Error(`programs are missing; as root: apt-get install --no-install-recommends ${missing.join(" ")}`);
  }
  say(`installing Debian packages: ${missing.join(" ")}`);
  const install = [
    "apt-get",
    "-qq",
    "-o",
    "DPkg::Lock::Timeout=300",
    "install",
    "-y",
    "--no-install-recommends",
    ...missing,
  ];
  try {
    await call(install, { limit: 600_000 });
  } catch {
    await call(["apt-get", "-qq", "update"]);
    await call(install, { limit: 600_000 });
  }
}

async function main(): Promise<number> {
  const divide = process.argv.indexOf("--command");
  const words = process.argv.slice(2, divide < 0 ? undefined : divide);
  const given = divide < 0 ? undefined : process.argv.slice(divide + 1);
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: {
      "test-name-pattern": { type: "string", short: "t" },
      accel: { type: "string", default: "tcg" },
      memory: { type: "string", default: "2048" },
      cpus: { type: "string", default: "2" },
      limit: { type: "string", default: "1200" },
      quick: { type: "boolean", default: false },
      refresh: { type: "boolean", default: false },
      console: { type: "boolean", default: false },
    },
  });
  if (values.accel !== "tcg" && values.accel !== "kvm") throw new Error(`--accel ${values.accel}: tcg or kvm`);
  const number = (name: "memory" | "cpus" | "limit"): number => {
    if (!/^[1-9]\d{0,6}$/.test(values[name])) throw new Error(`--${name} ${values[name]}: not a positive number`);
    return Number(values[name]);
  };
  await setUp();
  const system = await guestSystem(join(root, ".cache/vm"), say, { refresh: values.refresh });
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => interrupt.abort());
  const built = existsSync(join(root, "dist/gantry"));
  const result = await bootMachine({
    system,
    files: treeFiles(),
    leave,
    command: given ?? [
      "sh",
      "-c",
      plan({ patterns: positionals, quick: values.quick, name: values["test-name-pattern"], built }),
    ],
    env: {
      PATH: "/gantry/node_modules/@oven/bun-linux-x64/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      GANTRY_GUEST: "1",
      // Emulation is slow: the runner gives each test this long, in ms.
      GANTRY_TEST_LIMIT: "180000",
      GANTRY_TEST_ROOT: "/var/tmp",
      FORCE_COLOR: "0",
      ...(built ? { GANTRY_EXECUTABLE: "/gantry/dist/gantry" } : {}),
    },
    memory: number("memory"),
    cpus: number("cpus"),
    limit: number("limit") * 1000,
    accelerator: values.accel as Accelerator,
    output: (chunk) => void process.stdout.write(chunk),
    console: values.console ? (line) => console.error(`console: ${line}`) : undefined,
    signal: interrupt.signal,
  });
  const { disk, boot, command } = result.seconds;
  const size = `tree ${(result.bytes / 1e6).toFixed(0)} MB in ${disk.toFixed(1)} s`;
  say(
    `Linux ${system.version}: ${size}, up in ${boot.toFixed(1)} s, ran ${command.toFixed(1)} s, exit code ${result.code}`,
  );
  return result.code;
}

try {
  process.exitCode = await main();
} catch (error) {
  say(error instanceof MachineError ? error.message : String((error as Error).message));
  process.exitCode = 1;
}
