/** The programs that the engine calls, and whether they are new enough. */
import type { Check } from "./doctor.ts";
import { atLeast } from "./kernel.ts";

interface Program {
  program: string;
  /** Debian's package. */
  package: string;
  argument: string;
  version: RegExp;
  /** The oldest that was tried. */
  oldest: readonly [number, number];
  /** What stops working without it. */
  use: string;
  /** Containers run without it. */
  optional?: boolean;
}

export const programs: Program[] = [
  {
    program: "crun",
    package: "crun",
    argument: "--version",
    version: /^crun version (\S+)/m,
    oldest: [1, 8],
    use: "it makes the containers",
  },
  {
    program: "conmon",
    package: "conmon",
    argument: "--version",
    version: /^conmon version (\S+)/m,
    oldest: [2, 1],
    use: "it holds the containers' terminals, logs and exit codes",
  },
  {
    program: "nft",
    package: "nftables",
    argument: "--version",
    version: /^nftables v(\S+)/m,
    oldest: [1, 0],
    use: "it writes the rules of networks and ports",
  },
  {
    program: "ip",
    package: "iproute2",
    argument: "-V",
    version: /iproute2-(?:ss)?(\S+?),?(?:\s|$)/m,
    oldest: [5, 10],
    use: "it looks after networks",
    optional: true,
  },
  {
    program: "catatonit",
    package: "catatonit",
    argument: "--version",
    version: /version (\d[\w.]*)/m,
    oldest: [0, 1],
    use: "it is the init of `run --init`",
    optional: true,
  },
  {
    program: "ps",
    package: "procps",
    argument: "--version",
    version: /procps-ng (\d[\w.]*)/m,
    oldest: [3, 3],
    use: "it lists processes for `top`",
    optional: true,
  },
];

function absent({ program, package: debian, use, optional }: Program): Check {
  return {
    name: program,
    status: optional ? "warning" : "failed",
    found: "not found",
    advice: `${use}: apt-get install --no-install-recommends ${debian}`,
  };
}

/** What `--version` said, judged. */
export function judge(program: Program, said: string): Check {
  const name = program.program;
  const version = program.version.exec(said)?.[1];
  if (version === undefined) {
    const advice = `reinstall the package ${program.package}`;
    return { name, status: "warning", found: `says ${JSON.stringify(said.slice(0, 80))}`, advice };
  }
  if (name === "crun" && !/\+SECCOMP/.test(said)) {
    return { name, status: "failed", found: `${version} without seccomp`, advice: "install a crun with +SECCOMP" };
  }
  if (!atLeast(version, program.oldest)) {
    const advice = `${program.oldest.join(".")} is the oldest that was tried: upgrade the package ${program.package}`;
    return { name, status: "warning", found: version, advice };
  }
  return { name, status: "ok", found: version };
}

/** Whether they are there, without starting one. */
export function findPrograms(): Check[] {
  return programs.map((program) => {
    const path = Bun.which(program.program);
    return path === null ? absent(program) : { name: program.program, status: "ok", found: path };
  });
}

/** Whether they are there and what they say of themselves. */
export function checkPrograms(): Promise<Check[]> {
  return Promise.all(
    programs.map(async (program) => {
      const path = Bun.which(program.program);
      if (path === null) return absent(program);
      try {
        const child = Bun.spawn([path, program.argument], {
          stdin: "ignore",
          stdout: "pipe",
          stderr: "pipe",
          timeout: 10_000,
        });
        const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
        return judge(program, `${out}${err}`);
      } catch (error) {
        const advice = `reinstall the package ${program.package}`;
        return { name: program.program, status: "failed", found: (error as Error).message, advice };
      }
    }),
  );
}
