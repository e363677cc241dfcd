/** The life of containers from outside: transitions, restart policies, events, lists, logs. With both clients. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  busyboxImage,
  type Client,
  clients,
  describeNeeding,
  type EventWatch,
  engineNeeds,
  type Lab,
  type Server,
  type ServerEvent,
  startLab,
  watchEvents,
} from "./harness/harness.ts";

// A test that takes longer is ended with everything that this process started, the server too.
setDefaultTimeout(60_000);

interface Inspected {
  Id: string;
  Name: string;
  RestartCount: number;
  State: Record<string, unknown> & { Status: string; Pid: number; ExitCode: number };
}

describeNeeding(...engineNeeds)("the life of containers", () => {
  let lab: Lab;
  let server: Server;
  let image: string;
  let events: EventWatch;
  beforeAll(async () => {
    lab = await startLab();
    ({ server, image } = lab);
    events = await watchEvents(server);
  });
  afterAll(async () => {
    await events?.close();
    await lab?.cleanup();
  });

  const request = async (method: string, path: string, body?: unknown): Promise<Response> =>
    server.request(path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    });
  const inspect = async (name: string) =>
    (await (await request("GET", `/containers/${name}/json`)).json()) as Inspected;
  const status = async (name: string) => (await inspect(name)).State.Status;

  for (const client of clients) describeNeeding(...client.needs)(`by ${client.name}`, () => behaviour(client));

  function behaviour(client: Client): void {
    const call = (...argv: string[]) => client.call(server, argv);
    const named = (name: string) => `${name}-${client.name}`;
    const ends = "trap 'exit 3' TERM; trap 'exit 4' USR1; trap 'exit 5' INT; echo ready; while :; do sleep 0.05; done";

    /** A running container that has set its traps; removed at the end whatever happens. */
    async function withRunning(name: string, flags: string[], work: (name: string) => Promise<void>, script = ends) {
      const full = named(name);
      expect(await call("run", "-d", "--name", full, ...flags, image, "sh", "-c", script)).toMatchObject({ code: 0 });
      try {
        if (script === ends) await seen(full, "ready");
        await work(full);
      } finally {
        await request("DELETE", `/containers/${full}?force=1`);
      }
    }

    async function seen(name: string, text: string): Promise<void> {
      const following = server.live("gantry", ["logs", "-f", name]);
      await following.see(text);
      following.kill("SIGKILL");
      await following.ended;
    }

    describe("transitions", () => {
      test("create, start, stop, start, restart, remove: states and events in order", async () => {
        const name = named("whole");
        const created = await call("create", "--name", name, "-l", "kind=whole", image, "sh", "-c", ends);
        const id = created.stdout.trim();
        expect(await inspect(name)).toMatchObject({
          Id: id,
          State: { Status: "created", Running: false, Pid: 0, ExitCode: 0, StartedAt: "0001-01-01T00:00:00Z" },
        });
        expect(await call("start", name)).toEqual({ code: 0, stdout: `${name}\n`, stderr: "" });
        const first = await inspect(name);
        expect(first.State).toMatchObject({ Status: "running", Running: true, ExitCode: 0 });
        expect(first.State.Pid).toBeGreaterThan(1);
        await seen(name, "ready");
        expect(await call("start", name)).toMatchObject({ code: 0 });
        expect((await inspect(name)).State.Pid).toBe(first.State.Pid);
        expect(await call("stop", name)).toEqual({ code: 0, stdout: `${name}\n`, stderr: "" });
        expect((await inspect(name)).State).toMatchObject({ Status: "exited", Running: false, Pid: 0, ExitCode: 3 });
        expect(await call("stop", name)).toMatchObject({ code: 0 });
        expect(await call("start", name)).toMatchObject({ code: 0 });
        await seen(name, "ready");
        expect(await call("restart", "-t", "5", name)).toEqual({ code: 0, stdout: `${name}\n`, stderr: "" });
        expect(await status(name)).toBe("running");
        expect(await call("rm", "-f", name)).toEqual({ code: 0, stdout: `${name}\n`, stderr: "" });
        await events.until("container destroy", id);

        const common = { image, name, kind: "whole" };
        const network = { container: id, name: "bridge", type: "bridge" };
        const run: [string, Record<string, string>][] = [
          ["network connect", network],
          ["container start", common],
        ];
        const end = (signal: string, exitCode: string): [string, Record<string, string>][] => [
          ["container kill", { ...common, signal }],
          ["network disconnect", network],
          ["container die", { ...common, exitCode, execDuration: expect.stringMatching(/^\d+$/) }],
        ];
        expect(told(id)).toEqual([
          ["container create", common],
          ...run,
          ...end("15", "3"),
          ["container stop", common],
          ...run,
          ...end("15", "3"),
          ["container stop", common],
          ...run,
          ["container restart", common],
          ...end("9", "137"),
          ["container destroy", common],
        ]);
      });

      /** What was told of a container, its network included. */
      function told(id: string): [string, Record<string, string>][] {
        const about = ({ Actor }: ServerEvent) => Actor.ID === id || Actor.Attributes.container === id;
        return events.seen.filter(about).map(({ Type, Action, Actor }) => [`${Type} ${Action}`, Actor.Attributes]);
      }

      test("stop: timeout, signal, the container's own and the image's", async () => {
        const deaf = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
        await withRunning(
          "deaf",
          [],
          async (name) => {
            await seen(name, "ready");
            expect(await call("stop", "-t", "1", name)).toMatchObject({ code: 0 });
            expect((await inspect(name)).State).toMatchObject({ ExitCode: 137, OOMKilled: false });
          },
          deaf,
        );
        await withRunning("own-timeout", ["--stop-timeout", "0"], async (name) => {
          await call("stop", name);
          expect([3, 137]).toContain((await inspect(name)).State.ExitCode);
        });
        await withRunning("signal", [], async (name) => {
          await call("stop", "-s", "USR1", name);
          expect((await inspect(name)).State.ExitCode).toBe(4);
        });
        await withRunning("own-signal", ["--stop-signal", "SIGINT"], async (name) => {
          await call("stop", name);
          expect((await inspect(name)).State.ExitCode).toBe(5);
        });
        const stopping = await lab.add(await busyboxImage({ config: { StopSignal: "SIGUSR1" } }), "stopping");
        const name = named("image-signal");
        await call("run", "-d", "--name", name, stopping, "sh", "-c", ends);
        await seen(name, "ready");
        await call("stop", name);
        expect((await inspect(name)).State.ExitCode).toBe(4);
        await call("rm", name);
        await withRunning("bad-signal", [], async (name) => {
          const result = await call("stop", "-s", "NOSUCH", name);
          expect(result.code).toBe(1);
          expect(result.stderr).toMatch(/invalid signal: NOSUCH/i);
        });
      });

      test("kill: signals by name and number, and only what runs", async () => {
        await withRunning("killed", [], async (name) => {
          expect(await call("kill", "-s", "USR1", name)).toEqual({ code: 0, stdout: `${name}\n`, stderr: "" });
          await events.until("container die", name);
          expect((await inspect(name)).State.ExitCode).toBe(4);
          const again = await call("kill", name);
          expect(again.code).toBe(1);
          expect(again.stderr).toMatch(
            new RegExp(`cannot kill container: ${name}: container [0-9a-f]{64} is not running`, "i"),
          );
        });
        await withRunning("killed9", [], async (name) => {
          await call("kill", name);
          expect((await inspect(name)).State).toMatchObject({ Status: "exited", ExitCode: 137 });
        });
        await withRunning("by-number", [], async (name) => {
          await call("kill", "-s", "2", name);
          await events.until("container die", name);
          expect((await inspect(name)).State.ExitCode).toBe(5);
        });
      });

      test("pause and unpause", async () => {
        await withRunning("paused", [], async (name) => {
          expect(await call("pause", name)).toEqual({ code: 0, stdout: `${name}\n`, stderr: "" });
          expect((await inspect(name)).State).toMatchObject({ Status: "paused", Running: true, Paused: true });
          expect((await call("ps", "--filter", `name=${name}`, "--format", "{{.Status}}")).stdout).toMatch(
            /^Up .*\(Paused\)\n$/,
          );
          expect((await call("pause", name)).stderr).toContain("already paused");
          expect((await call("start", name)).stderr).toContain("cannot start a paused container, try unpause instead");
          expect((await call("rm", name)).stderr).toMatch(/cannot remove container .*paused/);
          expect(await call("unpause", name)).toEqual({ code: 0, stdout: `${name}\n`, stderr: "" });
          expect((await call("unpause", name)).stderr).toContain("is not paused");
          // A paused one can be stopped, and killed.
          await call("pause", name);
          expect(await call("stop", name)).toMatchObject({ code: 0 });
          expect((await inspect(name)).State).toMatchObject({ Status: "exited", ExitCode: 3, Paused: false });
          expect((await call("pause", name)).stderr).toContain("is not running");
          const id = (await inspect(name)).Id;
          const actions = told(id).map(([what]) => what);
          expect(actions).toContain("container pause");
          expect(actions).toContain("container unpause");
        });
        await withRunning("paused-killed", [], async (name) => {
          await call("pause", name);
          expect(await call("kill", name)).toMatchObject({ code: 0 });
          expect((await inspect(name)).State).toMatchObject({ Status: "exited", ExitCode: 137 });
        });
        await withRunning("paused-removed", [], async (name) => {
          await call("pause", name);
          expect(await call("rm", "-f", name)).toMatchObject({ code: 0 });
        });
      });

      test("rename", async () => {
        await withRunning("old", [], async (name) => {
          const renamed = named("new");
          expect(await call("rename", name, renamed)).toMatchObject({ code: 0, stdout: "" });
          expect((await inspect(renamed)).Name).toBe(`/${renamed}`);
          expect((await request("GET", `/containers/${name}/json`)).status).toBe(404);
          const event = await events.until("container rename", renamed);
          expect(event.Actor.Attributes).toMatchObject({ oldName: `/${name}` });
          expect((await call("rename", renamed, renamed)).code).toBe(1);
          await call("create", "--name", name, image, "true");
          expect((await call("rename", renamed, name)).stderr).toContain(
            `The container name "/${name}" is already in use`,
          );
          await call("rm", name);
          await call("rename", renamed, name);
        });
      });

      test("rm: what runs is refused, what is not there too", async () => {
        await withRunning("kept", [], async (name) => {
          const { code, stderr } = await call("rm", name);
          expect(code).toBe(1);
          expect(stderr).toContain(
            `cannot remove container "/${name}": container is running: stop the container before removing or force remove`,
          );
          const both = await call("rm", "-f", "no-such-container", name);
          expect(both.stdout).toContain(name);
          expect((await request("GET", `/containers/${name}/json`)).status).toBe(404);
        });
        expect(await call("rm", "no-such-container")).toMatchObject({
          code: 1,
          stderr: expect.stringContaining("No such container: no-such-container"),
        });
      });

      test("a start that fails says why, and the next one may work", async () => {
        const name = named("failing");
        await call("create", "--name", name, image, "no-such-command");
        const { code, stderr } = await call("start", name);
        expect(code).toBe(1);
        expect(stderr).toContain("no-such-command");
        expect((await inspect(name)).State).toMatchObject({ Status: "created", ExitCode: 127 });
        await call("rm", name);
      });
    });

    describe("waiting", () => {
      test("before, during and after the end", async () => {
        await withRunning("waited", [], async (name) => {
          const waiters = await Promise.all(
            ["not-running", "next-exit", "removed"].map((condition) =>
              request("POST", `/containers/${name}/wait?condition=${condition}`),
            ),
          );
          const waiting = server.live(client.name, ["wait", name]);
          await call("stop", name);
          expect(await waiting.ended).toEqual({ code: 0, stdout: "3\n", stderr: "" });
          expect(await waiters[0]!.json()).toMatchObject({ StatusCode: 3 });
          expect(await waiters[1]!.json()).toMatchObject({ StatusCode: 3 });
          expect(await call("wait", name)).toEqual({ code: 0, stdout: "3\n", stderr: "" });
          await call("rm", name);
          expect(await waiters[2]!.json()).toMatchObject({ StatusCode: 3 });
          expect(await call("wait", name)).toMatchObject({
            code: 1,
            stderr: expect.stringContaining("No such container"),
          });
        });
      });

      test("of one that never ran, and until the next exit", async () => {
        const name = named("never");
        await call("create", "--name", name, image, "sh", "-c", "exit 8");
        expect(await call("wait", name)).toMatchObject({ stdout: "0\n" });
        const next = await request("POST", `/containers/${name}/wait?condition=next-exit`);
        await call("start", name);
        expect(await next.json()).toMatchObject({ StatusCode: 8 });
        const removed = await request("POST", `/containers/${name}/wait?condition=next-exit`);
        await call("rm", name);
        expect(await removed.json()).toMatchObject({ StatusCode: 8 });
      });

      test("for several prints each code", async () => {
        const names = [1, 2, 3].map((code) => named(`code${code}`));
        for (const [at, name] of names.entries())
          await call("run", "-d", "--name", name, image, "sh", "-c", `exit ${at + 1}`);
        expect((await call("wait", ...names)).stdout).toBe("1\n2\n3\n");
        await call("rm", ...names);
      });
    });

    describe("start -a", () => {
      test("shows the output, passes input, ends with the code", async () => {
        const name = named("attached");
        await call(
          "create",
          "--name",
          name,
          "-i",
          image,
          "sh",
          "-c",
          "read line; echo got $line; echo err >&2; exit 6",
        );
        for (const word of ["one", "two"]) {
          const result = await client.call(server, ["start", "-ai", name], { stdin: `${word}\n` });
          expect(result).toEqual({ code: 6, stdout: `got ${word}\n`, stderr: "err\n" });
        }
        expect((await call("logs", name)).stdout).toBe("got one\ngot two\n");
        await call("rm", name);
        const quick = named("quick");
        await call("create", "--name", quick, image, "echo", "at once");
        for (let round = 0; round < 5; round++) {
          expect(await call("start", "-a", quick)).toEqual({ code: 0, stdout: "at once\n", stderr: "" });
        }
        await call("rm", quick);
      });
    });

    describe("restart policies", () => {
      test("always: again and again, ever later, until it is stopped", async () => {
        const name = named("always");
        const { stdout } = await call("run", "-d", "--restart", "always", "--name", name, image, "sh", "-c", "exit 1");
        const id = stdout.trim();
        await events.until("container die", id, 4);
        const times = (action: string) => events.seen.filter((one) => one.Action === action && one.Actor.ID === id);
        const [starts, deaths] = [times("start"), times("die")];
        for (let at = 0; at < 3; at++) {
          const pause = (starts[at + 1]!.timeNano - deaths[at]!.timeNano) / 1e6;
          expect(pause).toBeGreaterThan(100 * 2 ** at - 2);
        }
        const { State, RestartCount } = await inspect(name);
        expect(RestartCount).toBeGreaterThanOrEqual(3);
        expect(State).toMatchObject({ Status: "restarting", Restarting: true, Running: true, ExitCode: 1 });
        expect((await call("ps", "--filter", `name=${name}`, "--format", "{{.Status}}")).stdout).toMatch(
          /^Restarting \(1\) .* ago\n$/,
        );
        expect((await call("exec", name, "true")).stderr).toContain(
          "is restarting, wait until the container is running",
        );
        expect(await call("stop", name)).toMatchObject({ code: 0 });
        expect(await status(name)).toBe("exited");
        expect(await call("rm", name)).toMatchObject({ code: 0 });
      });

      test("on-failure: so often, and not after a success", async () => {
        const name = named("twice");
        const { stdout } = await call(
          "run",
          "-d",
          "--restart",
          "on-failure:2",
          "--name",
          name,
          image,
          "sh",
          "-c",
          "exit 7",
        );
        await events.until("container die", stdout.trim(), 3);
        expect(await inspect(name)).toMatchObject({ RestartCount: 2, State: { Status: "exited", ExitCode: 7 } });
        await call("rm", name);
        const fine = named("fine");
        await call("run", "--restart", "on-failure", "--name", fine, image, "true");
        expect(await inspect(fine)).toMatchObject({ RestartCount: 0, State: { Status: "exited", ExitCode: 0 } });
        await call("rm", fine);
      });

      test("a stop, a kill or a removal ends them", async () => {
        await withRunning("stopped", ["--restart", "always"], async (name) => {
          await call("stop", name);
          expect(await status(name)).toBe("exited");
          await call("start", name);
          await call("kill", name);
          expect(await status(name)).toBe("exited");
          await call("start", name);
          const { Id } = await inspect(name);
          expect(await call("rm", "-f", name)).toMatchObject({ code: 0 });
          await events.until("container destroy", Id);
        });
        const waiting = named("waiting");
        await call("run", "-d", "--restart", "always", "--name", waiting, image, "sh", "-c", "exit 1");
        await events.until("container die", waiting, 2);
        expect(await call("rm", "-f", waiting)).toMatchObject({ code: 0 });
      });

      test("what a policy cannot be is refused", async () => {
        for (const [flags, words] of [
          [["--restart", "sometimes"], /invalid restart policy: unknown policy 'sometimes'/],
          [["--restart", "always:3"], /maximum retry count can only be used with 'on-failure'/],
          [["--restart", "always", "--rm"], /conflicting options|AutoRemove/],
        ] as const) {
          const result = await call("run", ...flags, image, "true");
          expect(result.code).toBe(125);
          expect(result.stderr).toMatch(words);
        }
      });
    });

    describe("ps", () => {
      test("filters", async () => {
        const [one, two, three] = ["one", "two", "three"].map((name) => named(`ps-${name}`)) as [
          string,
          string,
          string,
        ];
        const volume = named("ps-volume");
        await call("run", "-d", "--name", one, "-l", "kind=a", "-v", `${volume}:/v`, image, "sleep", "1000");
        await call("run", "--name", two, "-l", "kind=b", "-l", "more", "--expose", "81", image, "sh", "-c", "exit 9");
        await call("create", "--name", three, "--network", "none", image, "true");
        const list = async (...filters: string[]) => {
          const { stdout } = await call(
            "ps",
            "-a",
            "--format",
            "{{.Names}}",
            ...filters.flatMap((text) => ["--filter", text]),
          );
          return stdout.split("\n").filter(Boolean);
        };
        const mine = `name=^/?ps-.*-${client.name}$`;
        expect(await list(mine)).toEqual([three, two, one]);
        expect(await list(mine, "status=running")).toEqual([one]);
        expect(await list(mine, "status=exited", "status=created")).toEqual([three, two]);
        expect(await list(mine, "exited=9")).toEqual([two]);
        expect(await list(mine, "label=kind")).toEqual([two, one]);
        expect(await list(mine, "label=kind=b", "label=more")).toEqual([two]);
        expect(await list(mine, "label=kind=b", "label=other")).toEqual([]);
        expect(await list(mine, `ancestor=${image}`)).toEqual([three, two, one]);
        expect(await list(mine, "ancestor=no-such-image")).toEqual([]);
        expect(await list(mine, `since=${one}`)).toEqual([three, two]);
        expect(await list(mine, `before=${three}`)).toEqual([two, one]);
        expect(await list(mine, `volume=${volume}`)).toEqual([one]);
        expect(await list(mine, "volume=/v")).toEqual([one]);
        expect(await list(mine, "network=none")).toEqual([three]);
        expect(await list(mine, "expose=81")).toEqual([two]);
        expect(await list(mine, `id=${(await inspect(two)).Id.slice(0, 20)}`)).toEqual([two]);
        expect((await call("ps", "--filter", "nosuch=1")).stderr).toMatch(/invalid filter 'nosuch'/);
        expect((await call("ps", "--filter", "status=nosuch")).stderr).toMatch(/nosuch/);
        expect((await call("ps", "-q", "--no-trunc", "--filter", mine)).stdout).toBe(`${(await inspect(one)).Id}\n`);
        expect((await call("ps", "-n", "1", "--format", "{{.Names}}")).stdout).toBe(`${three}\n`);
        expect((await call("ps", "-l", "--format", "{{.Names}}")).stdout).toBe(`${three}\n`);
        await call("rm", "-f", "-v", one, two, three);
        await call("volume", "rm", volume);
      });

      test("columns and formats", async () => {
        await withRunning("shown", ["-l", "a=1"], async (name) => {
          const { Id } = await inspect(name);
          const table = (await call("ps", "--filter", `name=${name}`)).stdout.split("\n");
          expect(table[0]).toMatch(/^CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES$/);
          expect(table[1]).toMatch(new RegExp(`^${Id.slice(0, 12)} +${image} +"sh -c .*" +.* ago +Up .*${name}$`));
          const format = "{{.ID}}|{{.Image}}|{{.State}}|{{.Labels}}|{{.Mounts}}|{{.Networks}}|{{.LocalVolumes}}";
          expect((await call("ps", "--filter", `name=${name}`, "--format", format)).stdout).toBe(
            `${Id.slice(0, 12)}|${image}|running|a=1||bridge|0\n`,
          );
          const json = JSON.parse((await call("ps", "--filter", `name=${name}`, "--format", "json")).stdout);
          expect(json).toMatchObject({
            ID: Id.slice(0, 12),
            Image: image,
            Names: name,
            State: "running",
            Labels: "a=1",
          });
          expect((await call("ps", "-s", "--filter", `name=${name}`)).stdout).toMatch(/SIZE\n.*virtual/s);
        });
      });
    });

    describe("logs", () => {
      test("streams, --tail, --timestamps", async () => {
        const name = named("logged");
        await call(
          "run",
          "--name",
          name,
          image,
          "sh",
          "-c",
          "for i in 1 2 3 4 5; do echo out $i; echo err $i >&2; sleep 0.02; done",
        );
        const lines = (word: string, from: number) =>
          [1, 2, 3, 4, 5]
            .slice(from)
            .map((at) => `${word} ${at}\n`)
            .join("");
        expect(await call("logs", name)).toEqual({ code: 0, stdout: lines("out", 0), stderr: lines("err", 0) });
        const tail = await call("logs", "--tail", "4", name);
        expect(tail).toEqual({ code: 0, stdout: lines("out", 3), stderr: lines("err", 3) });
        expect(await call("logs", "-n", "0", name)).toEqual({ code: 0, stdout: "", stderr: "" });
        expect((await call("logs", "--tail", "all", name)).stdout).toBe(lines("out", 0));
        const timed = (await call("logs", "-t", name)).stdout.trimEnd().split("\n");
        for (const line of timed) expect(line).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z out \d$/);

        const stamps = timed.map((line) => line.split(" ")[0]!);
        expect((await call("logs", "--since", stamps[3]!, name)).stdout).toBe(lines("out", 3));
        expect((await call("logs", "--until", stamps[1]!, name)).stdout).toBe("out 1\nout 2\n");
        expect((await call("logs", "--since", "1h", name)).stdout).toBe(lines("out", 0));
        expect((await call("logs", "--until", "1h", name)).stdout).toBe("");
        await call("rm", name);
      });

      test("-f shows what comes, and ends with the container", async () => {
        const name = named("followed");
        await call(
          "run",
          "-d",
          "-i",
          "--name",
          name,
          image,
          "sh",
          "-c",
          "echo begun; while read x; do test $x = end && break; echo got $x; done; echo over",
        );
        const following = server.live(client.name, ["logs", "-f", name]);
        await following.see("begun");
        const feeding = server.live(client.name, ["attach", name]);
        for (const word of ["a", "b", "c"]) {
          feeding.write(`${word}\n`);
          await following.see(`got ${word}`);
        }
        const late = server.live(client.name, ["logs", "-f", "--tail", "1", name]);
        await late.see("got c");
        feeding.write("end\n");
        expect(await following.ended).toEqual({ code: 0, stdout: "begun\ngot a\ngot b\ngot c\nover\n", stderr: "" });
        expect(await late.ended).toEqual({ code: 0, stdout: "got c\nover\n", stderr: "" });
        await feeding.ended;
        expect(await call("logs", "-f", name)).toMatchObject({ code: 0, stdout: "begun\ngot a\ngot b\ngot c\nover\n" });
        await call("rm", name);
      });

      test("long lines, lines without an end, and bytes that are no text come as they were", async () => {
        const name = named("odd");
        const script =
          "head -c 200000 /dev/zero | tr '\\0' x; echo; printf '\\000\\001\\377\\r\\n\\n'; printf 'no end'; printf 'err no end' >&2";
        await call("run", "--name", name, image, "sh", "-c", script);
        const child = server.spawn(client.name, ["logs", name]);
        const [out, err] = await Promise.all([child.stdout.bytes(), child.stderr.text(), child.exited]);
        const wanted = Buffer.concat([Buffer.alloc(200_000, "x"), Buffer.from("\n\x00\x01\xff\r\n\nno end", "latin1")]);
        expect(Buffer.from(out).equals(wanted)).toBe(true);
        expect(err).toBe("err no end");
        const timed = (await call("logs", "-t", "--tail", "1", name)).stdout;
        expect(timed === "" || /^\S+Z no end$/.test(timed)).toBe(true);
        await call("rm", name);
      });

      test("of a terminal, and of one that keeps none", async () => {
        const name = named("tty-log");
        await call("run", "-t", "--name", name, image, "sh", "-c", "echo out; echo err >&2");
        expect(await call("logs", name)).toEqual({ code: 0, stdout: "out\r\nerr\r\n", stderr: "" });
        await call("rm", name);
        const none = named("no-log");
        await call("run", "--log-driver", "none", "--name", none, image, "echo", "x");
        expect(await call("logs", none)).toMatchObject({
          code: 1,
          stdout: "",
          stderr: expect.stringContaining("configured logging driver does not support reading"),
        });
        await call("rm", none);
        expect(await call("logs", "no-such")).toMatchObject({
          code: 1,
          stderr: expect.stringContaining("No such container: no-such"),
        });
      });
    });

    test("top", async () => {
      await withRunning("top", [], async (name) => {
        const { stdout } = await call("top", name);
        expect(stdout).toMatch(/^UID +PID +PPID +C +STIME +TTY +TIME +CMD\n/);
        expect(stdout).toMatch(/sh -c trap/);
        const own = await call("top", name, "-o", "pid,comm");
        expect(own.stdout).toMatch(/^PID +COMMAND\n/);
        expect(own.stdout).toContain(String((await inspect(name)).State.Pid));
        await call("stop", name);
        expect(await call("top", name)).toMatchObject({ code: 1, stderr: expect.stringMatching(/is not running/) });
      });
    });

    test("events: filters and formats", async () => {
      await withRunning("eventful", ["-l", "kind=e"], async (name) => {
        const { Id } = await inspect(name);
        await call("stop", name);
        const list = async (...argv: string[]) =>
          (await call("events", "--since", "1h", "--until", new Date().toISOString(), ...argv)).stdout
            .split("\n")
            .filter(Boolean);
        const mine = ["--filter", `container=${name}`];
        const actions = ["create", "start", "kill", "die", "stop"];
        expect(await list(...mine, "--format", "{{.Action}}")).toEqual(actions);
        expect(
          await list(...mine, "--filter", "event=start", "--filter", "event=die", "--format", "{{.Action}}"),
        ).toEqual(["start", "die"]);
        expect(await list(...mine, "--filter", "type=network")).toEqual([]);
        expect(
          await list(
            "--filter",
            "label=kind=e",
            "--filter",
            `container=${Id.slice(0, 12)}`,
            "--format",
            "{{.Actor.ID}}",
          ),
        ).toEqual(actions.map(() => Id));
        const [line] = await list(...mine, "--filter", "event=die");
        expect(line).toMatch(
          new RegExp(
            `^\\d{4}-\\S+ container die ${Id} \\(execDuration=\\d+, exitCode=3, image=${image}, kind=e, name=${name}\\)$`,
          ),
        );
        const json = JSON.parse((await list(...mine, "--filter", "event=start", "--format", "json"))[0]!);
        expect(json).toMatchObject({
          Type: "container",
          Action: "start",
          scope: "local",
          status: "start",
          id: Id,
          from: image,
        });
        expect(json.timeNano).toBeGreaterThan(json.time * 1e9 - 1);
      });
    });

    test("prune takes what does not run, by label and age", async () => {
      const label = named("prune");
      for (const kind of ["a", "b"])
        await call("create", "-l", `${label}=${kind}`, "--name", `${label}-${kind}`, image, "true");
      await withRunning("survivor", ["-l", label], async (name) => {
        expect(
          await call("container", "prune", "-f", "--filter", `label=${label}`, "--filter", "until=1h"),
        ).toMatchObject({
          code: 0,
          stdout: "Total reclaimed space: 0B\n",
        });
        const first = await call("container", "prune", "-f", "--filter", `label=${label}=a`);
        expect(first.stdout).toMatch(/^Deleted Containers:\n[0-9a-f]{64}\n\nTotal reclaimed space: /);
        await call("container", "prune", "-f", "--filter", `label=${label}`);
        expect((await call("ps", "-a", "--filter", `label=${label}`, "--format", "{{.Names}}")).stdout).toBe(
          `${name}\n`,
        );
        expect((await call("container", "prune", "-f", "--filter", "nosuch=1")).stderr).toContain(
          "invalid filter 'nosuch'",
        );
      });
    });

    test("leaves no container behind", async () => {
      expect((await call("ps", "-aq")).stdout).toBe("");
    });
  }

  test("a removal under way is not begun twice, and racing starts start once", async () => {
    await server.cli(["create", "--name", "raced", image, "sleep", "1000"]);
    const starts = await Promise.all([1, 2, 3, 4].map(() => request("POST", "/containers/raced/start")));
    expect(starts.map((one) => one.status).sort()).toEqual([204, 304, 304, 304]);
    const stops = await Promise.all([1, 2, 3].map(() => request("POST", "/containers/raced/stop?t=0")));
    expect(stops.every((one) => [204, 304].includes(one.status))).toBe(true);
    const removals = await Promise.all([1, 2, 3].map(() => request("DELETE", "/containers/raced?force=1")));
    expect(removals.filter((one) => one.status === 204)).toHaveLength(1);
    expect(removals.every((one) => [204, 404, 409].includes(one.status))).toBe(true);
    expect(await (await request("POST", "/containers/raced/start")).status).toBe(404);
  });

  test("inspect has Docker's fields", async () => {
    await server.cli(["run", "-d", "--name", "shape", "-v", "/somewhere", image, "sleep", "1000"]);
    const answer = (await (await request("GET", "/containers/shape/json?size=1")).json()) as Record<string, unknown>;
    const kinds = (value: unknown): unknown => {
      if (value === null) return "null";
      if (Array.isArray(value)) return "list";
      return typeof value;
    };
    const shape = (value: object) => Object.fromEntries(Object.entries(value).map(([key, one]) => [key, kinds(one)]));
    expect(shape(answer)).toEqual({
      Id: "string",
      Created: "string",
      Path: "string",
      Args: "list",
      State: "object",
      Image: "string",
      ResolvConfPath: "string",
      HostnamePath: "string",
      HostsPath: "string",
      LogPath: "string",
      Name: "string",
      RestartCount: "number",
      Driver: "string",
      Platform: "string",
      MountLabel: "string",
      ProcessLabel: "string",
      AppArmorProfile: "string",
      ExecIDs: "null",
      HostConfig: "object",
      GraphDriver: "object",
      SizeRw: "number",
      SizeRootFs: "number",
      Mounts: "list",
      Config: "object",
      NetworkSettings: "object",
    });
    const { State, Config, HostConfig, NetworkSettings, Mounts } = answer as Record<string, Record<string, unknown>>;
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/);
    expect(State).toEqual({
      Status: "running",
      Running: true,
      Paused: false,
      Restarting: false,
      OOMKilled: false,
      Dead: false,
      Pid: expect.any(Number),
      ExitCode: 0,
      Error: "",
      StartedAt: time,
      FinishedAt: "0001-01-01T00:00:00Z",
    });
    expect(Config).toEqual({
      Hostname: (answer.Id as string).slice(0, 12),
      Domainname: "",
      User: "",
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: false,
      Tty: false,
      OpenStdin: false,
      StdinOnce: false,
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      Cmd: ["sleep", "1000"],
      Image: image,
      Volumes: { "/somewhere": {} },
      WorkingDir: "",
      Entrypoint: null,
      OnBuild: null,
      Labels: {},
    });
    expect(Object.keys(HostConfig!).sort()).toEqual(hostConfigFields);
    expect(HostConfig).toMatchObject({
      NetworkMode: "bridge",
      RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
      LogConfig: { Type: "json-file", Config: {} },
      IpcMode: "private",
      ShmSize: 67108864,
      PortBindings: {},
      AutoRemove: false,
      Privileged: false,
      PidsLimit: null,
      OomKillDisable: null,
    });
    expect(Object.keys(NetworkSettings!).sort()).toEqual([
      "Bridge",
      "EndpointID",
      "Gateway",
      "GlobalIPv6Address",
      "GlobalIPv6PrefixLen",
      "HairpinMode",
      "IPAddress",
      "IPPrefixLen",
      "IPv6Gateway",
      "LinkLocalIPv6Address",
      "LinkLocalIPv6PrefixLen",
      "MacAddress",
      "Networks",
      "Ports",
      "SandboxID",
      "SandboxKey",
      "SecondaryIPAddresses",
      "SecondaryIPv6Addresses",
    ]);
    const network = (NetworkSettings!.Networks as Record<string, Record<string, unknown>>).bridge!;
    expect(Object.keys(network).sort()).toEqual([
      "Aliases",
      "DNSNames",
      "DriverOpts",
      "EndpointID",
      "Gateway",
      "GlobalIPv6Address",
      "GlobalIPv6PrefixLen",
      "GwPriority",
      "IPAMConfig",
      "IPAddress",
      "IPPrefixLen",
      "IPv6Gateway",
      "Links",
      "MacAddress",
      "NetworkID",
    ]);
    expect(network.NetworkID).toMatch(/^[0-9a-f]{64}$/);
    expect(network.EndpointID).toMatch(/^[0-9a-f]{64}$/);
    expect(Mounts).toEqual([
      {
        Type: "volume",
        Name: expect.stringMatching(/^[0-9a-f]{64}$/),
        Source: expect.stringMatching(/\/_data$/),
        Destination: "/somewhere",
        Driver: "local",
        Mode: "",
        RW: true,
        Propagation: "",
      },
    ] as unknown as Record<string, unknown>);
    const listed = (await (await request("GET", "/containers/json?size=1")).json()) as Record<string, unknown>[];
    expect(shape(listed[0]!)).toEqual({
      Id: "string",
      Names: "list",
      Image: "string",
      ImageID: "string",
      Command: "string",
      Created: "number",
      Ports: "list",
      SizeRw: "number",
      SizeRootFs: "number",
      Labels: "object",
      State: "string",
      Status: "string",
      HostConfig: "object",
      NetworkSettings: "object",
      Mounts: "list",
    });
    await request("DELETE", "/containers/shape?force=1&v=1");
  });

  test("policies across a server that was killed", async () => {
    const run = (name: string, policy: string, ...command: string[]) =>
      server.cli(["run", "-d", "--name", name, "--restart", policy, image, ...command]);
    const sleep = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"];
    for (const policy of ["no", "always", "unless-stopped", "on-failure"]) {
      for (const state of ["running", "stopped", "lost"]) await run(`${state}-${policy}`, policy, ...sleep);
      await server.cli(["stop", "-t", "1", `stopped-${policy}`]);
    }
    const policies = ["no", "always", "unless-stopped", "on-failure"];
    const pids = new Map<string, number>();
    for (const policy of policies) {
      for (const state of ["running", "lost"])
        pids.set(`${state}-${policy}`, (await inspect(`${state}-${policy}`)).State.Pid);
    }
    await events.close();
    await server.kill9();
    // What ends while no server is there to see it.
    for (const policy of policies) process.kill(pids.get(`lost-${policy}`)!, "SIGKILL");
    await server.restart();
    events = await watchEvents(server);
    for (const policy of policies) {
      expect((await inspect(`running-${policy}`)).State).toMatchObject({
        Status: "running",
        Pid: pids.get(`running-${policy}`)!,
      });
    }
    const until = async (name: string, wanted: string) => {
      for (let tries = 0; tries < 100 && (await status(name)) !== wanted; tries++) await Bun.sleep(50);
      expect(`${name} ${await status(name)}`).toBe(`${name} ${wanted}`);
    };
    await until("stopped-no", "exited");
    await until("stopped-always", "running");
    await until("stopped-unless-stopped", "exited");
    await until("stopped-on-failure", "exited");
    await until("lost-no", "exited");
    expect((await inspect("lost-no")).State.ExitCode).toBe(137);
    await until("lost-always", "running");
    await until("lost-unless-stopped", "running");
    await until("lost-on-failure", "running");
    for (const policy of policies) {
      for (const state of ["running", "stopped", "lost"])
        await request("DELETE", `/containers/${state}-${policy}?force=1`);
    }
  });
});

/** Of Docker's API 1.51, on Linux. */
const hostConfigFields = [
  "AutoRemove",
  "Binds",
  "BlkioDeviceReadBps",
  "BlkioDeviceReadIOps",
  "BlkioDeviceWriteBps",
  "BlkioDeviceWriteIOps",
  "BlkioWeight",
  "BlkioWeightDevice",
  "CapAdd",
  "CapDrop",
  "Cgroup",
  "CgroupParent",
  "CgroupnsMode",
  "ConsoleSize",
  "ContainerIDFile",
  "CpuCount",
  "CpuPercent",
  "CpuPeriod",
  "CpuQuota",
  "CpuRealtimePeriod",
  "CpuRealtimeRuntime",
  "CpuShares",
  "CpusetCpus",
  "CpusetMems",
  "DeviceCgroupRules",
  "DeviceRequests",
  "Devices",
  "Dns",
  "DnsOptions",
  "DnsSearch",
  "ExtraHosts",
  "GroupAdd",
  "IOMaximumBandwidth",
  "IOMaximumIOps",
  "IpcMode",
  "Isolation",
  "Links",
  "LogConfig",
  "MaskedPaths",
  "Memory",
  "MemoryReservation",
  "MemorySwap",
  "MemorySwappiness",
  "NanoCpus",
  "NetworkMode",
  "OomKillDisable",
  "OomScoreAdj",
  "PidMode",
  "PidsLimit",
  "PortBindings",
  "Privileged",
  "PublishAllPorts",
  "ReadonlyPaths",
  "ReadonlyRootfs",
  "RestartPolicy",
  "Runtime",
  "SecurityOpt",
  "ShmSize",
  "UTSMode",
  "Ulimits",
  "UsernsMode",
  "VolumeDriver",
  "VolumesFrom",
];
