/** Servers beside each other and beside dockerd, and one server after another on the same roots. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  busyboxImage,
  describeNeeding,
  engineNeeds,
  gantry,
  type Lab,
  type Peer,
  type Result,
  run,
  type Server,
  startLab,
  startPeer,
  startServer,
  watchEvents,
} from "./harness/harness.ts";
import { makeHome } from "./harness/home.ts";
import { leftovers, removeHome } from "./harness/sweep.ts";

interface Inspected {
  Id: string;
  State: { Status: string; Pid: number; ExitCode: number };
  NetworkSettings: { Networks: Record<string, { IPAddress: string; Gateway: string }> };
}

async function inspect(server: Server | Peer, name: string): Promise<Inspected> {
  const { stdout, stderr } = await server.cli(["inspect", name]);
  const found = (JSON.parse(stdout) as Inspected[])[0];
  if (!found) throw new Error(stderr);
  return found;
}

const addressOf = (container: Inspected): string => Object.values(container.NetworkSettings.Networks)[0]!.IPAddress;

/** Starts a web server in a container and returns what tells later whether it is still the same, and reachable. */
async function startWeb(server: Server | Peer, image: string, name: string) {
  const started = await server.cli(["run", "-d", "--name", name, image, "httpd", "-f", "-p", "80", "-h", "/etc"]);
  expect(started).toMatchObject({ code: 0 });
  const { Id, State, ...rest } = await inspect(server, name);
  const address = addressOf({ Id, State, ...rest });
  const check = async () => {
    const now = await inspect(server, name);
    expect(now).toMatchObject({ Id, State: { Status: "running", Pid: State.Pid } });
    expect(existsSync(`/proc/${State.Pid}`)).toBe(true);
    expect(await (await fetch(`http://${address}/passwd`)).text()).toStartWith("root:");
  };
  await untilServed(`http://${address}/passwd`);
  return { id: Id, pid: State.Pid, address, check };
}

/** A process that was started just now has no event for the moment it listens. */
async function untilServed(url: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await (await fetch(url)).text();
      return;
    } catch (error) {
      if (tries === 200) throw error;
      await Bun.sleep(25);
    }
  }
}

const group = (home: { cgroupParent: string }): string =>
  `/sys/fs/cgroup${existsSync("/sys/fs/cgroup/cgroup.controllers") ? "" : "/pids"}${home.cgroupParent}`;

const tables = async (): Promise<string> => (await run(["nft", "list", "tables"])).stdout;

describeNeeding(...engineNeeds)("two servers", () => {
  let lab: Lab;
  let other: Server;
  beforeAll(async () => {
    lab = await startLab();
    other = await startServer({ args: ["--embedded-hub", "off"] });
    expect(await other.cli(["pull", lab.image])).toMatchObject({ code: 0 });
  }, 60_000);
  afterAll(async () => {
    await other?.cleanup();
    await lab?.cleanup();
  }, 60_000);

  test("know nothing of each other's containers", async () => {
    const mine = await startWeb(lab.server, lab.image, "web");
    const its = await startWeb(other, lab.image, "web");
    expect(mine.address).not.toBe(its.address);
    expect((await lab.server.cli(["ps", "-aq", "--no-trunc"])).stdout).toBe(`${mine.id}\n`);
    expect((await other.cli(["ps", "-aq", "--no-trunc"])).stdout).toBe(`${its.id}\n`);
    const members = (server: Server) => readdirSync(group(server.home)).filter((name) => /^[0-9a-f]{64}$/.test(name));
    expect(members(lab.server)).toContain(mine.id);
    expect(members(lab.server)).not.toContain(its.id);
    expect(members(other)).toContain(its.id);
    for (const { home } of [lab.server, other]) expect(await tables()).toContain(home.bridge);
    await other.cli(["rm", "-f", "web"]);
    await mine.check();
    await lab.server.cli(["rm", "-f", "web"]);
  });

  test("what one does to itself leaves the other's containers alone", async () => {
    const mine = await startWeb(lab.server, lab.image, "web");
    expect(await other.cli(["run", "-d", "--name", "idle", lab.image, "sleep", "1000"])).toMatchObject({ code: 0 });
    await other.stop();
    await mine.check();
    await other.restart();
    await mine.check();
    await other.kill9();
    await mine.check();
    // The next start sweeps what was left behind.
    await other.restart();
    await mine.check();
    expect((await inspect(other, "idle")).State.Status).toBe("running");
    expect(await other.cli(["rm", "-f", "idle"])).toMatchObject({ code: 0 });
    await mine.check();
    await lab.server.cli(["rm", "-f", "web"]);
  });

  describe("a second one is refused", () => {
    /** Everything of its own but what `args` say, which come last and win. */
    async function second(args: string[]): Promise<Result> {
      const home = makeHome();
      try {
        const own = ["-H", `unix://${home.path}/s`, "--data-root", `${home.path}/data`, "--exec-root"];
        own.push(`${home.path}/run`, "--pidfile", `${home.path}/pid`, "--bridge", home.bridge);
        const argv = [...own, "--cgroup-parent", home.cgroupParent].filter(
          (word, at, all) => !args.includes(word) && !(at > 0 && args.includes(all[at - 1]!)),
        );
        const result = await run([...gantry, "daemon", ...argv, ...args], { limit: 20_000 });
        expect(leftovers(home)).toEqual([]);
        return result;
      } finally {
        await removeHome(home);
      }
    }

    const cases: [what: string, flags: (server: Server) => string[], words: (server: Server) => string[]][] = [
      [
        "on the same data root",
        (server) => ["--data-root", server.dataRoot],
        (server) => ["another server uses", server.dataRoot, "--data-root"],
      ],
      [
        "on the same execution root",
        (server) => ["--exec-root", server.execRoot],
        (server) => ["another server uses", server.execRoot, "--exec-root"],
      ],
      [
        "on the same socket",
        (server) => ["-H", server.host],
        (server) => [`another server answers on ${server.host}`, "-H"],
      ],
      [
        "with the same pid file",
        (server) => ["--pidfile", join(server.home.path, "pid")],
        (server) => [join(server.home.path, "pid"), String(server.pid), "--pidfile"],
      ],
      [
        "on the same bridge",
        (server) => ["--bridge", server.home.bridge],
        (server) => [server.home.bridge, "--bridge"],
      ],
    ];
    for (const [what, flags, words] of cases) {
      test(what, async () => {
        const { pid } = lab.server;
        const result = await second(flags(lab.server));
        expect(result).toMatchObject({ code: 1 });
        for (const word of words(lab.server)) expect(result.stderr).toContain(word);
        expect(result.stderr).not.toMatch(/^ +at /m);
        expect(lab.server.pid).toBe(pid!);
        expect(readFileSync(join(lab.server.home.path, "pid"), "utf8")).toBe(String(pid));
        expect(await lab.server.cli(["run", "--rm", lab.image, "echo", "on"])).toMatchObject({ stdout: "on\n" });
      });
    }

    test("but not by a pid file that names somebody else", async () => {
      await other.stop();
      // Of the same number as a process that is no server: this one.
      writeFileSync(join(other.home.path, "pid"), String(process.pid));
      await other.restart();
      expect(readFileSync(join(other.home.path, "pid"), "utf8")).toBe(String(other.pid));
    });
  });
});

describeNeeding(
  ...engineNeeds,
  "dockerd",
  "iptables",
)("beside dockerd", () => {
  let lab: Lab;
  let peer: Peer;
  beforeAll(async () => {
    lab = await startLab();
    peer = await startPeer({ network: true });
    const reference = await lab.registry.push(await busyboxImage(), "bb");
    expect(await peer.cli(["pull", reference])).toMatchObject({ code: 0 });
  }, 90_000);
  afterAll(async () => {
    try {
      await peer?.cleanup();
    } finally {
      await lab?.cleanup();
    }
  }, 60_000);

  test("its containers keep their network and their statistics, and ours theirs", async () => {
    const its = await startWeb(peer, lab.image, "web");
    const mine = await startWeb(lab.server, lab.image, "web");
    const checkBoth = async () => {
      await its.check();
      const { stdout } = await peer.docker(["stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", "web"]);
      expect(stdout).toMatch(/^[1-9][\d.]*\wiB \/ .* [1-9]\d*\n$/);
    };
    await checkBoth();
    await mine.check();
    await lab.server.kill9();
    await checkBoth();
    await lab.server.restart();
    await checkBoth();
    await mine.check();
    expect(await peer.cli(["rm", "-f", "web"])).toMatchObject({ code: 0 });
    await mine.check();
    await lab.server.cli(["rm", "-f", "web"]);
  }, 60_000);
});

describeNeeding(...engineNeeds)("a server that is told to end", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await startLab();
  }, 60_000);
  afterAll(() => lab?.cleanup(), 60_000);

  test("answers what is under way", async () => {
    const { server, image } = lab;
    // A namespace's first process that handles no SIGTERM does not get it: the stop takes its two seconds.
    expect(await server.cli(["run", "-d", "--name", "slow", image, "sleep", "1000"])).toMatchObject({ code: 0 });
    const events = await watchEvents(server);
    const stopping = server.request("/containers/slow/stop?t=2", { method: "POST" });
    await events.until("container kill", "slow");
    const code = await server.stop();
    expect((await stopping).status).toBe(204);
    expect(code).toBe(0);
    await events.close();
    expect(existsSync(server.socket)).toBe(false);
    expect(existsSync(join(server.home.path, "pid"))).toBe(false);
    await server.restart();
    expect((await inspect(server, "slow")).State).toMatchObject({ Status: "exited", ExitCode: 137 });
    await server.cli(["rm", "slow"]);
  });

  test("ends streams without end", async () => {
    const { server, image } = lab;
    expect(await server.cli(["run", "-d", "--name", "on", image, "sleep", "1000"])).toMatchObject({ code: 0 });
    const events = await watchEvents(server);
    const following = server.live("gantry", ["logs", "-f", "on"]);
    const waiting = server.request("/containers/on/wait", { method: "POST" }).then(
      () => {},
      () => {},
    );
    expect(await server.stop()).toBe(0);
    await following.ended;
    await waiting;
    await events.close();
    await server.restart();
    await server.cli(["rm", "-f", "on"]);
  });

  test("leaves its containers running, and the next one takes them over", async () => {
    const { server, image } = lab;
    const script = "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.05; done";
    expect(await server.cli(["run", "-d", "--name", "on", image, "sh", "-c", script])).toMatchObject({ code: 0 });
    const { pid } = (await inspect(server, "on").then(({ State }) => ({ pid: State.Pid }))) as { pid: number };
    expect(await server.stop()).toBe(0);
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    await server.restart();
    expect((await inspect(server, "on")).State).toMatchObject({ Status: "running", Pid: pid });
    expect(await server.cli(["exec", "on", "echo", "in"])).toMatchObject({ code: 0, stdout: "in\n" });
    const following = server.live("gantry", ["logs", "-f", "on"]);
    await following.see("line 1\n");
    const seen = Number(/line (\d+)\n$/.exec(following.stdout())?.[1]);
    await following.see(`line ${seen + 3}\n`);
    expect(await server.cli(["stop", "-t", "0", "on"])).toMatchObject({ code: 0 });
    expect(await following.ended).toMatchObject({ code: 0 });
    expect((await inspect(server, "on")).State).toMatchObject({ Status: "exited", ExitCode: 137 });
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    await server.cli(["rm", "on"]);
  });

  test("notices what ended while no server ran", async () => {
    const { server, image } = lab;
    const script = "trap 'exit 7' TERM; echo up; while true; do sleep 0.1; done";
    expect(await server.cli(["run", "-d", "--name", "brief", image, "sh", "-c", script])).toMatchObject({ code: 0 });
    const logs = server.live("gantry", ["logs", "-f", "brief"]);
    await logs.see("up");
    const { Pid } = (await inspect(server, "brief")).State;
    expect(Pid).toBeGreaterThan(1);
    await server.stop();
    await logs.ended;
    process.kill(Pid, "SIGTERM");
    await server.restart();
    expect(await server.cli(["wait", "brief"])).toMatchObject({ stdout: "7\n" });
    expect((await inspect(server, "brief")).State).toMatchObject({ Status: "exited", Pid: 0, ExitCode: 7 });
    await server.cli(["rm", "brief"]);
  });
});

describeNeeding(...engineNeeds)("without live-restore", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await startLab({ args: ["--live-restore=false", "--shutdown-timeout", "1"] });
  }, 60_000);
  afterAll(() => lab?.cleanup(), 60_000);

  test("the containers are stopped, with their own signal first", async () => {
    const { server, image } = lab;
    const script = "trap 'echo asked; exit 5' TERM; echo up; while true; do sleep 0.1; done";
    expect(await server.cli(["run", "-d", "--name", "polite", image, "sh", "-c", script])).toMatchObject({ code: 0 });
    expect(await server.cli(["run", "-d", "--name", "deaf", image, "sleep", "1000"])).toMatchObject({ code: 0 });
    const logs = server.live("gantry", ["logs", "-f", "polite"]);
    await logs.see("up");
    const pids = [(await inspect(server, "polite")).State.Pid, (await inspect(server, "deaf")).State.Pid];
    expect((await server.request("/info").then((answer) => answer.json())) as object).toMatchObject({
      LiveRestoreEnabled: false,
    });
    expect(await server.stop()).toBe(0);
    await logs.ended;
    for (const pid of pids) expect(existsSync(`/proc/${pid}`)).toBe(false);
    await server.restart();
    expect((await inspect(server, "polite")).State).toMatchObject({ Status: "exited", ExitCode: 5 });
    expect((await inspect(server, "deaf")).State).toMatchObject({ Status: "exited", ExitCode: 137 });
    expect((await server.cli(["logs", "polite"])).stdout).toBe("up\nasked\n");
  }, 40_000);
});
