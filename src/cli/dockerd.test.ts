/**
 * Our client against Docker's on one dockerd: the same command line must print the same on both streams and end with the
 * same exit code.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { busyboxImage } from "../../test/harness/image.ts";
import { type Peer, startPeer } from "../../test/harness/peer.ts";
import { describeNeeding } from "../../test/harness/programs.ts";
import { pty } from "../../test/harness/pty.ts";
import { fakeRegistry, type TestRegistry } from "../../test/harness/registry.ts";
import { gantry } from "../../test/harness/server.ts";
import { words } from "./testing/words.ts";

const refused = `
run --foo
run
ps x
exec
exec --foo
exec x
rm
run -m abc bb
run -Z bb
run --name
run -e
run --rm=maybe bb
run --cpus x bb
run --memory 1k bb
run --stop-timeout x bb
run --health-interval x bb
run -p x bb
run -p 99999:80 bb
run -v a:b:c:d bb
run --mount x bb
run --mount type=foo,target=/x bb
run UPPER
run 'bb:@'
rename a
tag a
inspect
inspect nope
container inspect nope
logs
logs nope
logs --tail x nope
start nope nope2
stop -t x nope
ps --format '{{.Foo}}'
ps --format '{{'
ps --filter x
ps --filter foo=bar
images --filter x=y
images a b
rmi nope
wait nope
port nope
pull UPPER
history nope
top nope
kill nope
kill -s FOO nope
version foo
info foo
volume ls foo
volume foo
inspect --type foo x
events foo
rm -f nope
rename nope b
rename '' b
pause nope
tag bb UPPER
tag nope foo
exec nope sh
attach nope
restart nope
volume rm nope
volume create 'a b'
volume inspect nope
network inspect nope
network ls --format '{{.Foo}}'
start -a nope nope2
pull -a bb:x
run -d -a stdout bb sh
run --rm --restart always bb sh
run -it bb sh
exec -it nope sh
run --detach-keys foo -it bb sh
image rm
events --since foo
inspect -f '{{' nope
inspect -f '{{.X' bb
images --format '{{.Nope}}'
port nope 80
top
`;

const looking = String.raw`
ps
ps -a
ps -aq
ps -a --no-trunc
ps -l
ps -n 2
ps -a --format json
ps -a --format 'table {{.Names}}\t{{.Ports}}'
ps -a --format 'table {{.Names}}\t{{.Label "com.foo.bar-baz"}}\t{{upper .State}}'
ps -a --format '{{.Names}}|{{.Mounts}}|{{.LocalVolumes}}|{{.Labels}}|{{.Label "x"}}|{{.Networks}}|{{.Size}}|{{.RunningFor}}|{{.State}}|{{.CreatedAt}}|{{.Command}}'
ps -a --format '{{if eq .State "running"}}R{{else}}S{{end}} {{printf "%-10s|" .Names}}{{len .ID}}'
ps -a --format table
ps -a -q --format '{{.Names}}'
ps -f name=web -f status=running
ps -f label=x=y -q
images
images -a --digests
images --no-trunc
images -q
images --format json
images --format '{{.ID}} {{.CreatedSince}} {{.CreatedAt}} {{.Size}} {{.VirtualSize}} {{.Containers}}'
images foo/bar
images bb:latest
images --format 'table {{.ID}}\t{{.Repository}}'
volume ls
volume ls -q
volume ls --format json
volume ls --format '{{.Name}} {{.Mountpoint}} {{.Label "a"}} {{.Labels}}'
volume ls -f dangling=true
volume inspect v2
volume inspect v1 v2 nope
volume inspect -f '{{.Name}} {{.Labels}} {{.Options}}' v1 v2
network ls
network ls --no-trunc
network ls -q
network ls --format json
network inspect none
history bb
history --no-trunc bb
history -H=false bb
history --format json bb
history -q bb
info --format '{{.Driver}} {{.NCPU}} {{json .Plugins}} {{.Name}}'
version --format '{{.Server.Version}} {{.Server.Os}}'
version --format '{{range .Server.Components}}{{.Name}} {{end}}'
inspect web
inspect cr ex
inspect bb
inspect -s web
inspect v1
inspect --type volume v1
inspect --type image web
inspect none
inspect web nope bb
inspect -f '{{.Name}} {{.State.Status}} {{.Foo}}' web
inspect -f '{{json .State}}' web
inspect -f json web
inspect -f '{{.NetworkSettings.Ports}}' web
inspect -f '{{range $k,$v := .NetworkSettings.Ports}}{{$k}} {{end}}' web
inspect -f '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}' web
inspect -f '{{index .NetworkSettings.Ports "81/tcp"}}' web
inspect -f '{{(index (index .NetworkSettings.Ports "81/tcp") 0).HostPort}}' web
inspect -f '{{.Config.Env}} {{.Config.Labels}} {{.Config.Entrypoint}} {{.HostConfig.Binds}} {{.Config.Healthcheck}}' web
inspect -f '{{index .Config.Labels "x"}}|{{index .Config.Labels "nope"}}' web
inspect -f '{{.HostConfig.LogConfig}} {{.HostConfig.RestartPolicy}} {{.HostConfig.MemorySwappiness}} {{.HostConfig.PidsLimit}}' web
inspect -f '{{.Config.ExposedPorts}} {{.HostConfig.PortBindings}} {{.GraphDriver.Name}}' web
inspect -f '{{.SizeRw}}' web
inspect -f '{{.Size}} {{.RepoTags}} {{.RootFS.Layers}} {{.Config.Cmd}} {{.Os}}' bb
inspect -f '{{join .Config.Cmd ","}} {{.Path}} {{.Args}}' cr
inspect -f '{{.Id | printf "%.12s"}} {{slice .Id 0 5}} {{title "a b"}} {{.Config.Cmd | json}}' web
inspect -f '{{with .State}}{{.Status}} {{$.Name}}{{end}}{{/* c */}}{{- "x" -}}  y' web
inspect -f '{{range .Mounts}}{{.Type}}:{{.Name}}:{{.RW}} {{end}}' web
inspect -f '{{lt 1 2}} {{and true .Nope}}' web
inspect -f '{{println .Name}}{{print 1 2 "a"}}' web
image inspect bb foo/bar:1.0
logs ex
logs -t ex
logs --tail 1 ex
logs --since 10m ex
logs --until 10m ex
logs ttyc
logs --details ex
events --since 1h --until 0s -f container=web -f event=create
events --since 1h --until 0s --format '{{.Type}} {{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}} {{.TimeNano}}' -f container=web -f event=create
events --since 1h --until 0s --format json -f container=web -f event=create
events --since 1h --until 0s --format '{{json .}}' -f container=web -f event=create
system events --since 1h --until 0s -f container=web -f event=start
container ls -a
container list
container ps -q
image ls
image list -q
container logs ex
image history bb
`;

const doing = `
wait ex
wait ex cr2
stop -t 0 nope
tag bb foo/baz:2
rmi nope nope2
rm web
rm web nope
kill ex
pause ex
restart -t 0 nope
rename web web
start -ai ex
exec web echo hi
exec web sh -c 'echo o; echo e >&2; exit 9'
exec ex echo
exec web nope
exec -w /nope web ls
exec -u nope web ls
exec -e A=5 -e B web env
exec web sh -c 'cat'
exec -i web cat
run --rm bb echo hi
run --rm bb sh -c 'echo o; echo e >&2; exit 9'
run --rm bb nope
run --rm bb /bin
run --rm bb /tmp/x
run --rm -w /x bb pwd
run --rm -e A=5 bb env
run --rm -u 5:6 bb id
run --rm --name web bb true
run --rm bb kill -9 1
run --rm bb sh -c 'kill -9 $$'
run --rm -a stdout bb sh -c 'echo o; echo e >&2'
run --rm -a stderr bb sh -c 'echo o; echo e >&2'
run --rm -i bb cat
run --rm -t bb echo hi
run --rm --network nope bb true
run --rm --mount type=bind,src=/nope2,dst=/y bb ls
run --rm --pull never nope
run --rm nope
run --rm --restart on-failure bb true
run --rm --hostname foo bb hostname
run --rm bb seq 1 100000
run --rm --sysctl net.foo=1 bb true
run --rm -m 4m bb true
run --rm localhost:1/x
volume create v1
volume create --label x=1 vv
volume create -o a=b zz
attach cr
attach ex
`;

/** The times of two calls differ, and with them the widths of columns. */
const comparable = (text: string): string =>
  text
    .replaceAll("docker", "gantry")
    .replaceAll("Docker", "Gantry")
    .replace(/^(?:SRun|See) /gm, "Run ")
    .replace(/\b[0-9a-f]{64}\b/g, "ID")
    .replace(/^HOSTNAME=\w+/gm, "HOSTNAME")
    .replace(/Less than a second|About a minute|\d+ (?:second|minute)s?/g, "TIME")
    .replace(/ {2,}/g, "  ");

/** Docker's client lists the names of an image as a map has them: by chance. */
const inOrder = (line: string, text: string): string =>
  /^image(?:s| ls)/.test(line) ? text.split("\n").sort().join("\n") : text;

describeNeeding(
  "root",
  "dockerd",
  "docker",
  "busybox",
)("on the same dockerd our client does as Docker's", () => {
  let peer: Peer;
  let registry: TestRegistry;
  let reference = "";
  beforeAll(async () => {
    registry = fakeRegistry();
    peer = await startPeer();
    reference = await registry.push(await busyboxImage(), "busybox");
    for (const line of [
      `pull ${reference}`,
      `tag ${reference} bb`,
      "tag bb foo/bar:1.0",
      "volume create v1",
      "volume create --label a=b v2",
      "volume create v10",
      "run -d --name web --label x=y --label com.foo.bar-baz=1 -v v1:/v -e A=1 bb sleep 1000",
      `create --name cr bb sh -c 'a very long command with "quotes" here'`,
      "run --name ex bb sh -c 'echo out; echo err >&2; exit 3'",
      "run -d -t --name ttyc bb sh -c 'echo tty; sleep 1000'",
    ]) {
      const { code, stderr } = await peer.docker(words(line));
      if (code !== 0 && !line.includes("exit 3")) throw new Error(`${line}: ${stderr}`);
    }
  }, 90_000);
  afterAll(async () => {
    // dockerd leaves what runs behind when it ends.
    await peer?.docker(["rm", "-f", "web", "ttyc", "ex", "cr"]);
    await peer?.cleanup();
    await registry?.cleanup();
  }, 60_000);

  const both = async (line: string, oneByOne: boolean) => {
    const theirs = peer.docker(words(line));
    if (oneByOne) await theirs;
    const results = await Promise.all([theirs, peer.cli(words(line))]);
    return results.map(({ code, stdout, stderr }) => ({
      line,
      code,
      stdout: inOrder(line, comparable(stdout)),
      stderr: comparable(stderr),
    }));
  };

  for (const line of `${refused.trim()}\n${looking.trim()}`.split("\n")) {
    test(line, async () => {
      const [theirs, mine] = await both(line, false);
      expect(mine).toEqual(theirs!);
    });
  }
  for (const line of doing.trim().split("\n")) {
    test(line, async () => {
      const [theirs, mine] = await both(line, true);
      expect(mine).toEqual(theirs!);
    });
  }

  test("pulls say the same, line by line", async () => {
    const other = await registry.push(await busyboxImage({ config: { Labels: { a: "b" } } }), "other");
    for (const words of [
      ["pull", other],
      ["pull", "-q", other],
      ["pull", "127.0.0.1:1/x"],
    ]) {
      const theirs = await peer.docker(words);
      if (words.length === 2) await peer.docker(["rmi", other]);
      const mine = await peer.cli(words);
      expect([words, mine.code, mine.stdout, mine.stderr]).toEqual([words, theirs.code, theirs.stdout, theirs.stderr]);
    }
    await peer.docker(["rmi", other]);
    const run = await peer.cli(["run", "--rm", "--network", "none", other, "echo", "hello"]);
    expect(run.stdout).toBe("hello\n");
    expect(run.stderr).toStartWith(`Unable to find image '${other}' locally\n`);
    expect(run.stderr).toEndWith(`Status: Downloaded newer image for ${other}\n`);
  }, 60_000);

  test("bytes come through whole in both directions", async () => {
    const bytes = new Uint8Array(3_000_000).map((_, at) => (at * 31) >> 3);
    const { code, stdout } = await peer.cli(["run", "--rm", "-i", "bb", "sh", "-c", "md5sum; echo end"], {
      stdin: bytes,
    });
    expect([code, stdout]).toEqual([0, `${new Bun.CryptoHasher("md5").update(bytes).digest("hex")}  -\nend\n`]);
    const many = await peer.cli(["run", "--rm", "bb", "seq", "1", "300000"]);
    expect(many.stdout.length).toBe(Array.from({ length: 300_000 }, (_, at) => `${at + 1}\n`).join("").length);
  }, 60_000);

  test("-d prints the ID, and --cidfile keeps it", async () => {
    const file = `${peer.home.path}/cid`;
    const { code, stdout } = await peer.cli(["run", "-d", "--rm", "--cidfile", file, "bb", "sleep", "1000"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^[0-9a-f]{64}\n$/);
    expect(`${await Bun.file(file).text()}\n`).toBe(stdout);
    await peer.docker(["kill", stdout.trim()]);
  });

  const terminal = (argv: string[]) =>
    pty([...gantry, "-H", peer.host, ...argv], {
      rows: 33,
      columns: 91,
      env: { ...process.env, DOCKER_CONFIG: `${peer.home.path}/none`, TERM: "xterm" },
    });

  test("a terminal: its size, a change of it, the exit code, and our own put back", async () => {
    const shell = terminal(["run", "--rm", "-it", "bb", "sh"]);
    await shell.see("# ");
    shell.type("stty size\r");
    await shell.see("33 91");
    shell.resize(40, 100);
    await Bun.sleep(300);
    shell.type("stty size\r");
    await shell.see("40 100");
    shell.type("exit 5\r");
    expect(await shell.ended).toBe(5);
  }, 60_000);

  test("keys that detach leave the container running, and attach finds it again", async () => {
    const shell = terminal(["run", "-it", "--name", "dt", "bb", "sh"]);
    try {
      await shell.see("# ");
      shell.type("\x10\x11");
      expect(await shell.ended).toBe(0);
      const again = terminal(["attach", "--detach-keys", "ctrl-x,x", "dt"]);
      again.type("echo $((6*7))\r");
      await again.see("42");
      again.type("\x18x");
      await again.see("read escape sequence");
      expect(await again.ended).toBe(1);
      const state = await peer.cli(["inspect", "-f", "{{.State.Status}}", "dt"]);
      expect(state.stdout).toBe("running\n");
    } finally {
      await peer.docker(["rm", "-f", "dt"]);
    }
  }, 60_000);

  test("signals reach the container", async () => {
    const script = "trap 'echo got; exit 4' TERM; echo ready; while :; do sleep 0.1; done";
    const running = terminal(["run", "--rm", "bb", "sh", "-c", script]);
    await running.see("ready");
    running.kill("SIGTERM");
    expect(await running.ended).toBe(4);
    expect(running.shown()).toContain("got");
  }, 60_000);

  test("who reads no further ends the command", async () => {
    const command = [...gantry, "-H", peer.host, "run", "--rm", "--name", "endless", "bb", "yes"];
    const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
    expect(await child.exited).toBe(1);
    await peer.docker(["rm", "-f", "endless"]);
  }, 60_000);
});
