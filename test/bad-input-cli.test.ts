/** What a person types wrong: the value, the near name, and the stock client's exit code. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  cleanEnvironment,
  describeNeeding,
  engineNeeds,
  eventually,
  find,
  gantry,
  type Lab,
  run,
  type Server,
  startLab,
} from "./harness/harness.ts";

/** IMAGE stands for one that is there; `up` is a container that runs. `near` is what is meant. */
const cases: { argv: string; code: number; says: string; near?: string }[] = [
  { argv: "frob", code: 1, says: "unknown command: gantry frob" },
  { argv: "runn", code: 1, says: "unknown command: gantry runn", near: "gantry run" },
  { argv: "container frob", code: 1, says: "unknown command: gantry container frob" },
  { argv: "image pul", code: 1, says: "unknown command: gantry image pul", near: "gantry image pull" },
  { argv: "volume frob", code: 1, says: "unknown command: gantry volume frob" },
  { argv: "--frob ps", code: 125, says: "unknown flag: --frob" },
  { argv: "ps --al", code: 125, says: "unknown flag: --al", near: "--all" },
  { argv: "run --nam x IMAGE", code: 125, says: "unknown flag: --nam", near: "--name" },
  { argv: "exec --frob up ls", code: 125, says: "unknown flag: --frob" },
  { argv: "ps -y", code: 125, says: "unknown shorthand flag: 'y' in -y" },
  { argv: "run", code: 1, says: "requires at least 1 argument" },
  { argv: "exec up", code: 1, says: "requires at least 2 arguments" },
  { argv: "logs", code: 1, says: "requires 1 argument" },
  { argv: "ps x", code: 1, says: "accepts no arguments" },
  { argv: "tag x", code: 1, says: "requires 2 arguments" },
  { argv: "images a b", code: 1, says: "requires at most 1 argument" },
  { argv: "run --name", code: 125, says: "flag needs an argument: --name" },

  { argv: "run --memory lots IMAGE", code: 125, says: "invalid size: 'lots'" },
  { argv: "run --memory 1k IMAGE", code: 125, says: "Minimum memory limit allowed is 6MB" },
  { argv: "run --cpus many IMAGE", code: 125, says: "many" },
  { argv: "run --shm-size x IMAGE", code: 125, says: "invalid size: 'x'" },
  { argv: "run --pids-limit x IMAGE", code: 125, says: 'parsing "x": invalid syntax' },
  { argv: "run --ulimit nope=1 IMAGE", code: 125, says: "invalid ulimit type: nope" },
  { argv: "run --cpuset-cpus a IMAGE", code: 125, says: "Invalid value a for cpuset cpus" },
  { argv: "run --name a/b IMAGE", code: 125, says: "Invalid container name (a/b)" },
  { argv: "run -p 99999999:80 IMAGE", code: 125, says: "invalid hostPort: 99999999" },
  { argv: "run -p a:b:c:d IMAGE", code: 125, says: "a:b" },
  { argv: "run -p 80:x IMAGE", code: 125, says: "invalid containerPort: x" },
  { argv: "run --expose x IMAGE", code: 125, says: "invalid range format for --expose: x" },
  { argv: "run -v a:b:c:d IMAGE", code: 125, says: "a:b:c:d" },
  { argv: "run -v a:b IMAGE", code: 125, says: "'a:b' mount path must be absolute" },
  { argv: "run -v /x:/ IMAGE", code: 125, says: "destination can't be '/'" },
  { argv: "run --mount frob IMAGE", code: 125, says: "invalid field 'frob' must be a key=value pair" },
  { argv: "run --mount type=frob,target=/x IMAGE", code: 125, says: "frob" },
  { argv: "run --mount type=bind,source=/no/such,target=/x IMAGE", code: 125, says: "/no/such" },
  { argv: "run --tmpfs /x:frob IMAGE", code: 125, says: "frob" },
  { argv: "run -e =x IMAGE", code: 125, says: "invalid environment variable: =x" },
  { argv: "run --env-file /no/such IMAGE", code: 125, says: "open /no/such: no such file or directory" },
  { argv: "run --cidfile /etc/passwd IMAGE", code: 125, says: "delete /etc/passwd" },
  { argv: "run --restart sometimes IMAGE", code: 125, says: "unknown policy 'sometimes'" },
  { argv: "run --rm --restart always IMAGE", code: 125, says: "cannot specify both --restart and --rm" },
  { argv: "run --pull sometimes IMAGE", code: 125, says: "invalid pull option: 'sometimes'" },
  { argv: "run --stop-signal NOPE IMAGE", code: 125, says: "Invalid signal: NOPE" },
  { argv: "run --log-driver frob IMAGE", code: 125, says: "no log driver named 'frob'" },
  { argv: "run --cap-add NOPE IMAGE", code: 125, says: "CAP_NOPE" },
  { argv: "run --security-opt frob IMAGE", code: 125, says: 'Invalid --security-opt: "frob"' },
  { argv: "run --sysctl kernel.sysrq=1 IMAGE", code: 125, says: "kernel.sysrq=1" },
  { argv: "run --dns frob IMAGE", code: 125, says: "frob" },
  { argv: "run --add-host frob IMAGE", code: 125, says: 'bad format for add-host: "frob"' },
  { argv: "run --mac-address frob IMAGE", code: 125, says: "frob is not a valid mac address" },
  { argv: "run --network no-such IMAGE", code: 125, says: "network no-such not found" },
  { argv: "run --network container:no-such IMAGE", code: 125, says: "No such container: no-such" },
  { argv: "run --user no-such IMAGE", code: 125, says: "unable to find user no-such" },
  { argv: "run --workdir rel IMAGE", code: 125, says: "the working directory 'rel' is invalid" },
  { argv: "run --gpus all IMAGE", code: 125, says: "--gpus" },
  { argv: "run UPPER", code: 125, says: "must be lowercase" },
  { argv: "run a:b:c", code: 125, says: "invalid reference format" },
  { argv: "create --name up IMAGE", code: 1, says: 'The container name "/up" is already in use' },

  { argv: "exec no-such ls", code: 1, says: "No such container: no-such" },
  { argv: "exec -w rel up ls", code: 1, says: "'rel'" },
  { argv: "exec -u no-such up ls", code: 126, says: "unable to find user no-such" },
  { argv: "exec up no-such-command", code: 127, says: "no-such-command" },
  { argv: "exec up /etc/passwd", code: 126, says: "/etc/passwd" },
  { argv: "rm no-such", code: 1, says: "No such container: no-such" },
  { argv: "rm up", code: 1, says: "container is running" },
  { argv: "start no-such", code: 1, says: "No such container: no-such" },
  { argv: "stop -t x up", code: 125, says: 'parsing "x": invalid syntax' },
  { argv: "kill -s NOPE up", code: 1, says: "Invalid signal: NOPE" },
  { argv: "rename up a/b", code: 1, says: "Invalid container name (a/b)" },
  { argv: "logs --since frob up", code: 1, says: '"frob"' },
  { argv: "port up x", code: 1, says: "invalid port (x)" },
  { argv: "port up 80", code: 1, says: "No public port '80' published for up" },
  { argv: "unpause up", code: 1, says: "is not paused" },
  { argv: "ps --filter frob", code: 125, says: "bad format of filter (expected name=value)" },
  { argv: "ps --filter frob=x", code: 1, says: "invalid filter 'frob'" },
  { argv: "ps --format {{", code: 1, says: "unclosed action" },
  { argv: "ps --format {{.Frob}}", code: 1, says: ".Frob" },
  { argv: "inspect no-such", code: 1, says: "No such object: no-such" },
  { argv: "inspect --type frob up", code: 1, says: 'unknown type: "frob"' },
  { argv: "inspect --format {{ up", code: 64, says: "unclosed action" },
  { argv: "pull a:b:c", code: 1, says: "invalid reference format" },
  { argv: "tag IMAGE UPPER", code: 1, says: "must be lowercase" },
  { argv: "rmi no-such", code: 1, says: "No such image: no-such:latest" },
  { argv: "history no-such", code: 1, says: "No such image: no-such:latest" },
  { argv: "events --since frob", code: 1, says: '"frob"' },
  { argv: "volume create a/b", code: 1, says: '"a/b" includes invalid characters' },
  { argv: "volume rm no-such", code: 1, says: "get no-such: no such volume" },
  { argv: "network inspect no-such", code: 1, says: "network no-such not found" },
  { argv: "-l frob ps", code: 1, says: "Unable to parse logging level: frob" },
];

describeNeeding(...engineNeeds)("typed wrong", () => {
  let lab: Lab;
  let server: Server;
  let pid: number | undefined;
  let before: string[];
  beforeAll(async () => {
    lab = await startLab({ args: ["--supervisor-pool", "0"] });
    ({ server } = lab);
    expect(await server.cli(["run", "-d", "--name", "up", lab.image, "sleep", "1000"])).toMatchObject({ code: 0 });
    pid = server.pid;
    before = made();
  }, 60_000);
  afterAll(() => lab?.cleanup(), 60_000);

  function made(): string[] {
    const folders = ["containers", "volumes", "snapshots/snapshots"].map((name) => join(server.dataRoot, name));
    return folders.flatMap((folder) => (existsSync(folder) ? readdirSync(folder) : []));
  }

  for (const { argv, code, says, near } of cases) {
    test(argv, async () => {
      const words = argv.split(" ").map((word) => (word === "IMAGE" ? lab.image : word));
      const result = await server.cli(words);
      expect(result.code).toBe(code);
      // What inspect did not find is an empty list; what exec could not start comes over its output, as from dockerd.
      if (!/^(network )?inspect |^exec /.test(argv)) expect(result.stdout).toBe("");
      expect(argv.startsWith("exec ") ? result.stdout + result.stderr : result.stderr).toContain(says);
      if (near !== undefined)
        expect(result.stderr).toContain(`Did you mean ${near.startsWith("-") ? near : `'${near}'`}?`);
      // An image that is there is not looked for anywhere else.
      expect(result.stderr).not.toContain("Unable to find image");
      if (find("docker") !== undefined) {
        const stock = await server.docker(words);
        expect(`docker: ${stock.code}`).toBe(`docker: ${code}`);
        expect(stock.stderr).not.toContain("Unable to find image");
      }
      // docker run leaves a container behind that was created and could not be started.
      for (const id of (await server.cli(["ps", "-aq", "--filter", "status=created"])).stdout
        .split("\n")
        .filter(Boolean)) {
        expect(argv).toStartWith("run ");
        await server.cli(["rm", id]);
      }
      // Folders go behind the answer.
      await eventually(() => expect(made()).toEqual(before));
      expect(server.pid).toBe(pid!);
    });
  }

  describe("in the configuration", () => {
    const environments: [what: string, env: Record<string, string>, argv: string[], says: string][] = [
      ["an API version that is none", { DOCKER_API_VERSION: "frob" }, ["ps"], "frob"],
      ["an API version that is too old", { DOCKER_API_VERSION: "1.12" }, ["ps"], "1.12"],
      ["a context that is not there", { DOCKER_CONTEXT: "no-such" }, ["ps"], "no-such"],
      ["a host of no kind", { DOCKER_HOST: "frob://x" }, ["ps"], "frob"],
      ["a host that is not there", { DOCKER_HOST: "unix:///no/such.sock" }, ["ps"], "unix:///no/such.sock"],
    ];
    for (const [what, env, argv, says] of environments) {
      test(what, async () => {
        const host = "DOCKER_API_VERSION" in env ? { DOCKER_HOST: server.host } : {};
        const result = await run([...gantry, ...argv], {
          env: cleanEnvironment({ HOME: server.home.path, ...host, ...env }),
        });
        expect(result).toMatchObject({ code: 1, stdout: "" });
        expect(result.stderr).toContain(says);
      });
    }
  });
});
