/** What holds of every process of a container, whether it was run or executed: its limits, its filter, its group. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { detectCgroups } from "./cgroup/layout.ts";
import { LaunchError } from "./runtime.ts";
import type { SpecInput } from "./spec/build.ts";
import { input, type Lab, openLab, terminal } from "./testing/lab.ts";

let lab: Lab;
beforeAll(() => {
  lab = openLab("confine");
});
afterAll(() => lab.close());

/** Runs a script in a container: as its command, or by exec in one that sleeps. */
const ways: [
  string,
  (script: string, more?: Partial<SpecInput>) => Promise<{ code: number; stdout: string; stderr: string }>,
][] = [
  ["run", (script, more) => lab.run(["sh", "-c", script], more)],
  [
    "exec",
    async (script, more) => {
      const { id } = await lab.create(["sleep", "1000"], more);
      await lab.runtime.start(id);
      const { process, output } = await lab.exec(id, ["sh", "-c", script]);
      const { code } = await process.exit;
      await lab.runtime.remove(id);
      return { code, stdout: output.stdout, stderr: output.stderr };
    },
  ],
];

describe.each(ways)("%s", (_name, run) => {
  test("has Docker's capabilities and a filter", async () => {
    const { stdout } = await run("grep -E '^(CapBnd|CapEff|CapInh|Seccomp):' /proc/self/status");
    expect(stdout.split(/\s+/).filter(Boolean)).toEqual([
      "CapInh:",
      "0000000000000000",
      "CapEff:",
      "00000000a80425fb",
      "CapBnd:",
      "00000000a80425fb",
      "Seccomp:",
      "2",
    ]);
  });

  test("cannot open the host's disk", async () => {
    const { stderr, code } = await run(
      "mknod /tmp/disk b 254 0; mknod /tmp/disk2 b 8 0; cat /tmp/disk; cat /tmp/disk2 /dev/null",
    );
    expect(code).toBe(1);
    expect(stderr.match(/Operation not permitted/g)?.length).toBe(2);
  });

  test("cannot mount, nor make a user namespace", async () => {
    const { stderr } = await run("mount -t tmpfs x /tmp; unshare -U true; unshare -n true");
    expect(stderr).toMatch(/mount: permission denied/);
    expect(stderr.match(/unshare.*Operation not permitted/g)?.length).toBe(2);
  });

  test("is held by its number of processes", async () => {
    const { stderr, stdout } = await run("for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1 & done; wait; echo end", {
      resources: { pids: { limit: 6 } },
    });
    expect(stderr).toMatch(/can't fork|Resource temporarily unavailable/);
    expect(stdout).not.toContain("end");
  });

  test("is in the container's own group, in every tree", async () => {
    const { stdout } = await run("cat /proc/self/cgroup");
    const groups = stdout
      .trim()
      .split("\n")
      // The v2 tree beside v1's holds no limits, and entering it would wait for a lock.
      .filter((line) => detectCgroups().version === "v2" || !line.startsWith("0::"))
      .map((line) => line.split(":")[2]);
    expect(new Set(groups).size).toBe(1);
    expect(groups[0]).toMatch(new RegExp(`^${lab.runtime.cgroupParent}/[0-9a-f]{64}$`));
  });

  test("sees no more of /proc and /sys than it may", async () => {
    const { stdout, stderr } = await run(
      "head -c 1 /proc/kcore /proc/keys; ls /sys/firmware; echo 1 > /proc/sys/kernel/panic; echo x > /sys/kernel/y",
    );
    expect(stdout.replace(/==> .* <==/g, "").trim()).toBe("");
    expect(stderr).toMatch(/Read-only file system/);
  });
});

test("memory: what takes too much is killed, and told", async () => {
  const result = await lab.run(["sh", "-c", "head -c 200000000 /dev/zero | tail"], {
    resources: { memory: { limit: 16 << 20, swap: 16 << 20 } },
  });
  expect(result.oomKilled).toBe(true);
  const fine = await lab.run(["true"], { resources: { memory: { limit: 16 << 20, swap: 16 << 20 } } });
  expect(fine.oomKilled).toBe(false);
});

test("conmon is in a group beside the container's", async () => {
  const { id } = await lab.create(["sleep", "1000"]);
  await lab.runtime.start(id);
  const conmon = readFileSync(`${lab.folder}/run/bundles/${id}/conmon.pid`, "utf8");
  const groups = readFileSync(`/proc/${conmon}/cgroup`, "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(":"));
  for (const [hierarchy, , path] of groups) {
    // The hybrid's v2 tree has no limits: there it stays where it was.
    if (hierarchy === "0" && groups.length > 1) continue;
    expect(path).toBe(`${lab.runtime.cgroupParent}/supervisors`);
  }
  await lab.runtime.remove(id);
});

test("privileged: all that the server has", async () => {
  const { stdout } = await lab.run(
    ["sh", "-c", "grep -E '^(CapEff|Seccomp):' /proc/self/status; mount -t tmpfs x /tmp && echo mounted"],
    {
      privileged: true,
    },
  );
  const own = /^CapBnd:\s*(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"))![1];
  expect(stdout).toContain(`CapEff:\t${own}`);
  expect(stdout).toContain("Seccomp:\t0");
  expect(stdout).toContain("mounted");
});

test("another user has no capabilities", async () => {
  const { stdout } = await lab.run(["sh", "-c", "id; grep CapEff /proc/self/status"], {
    user: { uid: 1000, gid: 1000, additionalGids: [1000, 7] },
  });
  expect(stdout).toContain("uid=1000 gid=1000 groups=7,1000");
  expect(stdout).toContain("0000000000000000");
});

test("a seccomp profile of a client's is in force", async () => {
  const profile = JSON.stringify({
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 95 }],
  });
  expect((await lab.run(["mkdir", "/tmp/x"], { seccomp: profile })).stderr).toMatch(/not supported/);
  expect((await lab.run(["grep", "Seccomp:", "/proc/self/status"], { seccomp: "unconfined" })).stdout).toContain("0");
});

test("a paused container stands still, its attachment lives, and it goes on", async () => {
  const { id, process, output } = await lab.create(
    ["sh", "-c", "while read x; do echo $x; done"],
    {},
    { streams: input },
  );
  await lab.runtime.start(id);
  await process.attachment.write(Buffer.from("a\n"));
  while (output.stdout !== "a\n") await Bun.sleep(5);
  await lab.runtime.pause(id);
  await process.attachment.write(Buffer.from("b\n"));
  await Bun.sleep(100);
  expect(output.stdout).toBe("a\n");
  await lab.runtime.resume(id);
  process.attachment.closeStdin();
  expect((await process.exit).code).toBe(0);
  expect(output.stdout).toBe("a\nb\n");
  await lab.runtime.remove(id);
});

test("a paused container can be removed", async () => {
  const { id } = await lab.create(["sleep", "1000"]);
  await lab.runtime.start(id);
  await lab.runtime.pause(id);
  await lab.runtime.remove(id);
  expect(await lab.runtime.list()).not.toContain(id);
});

describe("exec", () => {
  let id: string;
  beforeAll(async () => {
    ({ id } = await lab.create(["sleep", "1000"]));
    await lab.runtime.start(id);
  });
  afterAll(() => lab.runtime.remove(id));

  test("output, exit code and input are its own", async () => {
    const { process, output } = await lab.exec(id, ["sh", "-c", "cat; echo err >&2; exit 5"], { streams: input });
    await process.attachment.write(Buffer.from("in"));
    process.attachment.closeStdin();
    expect((await process.exit).code).toBe(5);
    await output.ended;
    expect(output).toMatchObject({ stdout: "in", stderr: "err\n" });
  });

  test("a short one's output is whole, every time", async () => {
    for (let i = 0; i < 15; i++) {
      const { process, output } = await lab.exec(id, ["echo", String(i)]);
      expect((await process.exit).code).toBe(0);
      expect(output.stdout).toBe(`${i}\n`);
    }
  }, 20_000);

  test("a short one's output on a terminal is whole, every time", async () => {
    for (let i = 0; i < 15; i++) {
      const { process, output } = await lab.exec(id, ["echo", String(i)], { streams: terminal });
      expect((await process.exit).code).toBe(0);
      expect(output.stdout).toBe(`${i}\r\n`);
    }
  }, 20_000);

  test("a terminal has its size, and takes another", async () => {
    // crun sets an exec's first size while it starts, as runc does: the process may see it come.
    const { process, output } = await lab.exec(
      id,
      ["sh", "-c", "trap 'stty size' WINCH; stty size; while :; do read x && exit 3; done"],
      { streams: terminal, size: { rows: 12, columns: 34 } },
    );
    while (!output.stdout.includes("12 34\r\n")) await Bun.sleep(5);
    await process.resize(55, 66);
    while (!output.stdout.includes("55 66\r\n")) await Bun.sleep(5);
    await process.attachment.write(Buffer.from("\n"));
    expect((await process.exit).code).toBe(3);
  });

  test("its command that cannot be started", async () => {
    for (const [args, kind, message] of [
      [["nope"], "not-found", 'exec: "nope": executable file not found in $PATH'],
      [["/bin/nope"], "not-found", 'exec: "/bin/nope": stat /bin/nope: no such file or directory'],
      [["/bin/notes"], "not-executable", 'exec: "/bin/notes": permission denied'],
      [["/bin"], "not-executable", 'exec: "/bin": is a directory'],
    ] as const) {
      for (const streams of [input, terminal]) {
        const failure = await lab.exec(id, [...args], { streams }).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(failure).toBeInstanceOf(LaunchError);
        expect(failure).toMatchObject({ kind, message });
      }
    }
  }, 20_000);

  test("its supervisor that is killed is told as such, and it does not run on", async () => {
    const { process } = await lab.exec(id, ["sleep", "1000"]);
    const [execId] = readdirSync(`${lab.folder}/run/bundles/${id}/execs`);
    const conmon = Number(readFileSync(`${lab.folder}/run/bundles/${id}/execs/${execId}/conmon.pid`, "utf8"));
    globalThis.process.kill(conmon, "SIGKILL");
    expect(await process.exit).toMatchObject({ code: 137, error: expect.stringContaining("conmon") });
    while ((await lab.runtime.processes(id)).length > 1) await Bun.sleep(5);
    expect(readdirSync(`${lab.folder}/run/bundles/${id}/execs`)).toEqual([]);
  });

  test("it ends with its container", async () => {
    const other = await lab.create(["sleep", "1000"]);
    await lab.runtime.start(other.id);
    const { process } = await lab.exec(other.id, ["sleep", "1000"]);
    await lab.runtime.kill(other.id, 9);
    expect((await other.process.exit).code).toBe(137);
    expect((await process.exit).code).toBe(137);
    await lab.runtime.remove(other.id);
  });

  test("many at once", async () => {
    const all = await Promise.all(Array.from({ length: 10 }, (_, i) => lab.exec(id, ["sh", "-c", `exit ${i}`])));
    expect(await Promise.all(all.map(async ({ process }) => (await process.exit).code))).toEqual(all.map((_, i) => i));
  }, 20_000);
});
