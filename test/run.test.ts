/** `run` from outside: exit codes, streams, names and files, with both clients. The flags have run-flags.test.ts. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Client,
  clients,
  describeNeeding,
  engineNeeds,
  gantry,
  type Lab,
  program,
  run,
  type Server,
  startLab,
  watchEvents,
} from "./harness/harness.ts";

// A test that takes longer is ended with everything that this process started, the server too.
setDefaultTimeout(60_000);

describeNeeding(...engineNeeds)("run", () => {
  let lab: Lab;
  let server: Server;
  let image: string;
  beforeAll(async () => {
    lab = await startLab();
    ({ server, image } = lab);
  }, 60_000);
  afterAll(() => lab?.cleanup(), 60_000);

  for (const client of clients) describeNeeding(...client.needs)(`by ${client.name}`, () => behaviour(client));

  function behaviour(client: Client): void {
    const call = (argv: string[], options?: Parameters<Client["call"]>[2]) => client.call(server, argv, options);
    const shell = (script: string, ...flags: string[]) => call(["run", "--rm", ...flags, image, "sh", "-c", script]);
    const refusal = (code: number) => ({ code, stdout: "" });
    const nothingLeft = async () => expect((await call(["ps", "-aq"])).stdout).toBe("");

    describe("exit codes", () => {
      test("are the command's own", async () => {
        for (const code of [0, 1, 42, 125, 126, 127, 255]) expect(await shell(`exit ${code}`)).toMatchObject({ code });
      });

      test("are 128 and the signal for a command that a signal ended", async () => {
        // A namespace's first process cannot be ended by a signal of its own.
        expect(await shell("kill -KILL $$", "--init")).toMatchObject({ code: 137 });
        expect(await shell("kill -TERM $$", "--init")).toMatchObject({ code: 143 });
      });

      test("127 and Docker's text for a command that is not there, and nothing is left", async () => {
        for (const command of ["no-such-command", "/no/such/file"]) {
          const result = await call(["run", "--rm", image, command]);
          expect(result).toMatchObject(refusal(127));
          expect(result.stderr).toContain("Error response from daemon: failed to create task for container: ");
          expect(result.stderr).toContain(command);
          expect(result.stderr).toMatch(/no such file or directory|executable file not found in \$PATH/i);
        }
        await nothingLeft();
      });

      test("126 for one that cannot be executed, and nothing is left", async () => {
        for (const command of ["/etc/passwd", "/etc"]) {
          const result = await call(["run", "--rm", image, command]);
          expect(result).toMatchObject(refusal(126));
          expect(result.stderr).toMatch(/permission denied|is a directory/i);
        }
        await nothingLeft();
      });

      test("125 for what the engine refuses", async () => {
        for (const [flags, words] of [
          [["--memory", "1k"], "Minimum memory limit allowed is 6MB"],
          [["--user", "nobody-there"], "unable to find user nobody-there: no matching entries in passwd file"],
          [["--no-such-flag"], "unknown flag: --no-such-flag"],
          [["--network", "no-such-network"], "network no-such-network not found"],
        ] as const) {
          const result = await call(["run", "--rm", ...flags, image, "true"]);
          expect(result).toMatchObject(refusal(125));
          expect(result.stderr).toContain(words);
        }
        await nothingLeft();
      });
    });

    describe("streams", () => {
      test("stdout and stderr stay apart", async () => {
        expect(await shell("echo out; echo err >&2; echo out2; echo err2 >&2")).toEqual({
          code: 0,
          stdout: "out\nout2\n",
          stderr: "err\nerr2\n",
        });
      });

      test("-i passes what is piped in, every time, to the last byte", async () => {
        // Two at a time: alone they would take their time, more would need more of the machine.
        let next = 0;
        const lane = async () => {
          while (next < 200) {
            const at = next++;
            const result = await call(["run", "--rm", "-i", image, "cat"], { stdin: `x${at}\n` });
            expect(result).toEqual({ code: 0, stdout: `x${at}\n`, stderr: "" });
          }
        };
        await Promise.all([lane(), lane()]);
      }, 120_000);

      test("-i with a closed input ends at once", async () => {
        expect(await call(["run", "--rm", "-i", image, "cat"])).toEqual({ code: 0, stdout: "", stderr: "" });
        expect(await call(["run", "--rm", "-i", image, "wc", "-c"], { stdin: "" })).toMatchObject({ stdout: "0\n" });
      });

      test("descriptors that are not there at all hurt nobody", async () => {
        const words = [...(client.name === "gantry" ? gantry : [program("docker")]), "-H", server.host, "run", "--rm"];
        const without = (redirection: string, ...argv: string[]) =>
          run(["sh", "-c", `"$@" ${redirection}`, "sh", ...words, ...argv]);
        expect(await without("<&-", "-i", image, "cat")).toEqual({ code: 0, stdout: "", stderr: "" });
        expect(await without(">&-", image, "sh", "-c", "echo out; exit 3")).toMatchObject({ stdout: "" });
        expect(await without("2>&-", image, "sh", "-c", "echo out; echo err >&2")).toMatchObject({ stdout: "out\n" });
      });

      test("without -i the command reads nothing", async () => {
        expect(await call(["run", "--rm", image, "cat"], { stdin: "not for it\n" })).toEqual({
          code: 0,
          stdout: "",
          stderr: "",
        });
      });

      test("the end of input is not the end of output", async () => {
        const running = server.live(client.name, [
          "run",
          "--rm",
          "-i",
          image,
          "sh",
          "-c",
          "cat; echo after; sleep 0.2; echo late",
        ]);
        running.write("before\n");
        await running.see("before");
        running.closeInput();
        expect(await running.ended).toEqual({ code: 0, stdout: "before\nafter\nlate\n", stderr: "" });
      });

      test("input and output alternate", async () => {
        const running = server.live(client.name, [
          "run",
          "--rm",
          "-i",
          image,
          "sh",
          "-c",
          "while read line; do echo got $line; done",
        ]);
        for (let at = 0; at < 20; at++) {
          running.write(`${at}\n`);
          await running.see(`got ${at}\n`);
        }
        running.closeInput();
        expect((await running.ended).code).toBe(0);
      });

      test("a command that reads nothing ends although input is there", async () => {
        expect(await call(["run", "--rm", "-i", image, "true"], { stdin: Buffer.alloc(4 << 20, "x") })).toMatchObject({
          code: 0,
        });
      });

      test("large input arrives whole", async () => {
        const data = Buffer.alloc(8 << 20);
        for (let at = 0; at < data.length; at += 4) data.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
        const result = await call(["run", "--rm", "-i", image, "sha256sum"], { stdin: data });
        expect(result.stdout).toBe(`${createHash("sha256").update(data).digest("hex")}  -\n`);
      });

      test("bytes stay as they are", async () => {
        const all = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
        const child = spawn(["run", "--rm", "-i", image, "cat"], all);
        expect(Buffer.from(await child.stdout.bytes())).toEqual(all);
        expect(await child.exited).toBe(0);
      });

      test("50 MB of output come whole, with the end of both streams", async () => {
        const script = "head -c 52428800 /dev/zero; echo -n last; echo -n end >&2";
        const child = spawn(["run", "--rm", image, "sh", "-c", script]);
        let bytes = 0;
        let tail = "";
        for await (const chunk of child.stdout) {
          bytes += chunk.length;
          tail = (tail + Buffer.from(chunk.subarray(-4)).toString("latin1")).slice(-4);
        }
        expect({ bytes, tail }).toEqual({ bytes: 52_428_804, tail: "last" });
        expect(await child.stderr.text()).toBe("end");
        expect(await child.exited).toBe(0);
      }, 60_000);

      test("a slow reader gets everything", async () => {
        const child = spawn(["run", "--rm", image, "sh", "-c", "head -c 8388608 /dev/zero; echo -n last"]);
        let bytes = 0;
        let pauses = 0;
        for await (const chunk of child.stdout) {
          bytes += chunk.length;
          if (pauses++ < 40) await Bun.sleep(10);
        }
        expect(bytes).toBe((8 << 20) + 4);
        expect(await child.exited).toBe(0);
      }, 60_000);

      test("a reader that goes away does not hang the client", async () => {
        const words = client.name === "docker" ? "docker" : "gantry";
        const child = spawn(["run", "--rm", image, "sh", "-c", "yes | head -c 3000000"]);
        const reader = child.stdout.getReader();
        await reader.read();
        await reader.cancel();
        expect(`${words} ended with ${typeof (await child.exited)}`).toBe(`${words} ended with number`);
      }, 30_000);

      test("a container that ends at once shows all of its output", async () => {
        for (let round = 0; round < 30; round++) {
          expect(await call(["run", "--rm", image, "echo", `${round}`])).toEqual({
            code: 0,
            stdout: `${round}\n`,
            stderr: "",
          });
        }
      }, 30_000);

      test("a child that keeps the output open holds nothing back", async () => {
        // Its namespace's end takes the child with it.
        expect(await shell("(sleep 100; echo late) & echo now")).toEqual({ code: 0, stdout: "now\n", stderr: "" });
      });
    });

    describe("in the background", () => {
      test("-d prints the ID and leaves it running", async () => {
        const { code, stdout, stderr } = await call(["run", "-d", image, "sleep", "1000"]);
        expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
        expect(stdout).toMatch(/^[0-9a-f]{64}\n$/);
        expect((await call(["ps", "-q", "--no-trunc"])).stdout).toBe(stdout);
        expect(await call(["rm", "-f", stdout.trim()])).toMatchObject({ code: 0 });
      });

      test("-d with a command that is not there keeps the container, created", async () => {
        const name = `missing-${client.name}`;
        expect(await call(["run", "-d", "--name", name, image, "no-such-command"])).toMatchObject({ code: 127 });
        const { stdout } = await call([
          "inspect",
          "-f",
          "{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}",
          name,
        ]);
        expect(stdout).toMatch(/^created 127 failed to create task.*no-such-command/);
        await call(["rm", name]);
      });

      test("--rm removes it when it ends, and who waits gets its code", async () => {
        const events = await watchEvents(server);
        const { stdout } = await call(["run", "-d", "--rm", "-i", image, "sh", "-c", "read line; exit 7"]);
        const id = stdout.trim();
        // The head of the answer tells that it waits.
        const waiters = await Promise.all(
          ["removed", "next-exit", "not-running"].map((condition) =>
            server.request(`/containers/${id}/wait?condition=${condition}`, { method: "POST" }),
          ),
        );
        const attached = server.live(client.name, ["attach", id]);
        attached.write("go\n");
        for (const waiter of waiters) expect(await waiter.json()).toMatchObject({ StatusCode: 7 });
        await events.until("container destroy", id);
        expect((await attached.ended).code).toBe(7);
        expect((await server.request(`/containers/${id}/json`)).status).toBe(404);
        await events.close();
      });
    });

    describe("names and files", () => {
      test("--name taken: 125 with Docker's text", async () => {
        const name = `taken-${client.name}`;
        const { stdout } = await call(["create", "--name", name, image, "true"]);
        const result = await call(["run", "--name", name, image, "true"]);
        expect(result).toMatchObject(refusal(125));
        expect(result.stderr).toContain(
          `Error response from daemon: Conflict. The container name "/${name}" is already in use by container "${stdout.trim()}". ` +
            "You have to remove (or rename) that container to be able to reuse that name.",
        );
        await call(["rm", name]);
      });

      test("--name that is none: 125 with Docker's text", async () => {
        const result = await call(["run", "--name", "a/b", image, "true"]);
        expect(result).toMatchObject(refusal(125));
        expect(result.stderr).toContain("Invalid container name (a/b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
      });

      test("--cidfile holds the ID, and one that exists is not overwritten", async () => {
        const file = join(server.home.path, `cid-${client.name}`);
        const { stdout } = await call(["run", "-d", "--cidfile", file, image, "true"]);
        expect(readFileSync(file, "utf8")).toBe(stdout.trim());
        const again = await call(["run", "--rm", "--cidfile", file, image, "true"]);
        expect(again).toMatchObject(refusal(125));
        expect(again.stderr).toContain(
          `container ID file found, make sure the other container isn't running or delete ${file}`,
        );
        await call(["rm", "-f", stdout.trim()]);
        const unused = `${file}-unused`;
        await call(["run", "--rm", "--cidfile", unused, "--memory", "1k", image, "true"]);
        expect(existsSync(unused)).toBe(false);
      });
    });

    test("leaves no container behind", nothingLeft);

    function spawn(argv: string[], stdin?: Uint8Array) {
      return server.spawn(client.name, argv, stdin);
    }
  }
});
