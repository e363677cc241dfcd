/** Terminals: sizes, keys, signals, attaching; a person in front of each client. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import {
  type Client,
  clients,
  describeNeeding,
  engineNeeds,
  gantry,
  type Lab,
  type Pty,
  program,
  pty,
  type Server,
  startLab,
  watchEvents,
} from "./harness/harness.ts";

// A test that takes longer is ended with everything that this process started, the server too.
setDefaultTimeout(60_000);

const detach = "\x10\x11";
const interrupt = "\x03";

describeNeeding(...engineNeeds)("a terminal", () => {
  let lab: Lab;
  let server: Server;
  let image: string;
  beforeAll(async () => {
    lab = await startLab();
    ({ server, image } = lab);
  }, 60_000);
  afterAll(() => lab?.cleanup(), 60_000);

  test("detaching is the server's doing, too, and told as an event", async () => {
    const events = await watchEvents(server);
    const started = await server.cli(["run", "-dit", "--name", "told", image, "sh", "-c", "echo ready; cat"]);
    expect(started).toMatchObject({ code: 0 });
    expect(await detachOverApi(server, "told")).toMatch(/^HTTP\/1.1 101 [\s\S]*ready[\s\S]*typed/);
    await events.until("container detach", "told");
    await events.close();
    expect((await server.request("/containers/told?force=1", { method: "DELETE" })).status).toBe(204);
  });

  for (const client of clients) describeNeeding(...client.needs)(`of ${client.name}`, () => behaviour(client));

  function behaviour(client: Client): void {
    const call = (...argv: string[]) => client.call(server, argv);
    const open = (argv: string[], size?: { rows: number; columns: number }): Pty =>
      server.terminal(client.name, argv, size);
    const named = (name: string) => `${name}-${client.name}`;
    const running = async (name: string) => (await call("inspect", "-f", "{{.State.Status}}", name)).stdout.trim();
    /** Does something with a container and removes it whatever happens. */
    async function withContainer(
      name: string,
      flags: string[],
      command: string[],
      work: (name: string) => Promise<void>,
    ) {
      const full = named(name);
      const started = await call("run", "-d", "--name", full, ...flags, image, ...command);
      expect(started).toMatchObject({ code: 0 });
      try {
        await work(full);
      } finally {
        await call("rm", "-f", full);
      }
    }

    describe("size", () => {
      test("is set before the process starts", async () => {
        for (let round = 0; round < 8; round++) {
          const size = { rows: 30 + round, columns: 100 + round };
          const terminal = open(["run", "--rm", "-it", image, "stty", "size"], size);
          await terminal.see(`${size.rows} ${size.columns}`);
          expect(await terminal.ended).toBe(0);
        }
      });

      test("follows the window", async () => {
        const script = 'trap "stty size" WINCH; trap "exit 6" INT; echo ready; while :; do sleep 0.05; done';
        const terminal = open(["run", "--rm", "-it", image, "sh", "-c", script], { rows: 20, columns: 70 });
        await terminal.see("ready");
        await resized(terminal, 41);
        await resized(terminal, 12);
        terminal.type(interrupt);
        expect(await terminal.ended).toBe(6);
      });

      test("of an exec is its own", async () => {
        await withContainer("sized", [], ["sleep", "1000"], async (name) => {
          // The runtime lets an exec's process go at the moment when it sets the size.
          const sized = 'until stty size | grep "17 93"; do :; done';
          const terminal = open(["exec", "-it", name, "sh", "-c", sized], { rows: 17, columns: 93 });
          await terminal.see("17 93");
          expect(await terminal.ended).toBe(0);
          const script = 'trap "stty size" WINCH; echo ready; while :; do sleep 0.05; done';
          const following = open(["exec", "-it", name, "sh", "-c", script], { rows: 20, columns: 70 });
          await following.see("ready");
          await resized(following, 33);
          following.type(interrupt);
          expect(await following.ended).toBe(130);
        });
      });
    });

    describe("keys and bytes", () => {
      test("it is the process's own terminal, and its code comes through", async () => {
        const script = "tty; echo $TERM; echo from tty > /dev/tty; test -t 0 && test -t 1 && test -t 2 && exit 7";
        const terminal = open(["run", "--rm", "-it", image, "sh", "-c", script]);
        await terminal.see(/\/dev\/pts\/0\r\nxterm\r\nfrom tty\r\n/);
        expect(await terminal.ended).toBe(7);
      });

      test("a shell answers what is typed", async () => {
        const terminal = open(["run", "--rm", "-it", image]);
        await terminal.see("#");
        terminal.type("echo $((6 * 7)) answers\n");
        await terminal.see("42 answers");
        terminal.type("exit 9\n");
        expect(await terminal.ended).toBe(9);
      });

      test("Ctrl-C, Ctrl-D and others reach the process", async () => {
        const script = 'trap "echo caught" INT; echo ready; cat; echo after; cat; exit 5';
        const terminal = open(["run", "--rm", "-it", image, "sh", "-c", script]);
        await terminal.see("ready");
        terminal.type("typed\n");
        await terminal.see(/typed\r\ntyped/);
        terminal.type(interrupt);
        await terminal.see("caught");
        await terminal.see("after");
        terminal.type("\x04");
        expect(await terminal.ended).toBe(5);
      });

      test("-t without a terminal in front is refused, without -i it works", async () => {
        expect(await call("run", "--rm", "-it", image, "true")).toEqual({
          code: 1,
          stdout: "",
          stderr: expect.stringContaining("the input device is not a TTY"),
        });
        expect(await call("run", "--rm", "-t", image, "sh", "-c", "echo out; echo err >&2")).toEqual({
          code: 0,
          stdout: "out\r\nerr\r\n",
          stderr: "",
        });
      });

      test("the client's own terminal is as it was afterwards", async () => {
        const words = [...(client.name === "gantry" ? gantry : [program("docker")]), "-H", server.host];
        const quoted = (argv: string[]) => argv.map((word) => `'${word}'`).join(" ");
        const name = named("raw");
        const script = `stty -a; ${quoted([...words, "run", "-it", "--name", name, image, "cat"])}; echo "ended $?"; stty -a`;
        const terminal = pty(["sh", "-c", script], { env: { ...process.env, HOME: server.home.path } });
        const settings = (text: string) => text.slice(text.indexOf("speed")).replaceAll(/\s+/g, " ").trim();
        await terminal.see("-extproc");
        const before = settings(terminal.shown());
        terminal.type("raw\r");
        await terminal.see(/raw\r\nraw/);
        terminal.type(detach);
        await terminal.ended;
        const after = settings(terminal.shown().split("ended ")[1]!);
        expect(after).toBe(before.slice(0, after.length));
        expect(after).toContain(" icanon");
        await call("rm", "-f", name);
      });
    });

    describe("detaching", () => {
      for (const [what, flags, keys] of [
        ["by default", [], detach],
        ["by --detach-keys", ["--detach-keys", "ctrl-x,x"], "\x18x"],
        ["by a single key", ["--detach-keys", "Q"], "Q"],
      ] as const) {
        test(`${what} leaves the container running`, async () => {
          const name = named("detached");
          const terminal = open(["run", "-it", "--name", name, ...flags, image, "sh", "-c", "echo ready; cat"]);
          await terminal.see("ready");
          terminal.type(keys);
          expect(await terminal.ended).toBe(0);
          expect(await running(name)).toBe("running");
          await call("rm", "-f", name);
        });
      }

      test("by the keys of the configuration file", async () => {
        const folder = join(server.home.path, named("config"));
        mkdirSync(folder, { recursive: true });
        writeFileSync(join(folder, "config.json"), JSON.stringify({ detachKeys: "ctrl-e,e" }));
        const name = named("configured");
        const terminal = open(["--config", folder, "run", "-it", "--name", name, image, "sh", "-c", "echo ready; cat"]);
        await terminal.see("ready");
        terminal.type(`${detach}\x05e`);
        expect(await terminal.ended).toBe(0);
        expect(await running(name)).toBe("running");
        await call("rm", "-f", name);
      });

      test("keys that only begin so are passed on", async () => {
        const terminal = open([
          "run",
          "--rm",
          "-it",
          image,
          "sh",
          "-c",
          "stty raw -echo; echo ready; head -c 4 | od -An -tx1",
        ]);
        await terminal.see("ready");
        terminal.type("\x10a");
        terminal.type("\x10\x10");
        terminal.type("b");
        await terminal.see("10 61 10 10");
        expect(await terminal.ended).toBe(0);
      });

      test("from an exec leaves it running", async () => {
        await withContainer("exec-detach", [], ["sleep", "1000"], async (name) => {
          const terminal = open(["exec", "-it", name, "sh", "-c", "echo ready; cat"]);
          await terminal.see("ready");
          terminal.type(detach);
          await terminal.ended;
          expect((await call("top", name)).stdout).toContain("cat");
        });
      });
    });

    describe("attaching", () => {
      test("to a running shell, again and again", async () => {
        await withContainer("shell", ["-it"], ["sh"], async (name) => {
          for (let round = 0; round < 3; round++) {
            const terminal = open(["attach", name]);
            terminal.type(`echo round $((${round} + 100))\n`);
            await terminal.see(`round ${round + 100}`);
            terminal.type(detach);
            await terminal.ended;
            expect(await running(name)).toBe("running");
          }
        });
      });

      test("two see the same", async () => {
        await withContainer("two", ["-it"], ["sh"], async (name) => {
          const events = await watchEvents(server, { container: [name] });
          const first = open(["attach", name]);
          const second = open(["attach", name]);
          await events.until("container attach", name, 2);
          await events.close();
          first.type("echo one-$((1 + 1))\n");
          await Promise.all([first.see("one-2"), second.see("one-2")]);
          second.type("exit 3\n");
          expect(await first.ended).toBe(3);
          expect(await second.ended).toBe(3);
        });
      });

      test("takes the window's size", async () => {
        await withContainer("resized", ["-it"], ["sh"], async (name) => {
          const terminal = open(["attach", name], { rows: 28, columns: 111 });
          terminal.type("\n");
          await terminal.see("#");
          // The size comes by a request of its own: ask until it is there.
          terminal.type('until stty size | grep "28 111"; do :; done\n');
          await terminal.see(/\n28 111/);
          terminal.type(detach);
          await terminal.ended;
        });
      });

      test("--no-stdin only looks", async () => {
        await withContainer("looked", ["-i"], ["sh", "-c", "while read x; do echo got $x; done"], async (name) => {
          const events = await watchEvents(server, { container: [name] });
          const looking = server.live(client.name, ["attach", "--no-stdin", "--sig-proxy=false", name]);
          await events.until("container attach", name);
          await events.close();
          looking.write("unseen\n");
          const typing = server.live(client.name, ["attach", name]);
          typing.write("seen\n");
          await Promise.all([looking.see("got seen"), typing.see("got seen")]);
          expect(looking.stdout()).not.toContain("unseen");
          looking.kill("SIGKILL");
          typing.kill("SIGKILL");
          await Promise.all([looking.ended, typing.ended]);
          expect(await running(name)).toBe("running");
        });
      });

      test("to a stopped or paused container is refused", async () => {
        await withContainer("refused", [], ["sleep", "1000"], async (name) => {
          await call("pause", name);
          const paused = await call("attach", name);
          expect(paused.code).toBe(1);
          expect(paused.stderr).toContain("paused");
          await call("unpause", name);
          await call("kill", name);
          const stopped = await call("attach", name);
          expect(stopped.code).toBe(1);
          expect(stopped.stderr).toContain("cannot attach to a stopped container");
        });
      });
    });

    describe("signals", () => {
      const traps =
        'for s in INT TERM HUP USR1 USR2; do trap "echo got $s" $s; done; trap "exit 4" QUIT; echo ready; while :; do sleep 0.05; echo tick; done';

      test("are passed on without a terminal", async () => {
        const child = server.live(client.name, ["run", "--rm", image, "sh", "-c", traps]);
        await child.see("ready");
        for (const name of ["INT", "TERM", "HUP", "USR1", "USR2"] as const) {
          child.kill(`SIG${name}`);
          await child.see(`got ${name}`);
        }
        child.kill("SIGQUIT");
        expect((await child.ended).code).toBe(4);
      });

      test("are passed on by attach", async () => {
        await withContainer("signalled", [], ["sh", "-c", traps], async (name) => {
          const child = server.live(client.name, ["attach", name]);
          await child.see("tick");
          child.kill("SIGUSR1");
          await child.see("got USR1");
          child.kill("SIGQUIT");
          expect((await child.ended).code).toBe(4);
        });
      });

      test("end the client alone with --sig-proxy=false", async () => {
        const name = named("unproxied");
        const child = server.live(client.name, ["run", "--sig-proxy=false", "--name", name, image, "sh", "-c", traps]);
        await child.see("ready");
        // The stock client wants to be told three times.
        let over = false;
        void child.ended.then(() => {
          over = true;
        });
        while (!over) {
          child.kill("SIGTERM");
          await Bun.sleep(50);
        }
        expect(child.stdout()).not.toContain("got TERM");
        expect(await running(name)).toBe("running");
        await call("rm", "-f", name);
      });
    });

    test("leaves no container behind", async () => {
      expect((await call("ps", "-aq")).stdout).toBe("");
    });
  }
});

/** Resizes until the process tells of it: the stock client does not look at its window from the first moment on. */
async function resized(terminal: Pty, rows: number): Promise<void> {
  for (let columns = 100; !terminal.shown().includes(`\n${rows} `); columns = 201 - columns) {
    terminal.resize(rows, columns);
    await Promise.race([terminal.see(`\n${rows} `).catch(() => {}), Bun.sleep(500)]);
  }
}

/** What a client says that leaves the keys to the server. */
async function detachOverApi(server: Server, name: string): Promise<string> {
  const socket = connect(server.socket);
  let said = "";
  socket.on("data", (chunk) => {
    said += chunk.toString("latin1");
    if (said.includes("ready") && !said.includes("typed")) socket.write("typed");
    if (said.includes("typed")) socket.write(detach);
  });
  socket.write(
    `POST /v1.51/containers/${name}/attach?stream=1&stdin=1&stdout=1&logs=1 HTTP/1.1\r\nHost: x\r\n` +
      "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
  );
  await once(socket, "close");
  return said;
}
