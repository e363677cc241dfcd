/** Nothing runs unconfined, and the host is not read through an image: for run and for exec. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { statSync } from "node:fs";
import {
  buildImage,
  busyboxImage,
  describeNeeding,
  realRegistry,
  type Server,
  startServer,
  type TestRegistry,
} from "./harness/harness.ts";

/** Docker's default capabilities as /proc shows them: capabilities(7), the fourteen of its list. */
const defaultBounding = "00000000a80425fb";

describeNeeding(
  "root",
  "crun",
  "conmon",
  "nft",
  "docker-registry",
)("a container", () => {
  let server: Server;
  let registry: TestRegistry;
  let base: string;

  beforeAll(async () => {
    registry = await realRegistry();
    base = await registry.push(await busyboxImage(), "bb");
    server = await startServer({ args: ["--embedded-hub", "off"] });
    expect(await server.cli(["pull", base])).toMatchObject({ code: 0 });
  }, 120_000);

  afterAll(async () => {
    await server?.cleanup();
    await registry?.cleanup();
  }, 60_000);

  /** A container of its own each time: what one test leaves running must not count against the next one's limits. */
  async function inFreshBox(command: string[]) {
    const limits = ["-m", "32m", "--pids-limit", "20"];
    const started = await server.cli(["run", "-d", ...limits, base, "sleep", "1000"]);
    expect(started.code).toBe(0);
    const box = started.stdout.trim();
    const result = await server.cli(["exec", box, ...command]);
    expect(await server.cli(["rm", "-f", box])).toMatchObject({ code: 0 });
    return result;
  }

  /** The same command as a container's own and as an exec's. */
  const ways: [
    name: string,
    run: (...command: string[]) => Promise<{ code: number; stdout: string; stderr: string }>,
  ][] = [
    ["run", (...command) => server.cli(["run", "--rm", "-m", "32m", "--pids-limit", "20", base, ...command])],
    ["exec", (...command) => inFreshBox(command)],
  ];

  for (const [name, run] of ways) {
    test(`${name}: has Docker's capabilities and a seccomp filter`, async () => {
      const { stdout } = await run("cat", "/proc/self/status");
      expect(stdout).toMatch(/^Seccomp:\t2$/m);
      expect(stdout).toMatch(new RegExp(`^CapBnd:\t${defaultBounding}$`, "m"));
      expect(stdout).toMatch(new RegExp(`^CapEff:\t${defaultBounding}$`, "m"));
    });

    test(`${name}: cannot open a node of the host's disk`, async () => {
      const { dev } = statSync("/tmp");
      const [major, minor] = [(dev >> 8) & 0xfff, dev & 0xff];
      const result = await run(
        "sh",
        "-c",
        `mknod /tmp-disk-${name} b ${major} ${minor} && echo made; head -c 1 /tmp-disk-${name}`,
      );
      expect(result.stdout.replace("made\n", "")).toBe("");
      expect(result.stderr).toMatch(/Operation not permitted/);
      expect(result.code).not.toBe(0);
    });

    test(`${name}: the pids limit bites`, async () => {
      const result = await run("sh", "-c", "for i in $(seq 40); do sleep 5 & done; wait");
      expect(result.stderr).toMatch(/can't fork/);
    });

    test(`${name}: the memory limit bites`, async () => {
      const result = await run("sh", "-c", "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo got through");
      expect(result.stdout).not.toContain("got through");
      expect(result.code).not.toBe(0);
    });

    test(`${name}: sees no processes, devices or kernel settings of the host`, async () => {
      const { stdout } = await run(
        "sh",
        "-c",
        "ls /proc | grep -c '^[0-9]'; ls /dev; echo x > /proc/sys/kernel/hostname; cat /proc/kcore | wc -c",
      );
      expect(Number(stdout.split("\n")[0])).toBeLessThan(12);
      expect(stdout).not.toMatch(/vda|sda|nvme|kvm/);
    });
  }

  test("annotations that the runtime would obey are refused", async () => {
    const answer = await server.request("/containers/create", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ Image: base, HostConfig: { Annotations: { "run.oci.hooks.stderr": "/x" } } }),
    });
    expect(answer.status).toBe(400);
    expect(((await answer.json()) as { message: string }).message).toContain("run.oci.hooks.stderr");
  });

  test("an attached client's stream lives through a pause", async () => {
    const script = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo $i; sleep 0.05; done";
    const running = server.cli(["run", "--name", "paused", base, "sh", "-c", script]);
    await until(async () => (await server.cli(["ps", "-q", "--filter", "name=paused"])).stdout !== "");
    expect(await server.cli(["pause", "paused"])).toMatchObject({ code: 0 });
    const before = (await server.cli(["logs", "paused"])).stdout;
    await Bun.sleep(300);
    expect((await server.cli(["logs", "paused"])).stdout).toBe(before);
    expect(await server.cli(["unpause", "paused"])).toMatchObject({ code: 0 });
    const result = await running;
    expect(result.stdout).toBe(Array.from({ length: 40 }, (_, at) => `${at + 1}\n`).join(""));
    expect(result.code).toBe(0);
  });

  const hostile: [name: string, entries: Parameters<typeof buildImage>[0]][] = [
    [
      "a link to the host's",
      [
        [
          { name: "etc", type: "directory" },
          { name: "etc/passwd", type: "symlink", target: "/../../../../etc/passwd" },
        ],
      ],
    ],
    [
      "a FIFO",
      [
        [
          { name: "etc", type: "directory" },
          { name: "etc/passwd", type: "fifo" },
        ],
      ],
    ],
    [
      "a link to /dev/zero",
      [
        [
          { name: "etc", type: "directory" },
          { name: "dev", type: "directory" },
          { name: "dev/zero", type: "character", major: 1, minor: 5 },
          { name: "etc/passwd", type: "symlink", target: "/dev/zero" },
        ],
      ],
    ],
  ];
  for (const [name, layers] of hostile) {
    test(`/etc/passwd as ${name} tells nothing of the host and blocks nobody`, async () => {
      const image = await registry.push(
        await withBusybox(layers),
        `passwd${hostile.findIndex((one) => one[0] === name)}`,
      );
      const result = await server.cli(["run", "--rm", "-u", "nobody", image, "id"], { limit: 20_000 });
      expect(result.code).toBe(125);
      expect(result.stderr).toMatch(/no matching entries in passwd file|cannot read \/etc\/passwd/);
      expect(await server.cli(["run", "--rm", base, "true"])).toMatchObject({ code: 0 });
    });
  }

  test("WORKDIR below a link is made in the container, not on the host", async () => {
    const layers = [[{ name: "out", type: "symlink" as const, target: "/../../../../tmp" }]];
    const image = await registry.push(
      await withBusybox(layers, { WorkingDir: `/out/${server.home.id}-escaped` }),
      "workdir",
    );
    const result = await server.cli(["run", "--rm", image, "pwd"]);
    expect(result).toMatchObject({ code: 0, stdout: `/tmp/${server.home.id}-escaped\n` });
    expect(await Bun.file(`/tmp/${server.home.id}-escaped`).exists()).toBe(false);
    expect(() => statSync(`/tmp/${server.home.id}-escaped`)).toThrow();
  });

  async function withBusybox(layers: Parameters<typeof buildImage>[0], config: Record<string, unknown> = {}) {
    const { blobs, layers: descriptors } = await busyboxImage();
    const bottom = new Uint8Array(Bun.gunzipSync(new Uint8Array(blobs.get(descriptors[0]!.digest)!)));
    return buildImage([bottom, ...layers], { config: { Cmd: ["sh"], Env: ["PATH=/bin"], ...config } });
  }
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (await holds()) return;
    await Bun.sleep(50);
  }
  throw new Error("it did not come to hold");
}
