/** The stock docker client against the fake engine: what people type, end to end through the API. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHarness, type Harness } from "./testing/harness.ts";

const docker = Bun.which("docker");
let harness: Harness;
beforeAll(async () => {
  harness = await createHarness();
});
afterAll(() => harness?.stop());

const environment = () => ({ ...process.env, DOCKER_HOST: `unix://${harness.path}`, DOCKER_CONFIG: harness.directory });

async function run(command: string[], input?: string | ((stdin: Bun.FileSink) => Promise<void>)) {
  const child = Bun.spawn(command, {
    stdin: input === undefined ? "ignore" : "pipe",
    stdout: "pipe",
    stderr: "pipe",
    env: environment(),
    timeout: 20_000,
    killSignal: "SIGKILL",
  });
  const stdin = child.stdin as Bun.FileSink | undefined;
  if (typeof input === "string") stdin?.write(input);
  else if (input && stdin) await input(stdin);
  stdin?.end();
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, code };
}
const client = (...args: string[]) => run([docker as string, ...args]);
/** Under a pseudo terminal. */
const terminal = (command: string, input?: (stdin: Bun.FileSink) => Promise<void>) =>
  run(["script", "-qec", `${docker} ${command}`, "/dev/null"], input);

describe.skipIf(!docker)("docker", () => {
  test("run: output on both streams, the exit code", async () => {
    expect(await client("run", "--rm", "bb", "both")).toEqual({ out: "out\n", err: "err\n", code: 0 });
    expect((await client("run", "--rm", "bb", "exit", "42")).code).toBe(42);
    expect(harness.engine.all.size).toBe(0);
  });

  test("run of what cannot be executed: 127", async () => {
    const { err, code } = await client("run", "--rm", "bb", "absent");
    expect(code).toBe(127);
    expect(err).toContain("Error response from daemon: exec:");
  });

  test("run -i: a pipe in and out, to its end", async () => {
    const text = "line\n".repeat(100_000);
    const { out, code } = await run([docker as string, "run", "--rm", "-i", "bb", "cat"], text);
    expect([out === text, code]).toEqual([true, 0]);
  });

  test("run: much output", async () => {
    expect((await client("run", "--rm", "bb", "flood", "5000000")).out.length).toBe(5_000_000);
  });

  test.skipIf(!Bun.which("script"))("run -t and -it under a terminal, detached by its keys", async () => {
    expect((await terminal("run --rm -t bb echo hello")).out).toContain("hello");
    const { out } = await terminal("run --name typed -it bb cat", async (stdin) => {
      while (![...harness.engine.all.values()].some(({ name, process }) => name === "typed" && process?.listeners)) {
        await Bun.sleep(5);
      }
      stdin.write("abc");
      await stdin.flush();
      while (harness.engine.all.size === 0) await Bun.sleep(5);
      await Bun.sleep(50);
      stdin.write("\x10\x11");
      await stdin.flush();
      await Bun.sleep(100);
    });
    expect(out).toContain("abc");
    const container = [...harness.engine.all.values()].find(({ name }) => name === "typed");
    expect(container?.running).toBe(true);
    expect((await client("kill", "typed")).code).toBe(0);
    expect((await client("rm", "typed")).code).toBe(0);
  });

  test("attach, exec, logs, stop, rm", async () => {
    expect((await client("run", "-d", "-i", "--name", "s", "bb", "cat")).code).toBe(0);
    expect((await client("exec", "s", "both")).out).toBe("out\n");
    const piped = await run([docker as string, "exec", "-i", "s", "cat"], "through\n");
    expect([piped.out, piped.code]).toEqual(["through\n", 0]);
    const failed = await client("exec", "s", "absent");
    expect(failed.code).toBe(127);
    expect(failed.out + failed.err).toContain("executable file not found");
    expect((await client("exec", "-d", "s", "echo")).code).toBe(0);
    expect((await client("attach", "--detach-keys", "nonsense", "s")).code).not.toBe(0);
    // Without StdinOnce the client's end of input ends the streams, and the client goes on to wait for the container.
    const attached = run([docker as string, "attach", "s"], "typed\n");
    const container = [...harness.engine.all.values()].find(({ name }) => name === "s");
    while (container?.records.length !== 1 || container.process?.listeners !== 0) await Bun.sleep(5);
    expect((await client("logs", "-t", "s")).out).toBe("2024-01-02T03:04:05.000000006Z typed\n");
    expect((await client("stop", "s")).out).toBe("s\n");
    expect((await attached).code).toBe(143);
    expect((await client("rm", "s")).code).toBe(0);
  });

  test("pull draws its progress", async () => {
    harness.engine.pulling = async (progress) => {
      progress({ status: "Pulling from library/bb", id: "latest" });
      progress({ status: "Downloading", id: "abc", progressDetail: { current: 1, total: 2 } });
      progress({ status: "Status: Downloaded newer image for bb:latest" });
    };
    const { out, code } = await client("pull", "bb");
    expect(code).toBe(0);
    expect(out).toContain("latest: Pulling from library/bb\n");
    expect(out).toContain("Status: Downloaded newer image for bb:latest\n");
    harness.engine.pulling = async (progress) => {
      progress({ status: "Pulling" });
      throw new Error("no space");
    };
    const failed = await client("pull", "bb");
    expect([failed.code, failed.err]).toEqual([1, "no space\n"]);
  });

  test("run pulls what is absent, and tells why it could not", async () => {
    harness.engine.pulling = async () => {
      throw new Error("pull access denied");
    };
    const { err, code } = await client("run", "absent", "x");
    expect(code).toBe(125);
    expect(err).toContain("Unable to find image 'absent:latest' locally");
    expect(err).toContain("pull access denied");
  });

  test("events", async () => {
    harness.engine.emit({
      Type: "container",
      Action: "start",
      Actor: { ID: "1", Attributes: { image: "bb", name: "c" } },
      scope: "local",
      time: 1700000000,
      timeNano: 1700000000000000000,
    });
    const { out } = await client(
      "events",
      "--since",
      "1h",
      "--until",
      "0s",
      "--format",
      "{{.Type}} {{.Action}} {{.ID}}",
    );
    expect(out).toBe("container start 1\n");
  });

  test("ps, inspect, images, info, version, network, volume", async () => {
    for (const command of ["ps -a", "images", "info", "version", "network ls", "volume ls", "plugin ls"]) {
      const { err, code } = await client(...command.split(" "));
      expect([command, code, err.includes("panic")]).toEqual([command, 0, false]);
    }
    expect((await client("inspect", "absent")).err).toContain("No such object: absent");
    expect((await client("node", "ls")).err).toContain("This node is not a swarm manager");
    expect((await client("stats", "--no-stream", "x")).code).not.toBe(0);
  });
});
