/** `exec` from outside, with both clients. Terminals are in terminal.test.ts, confinement in confinement.test.ts. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Client,
  clients,
  describeNeeding,
  engineNeeds,
  type Lab,
  type Server,
  startLab,
  watchEvents,
} from "./harness/harness.ts";

// A test that takes longer is ended with everything that this process started, the server too.
setDefaultTimeout(60_000);

describeNeeding(...engineNeeds)("exec", () => {
  let lab: Lab;
  let server: Server;
  let image: string;
  beforeAll(async () => {
    lab = await startLab();
    ({ server, image } = lab);
    const flags = ["--name", "box", "-e", "FROM=container", "-w", "/tmp", "-h", "boxhost"];
    expect(await server.cli(["run", "-d", ...flags, image, "sleep", "10000"])).toMatchObject({ code: 0 });
  });
  afterAll(() => lab?.cleanup());

  const post = (path: string, body?: unknown) =>
    server.request(path, {
      method: "POST",
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    });

  for (const client of clients) describeNeeding(...client.needs)(`by ${client.name}`, () => behaviour(client));

  function behaviour(client: Client): void {
    const call = (argv: string[], options?: Parameters<Client["call"]>[2]) => client.call(server, argv, options);
    const exec = (...words: string[]) => call(["exec", ...words]);

    test("has the command's exit code", async () => {
      for (const code of [0, 1, 42, 125, 126, 127, 255]) {
        expect(await exec("box", "sh", "-c", `exit ${code}`)).toMatchObject({ code });
      }
      expect(await exec("box", "sh", "-c", "kill -KILL $$")).toMatchObject({ code: 137 });
      expect(await exec("box", "sh", "-c", "kill -TERM $$")).toMatchObject({ code: 143 });
    });

    test("127 for a command that is not there, 126 for one that cannot be executed", async () => {
      for (const [command, code, words] of [
        ["no-such-command", 127, /executable file not found in \$PATH|no such file/i],
        ["/no/such/file", 127, /no such file/i],
        ["/etc/passwd", 126, /permission denied/i],
        ["/etc", 126, /permission denied|is a directory/i],
      ] as const) {
        const result = await exec("box", command);
        expect(result.code).toBe(code);
        expect(result.stdout + result.stderr).toMatch(/OCI runtime exec failed/);
        expect(result.stdout + result.stderr).toMatch(words);
        expect(result.stdout + result.stderr).toContain(command);
      }
    });

    test("stdout and stderr stay apart", async () => {
      expect(await exec("box", "sh", "-c", "echo out; echo err >&2")).toEqual({
        code: 0,
        stdout: "out\n",
        stderr: "err\n",
      });
    });

    test("-i passes what is piped in, every time; without it nothing is read", async () => {
      for (let round = 0; round < 40; round++) {
        const result = await call(["exec", "-i", "box", "cat"], { stdin: `x${round}\n` });
        expect(result).toEqual({ code: 0, stdout: `x${round}\n`, stderr: "" });
      }
      expect(await call(["exec", "box", "cat"], { stdin: "not for it" })).toMatchObject({ code: 0, stdout: "" });
      expect(await call(["exec", "-i", "box", "wc", "-c"], { stdin: "" })).toMatchObject({ stdout: "0\n" });
    });

    test("large input and output come whole", async () => {
      const data = Buffer.alloc(8 << 20);
      for (let at = 0; at < data.length; at += 4) data.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);
      const sum = createHash("sha256").update(data).digest("hex");
      expect(await call(["exec", "-i", "box", "sha256sum"], { stdin: data })).toMatchObject({ stdout: `${sum}  -\n` });
      const child = server.spawn(client.name, ["exec", "-i", "box", "cat"], data);
      expect(
        createHash("sha256")
          .update(await child.stdout.bytes())
          .digest("hex"),
      ).toBe(sum);
      expect(await child.exited).toBe(0);
    });

    test("the end of input is not the end of output", async () => {
      const running = server.live(client.name, ["exec", "-i", "box", "sh", "-c", "cat; echo after"]);
      running.write("before\n");
      await running.see("before");
      running.closeInput();
      expect(await running.ended).toEqual({ code: 0, stdout: "before\nafter\n", stderr: "" });
    });

    test("a child that keeps the output open holds nothing back", async () => {
      const result = await exec("box", "sh", "-c", "sleep 3 & echo now");
      expect(result).toMatchObject({ code: 0, stdout: "now\n" });
    });

    test("-d starts it and returns", async () => {
      const events = await watchEvents(server, { container: ["box"] });
      expect(await exec("-d", "box", "sh", "-c", `echo done > /tmp/detached-${client.name}; exit 3`)).toEqual({
        code: 0,
        stdout: "",
        stderr: "",
      });
      const died = await events.until("container exec_die", "box");
      expect(died.Actor.Attributes).toMatchObject({ exitCode: "3" });
      expect((await exec("box", "cat", `/tmp/detached-${client.name}`)).stdout).toBe("done\n");
      await events.close();
    });

    test("-t: one stream, a terminal", async () => {
      expect(await exec("-t", "box", "sh", "-c", "tty; echo err >&2; exit 4")).toEqual({
        code: 4,
        stdout: expect.stringMatching(/^\/dev\/pts\/\d+\r\nerr\r\n$/),
        stderr: "",
      });
      expect(await exec("-it", "box", "true")).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("the input device is not a TTY"),
      });
    });

    test("environment, folder and user are the container's, or those that are asked for", async () => {
      expect((await exec("box", "sh", "-c", "echo $FROM $HOSTNAME $HOME; pwd; id -u")).stdout).toBe(
        "container boxhost /root\n/tmp\n0\n",
      );
      expect((await exec("-e", "FROM=exec", "-e", "MORE=x y", "box", "sh", "-c", 'echo "$FROM,$MORE"')).stdout).toBe(
        "exec,x y\n",
      );
      const file = join(server.home.path, `env-${client.name}`);
      writeFileSync(file, "# a comment\nFILE=1\n");
      expect((await exec("--env-file", file, "box", "sh", "-c", "echo $FILE")).stdout).toBe("1\n");
      expect((await exec("-w", "/var", "box", "pwd")).stdout).toBe("/var\n");
      expect((await exec("-u", "nobody", "box", "sh", "-c", "id -u; id -g; echo $HOME")).stdout).toBe(
        "65534\n65534\n/\n",
      );
      expect((await exec("-u", "12:34", "box", "sh", "-c", "id -u; id -g")).stdout).toBe("12\n34\n");
    });

    test("what cannot be is refused with its value", async () => {
      for (const [flags, words, code] of [
        [["-u", "no-such-user"], /unable to find user no-such-user: no matching entries in passwd file/, 126],
        [["-w", "relative"], /relative/, 1],
        [["-w", "/no/such/folder"], /\/no\/such\/folder|No such file or directory/, undefined],
        [["-e", "=x"], /invalid environment variable: =x/, 125],
      ] as const) {
        const result = await exec(...flags, "box", "true");
        expect(result.code).not.toBe(0);
        if (code !== undefined && client.name === "docker" && result.code !== code)
          expect(result).toMatchObject({ code });
        expect(result.stdout + result.stderr).toMatch(words);
      }
      expect(await exec("no-such-container", "true")).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("No such container: no-such-container"),
      });
    });

    test("--privileged gives every capability", async () => {
      const capabilities = "grep CapEff /proc/self/status";
      const usual = (await exec("box", "sh", "-c", capabilities)).stdout;
      const more = (await exec("--privileged", "box", "sh", "-c", capabilities)).stdout;
      expect(usual).toContain("00000000a80425fb");
      expect(BigInt(`0x${more.split("\t")[1]!.trim()}`)).toBeGreaterThan(0xa80425fbn);
      expect((await exec("box", "sh", "-c", "echo x > /proc/sys/kernel/hostname")).code).not.toBe(0);
    });

    test("in a paused, ended or removed container: refused", async () => {
      const name = `states-${client.name}`;
      await call(["run", "-d", "--name", name, image, "sleep", "1000"]);
      const { Id: prepared } = (await (await post(`/containers/${name}/exec`, { Cmd: ["true"] })).json()) as {
        Id: string;
      };
      await call(["pause", name]);
      expect(await exec(name, "true")).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/paused, unpause the container before exec/),
      });
      expect((await post(`/containers/${name}/exec`, { Cmd: ["true"] })).status).toBe(409);
      expect((await post(`/exec/${prepared}/start`, {})).status).toBe(409);
      await call(["unpause", name]);
      await call(["kill", name]);
      expect(await exec(name, "true")).toMatchObject({ code: 1, stderr: expect.stringMatching(/is not running/) });
      expect((await post(`/exec/${prepared}/start`, {})).status).toBe(409);
      await call(["rm", name]);
      expect((await post(`/exec/${prepared}/start`, {})).status).toBe(404);
      expect((await server.request(`/exec/${prepared}/json`)).status).toBe(404);
    });

    test("ends with its container", async () => {
      const name = `ending-${client.name}`;
      await call(["run", "-d", "--name", name, image, "sleep", "1000"]);
      const running = server.live(client.name, ["exec", name, "sh", "-c", "echo ready; sleep 1000"]);
      await running.see("ready");
      await call(["rm", "-f", name]);
      expect((await running.ended).code).not.toBe(0);
    });

    test("many at a time", async () => {
      const results = await Promise.all(
        Array.from({ length: 12 }, (_, at) => exec("box", "sh", "-c", `echo ${at}; exit ${at}`)),
      );
      expect(results.map(({ code, stdout }) => ({ code, stdout }))).toEqual(
        results.map((_, at) => ({ code: at, stdout: `${at}\n` })),
      );
    });
  }

  describe("seen by the API", () => {
    test("inspection before, during and after", async () => {
      const config = {
        Cmd: ["sh", "-c", "read line; exit 9"],
        AttachStdin: true,
        AttachStdout: true,
        User: "nobody",
        Privileged: true,
      };
      const { Id } = (await (await post("/containers/box/exec", config)).json()) as { Id: string };
      const inspect = async () => (await (await server.request(`/exec/${Id}/json`)).json()) as Record<string, unknown>;
      const { Id: container, ExecIDs } = (await (await server.request("/containers/box/json")).json()) as {
        Id: string;
        ExecIDs: string[];
      };
      expect(ExecIDs).toContain(Id);
      expect(await inspect()).toEqual({
        ID: Id,
        Running: false,
        ExitCode: null,
        ProcessConfig: {
          tty: false,
          entrypoint: "sh",
          arguments: ["-c", "read line; exit 9"],
          privileged: true,
          user: "nobody",
        },
        OpenStdin: true,
        OpenStderr: false,
        OpenStdout: true,
        CanRemove: false,
        ContainerID: container,
        DetachKeys: "",
        Pid: 0,
      });
      const events = await watchEvents(server, { container: ["box"] });
      expect((await post(`/exec/${Id}/start`, { Detach: true })).status).toBe(200);
      await events.until("container exec_die", "box");
      // Detached, it has no input: `read` fails, the shell goes on.
      expect(await inspect()).toMatchObject({ Running: false, ExitCode: 9, CanRemove: false });
      expect((await post(`/exec/${Id}/start`, { Detach: true })).status).toBe(409);
      await events.close();
    });

    test("events, with Docker's attributes", async () => {
      const events = await watchEvents(server, { container: ["box"] });
      await server.cli(["exec", "box", "sh", "-c", "exit 5"]);
      await events.until("container exec_die", "box");
      const seen = events.seen.map(({ Action, Actor }) => [Action, Actor.Attributes]);
      const common = { execID: expect.stringMatching(/^[0-9a-f]{64}$/), image, name: "box" };
      expect(seen).toEqual([
        ["exec_create: sh -c exit 5", common],
        ["exec_start: sh -c exit 5", common],
        ["exec_die", { ...common, exitCode: "5" }],
      ]);
      await events.close();
    });

    test("no command, no such exec, no such container", async () => {
      expect((await post("/containers/box/exec", {})).status).toBe(400);
      expect((await post("/containers/nobody/exec", { Cmd: ["true"] })).status).toBe(404);
      expect((await post(`/exec/${"0".repeat(64)}/start`, {})).status).toBe(404);
      expect((await server.request(`/exec/${"0".repeat(64)}/json`)).status).toBe(404);
      expect((await post(`/exec/${"0".repeat(64)}/resize?h=1&w=1`)).status).toBe(404);
    });
  });

  test("a server that was killed execs in the container that ran on", async () => {
    const running = server.live("gantry", ["exec", "box", "sh", "-c", "echo ready; sleep 10000"]);
    await running.see("ready");
    await server.kill9();
    expect((await running.ended).code).not.toBe(0);
    await server.restart();
    for (const client of clients) {
      if (client.name === "docker" && client.needs.some((need) => Bun.which(need) === null)) continue;
      const result = await client.call(server, ["exec", "-i", "box", "sh", "-c", "cat; exit 6"], { stdin: "in\n" });
      expect(result).toEqual({ code: 6, stdout: "in\n", stderr: "" });
    }
    expect(await server.cli(["stop", "-t", "1", "box"])).toMatchObject({ code: 0 });
    expect(await server.cli(["rm", "box"])).toMatchObject({ code: 0 });
  });
});
