/**
 * The requests of our client against those of Docker's: the same command line must ask the same of the server, or be
 * refused with the same text and exit code.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { describeNeeding, program } from "../../test/harness/programs.ts";
import { cleanEnvironment, run } from "../../test/harness/run.ts";
import { gantry } from "../../test/harness/server.ts";
import { type Recorder, startRecorder } from "./testing/recorder.ts";
import { words } from "./testing/words.ts";

const lines = `
create bb
create bb echo hi
create -it bb
create -i bb
create -t bb
create -a stdin -a STDERR bb
create -e A=1 -e EXPORTED -e NOTSET -e B= bb
create --env-file env.good -e X=1 bb
create -l a=b -l c -l d=e=f bb
create --label-file lab bb
create -p 80 bb
create -p 8080:80 -p 127.0.0.1:443:443/udp -p '[::1]:90:90' -p '::1:91:91' bb
create -p 8000-8005:80 -p 9000-9002:9000-9002 bb
create -p published=8080,target=80,protocol=udp bb
create -p 0:80/sctp -P --expose 100-102/udp --expose 80 bb
create -v /a:/b -v vol:/c:ro -v /anon -v ./rel:/r -v a:b -v : bb
create -v '~:/x' -v '/a:/b:ro,z' bb
create --mount type=bind,src=/a,dst=/b,readonly,bind-propagation=rslave bb
create --mount type=bind,src=./a,dst=/b,ro=0 --mount type=volume,src=v,dst=/v,volume-nocopy,volume-label=a=b,volume-driver=d,volume-opt=k=v,volume-opt=k2=v2 bb
create --mount type=tmpfs,dst=/t,tmpfs-size=10m,tmpfs-mode=1770 bb
create --mount dst=/t,volume-subpath=a/b,src=x bb
create --mount type=bind,src=/a,dst=/b,readonly,bind-recursive=readonly,bind-propagation=rprivate bb
create --mount type=bind,src=/a,dst=/b,bind-recursive=disabled bb
create --mount type=bind,src=/a,dst=/b,bind-recursive=writable bb
create --mount type=bind,src=/a,dst=/b,bind-nonrecursive bb
create --mount type=image,src=a,dst=/b,image-subpath=x bb
create --mount 'type=bind,"src=/a,b",dst=/b' bb
create --mount 'type=bind,src=/a"b,dst=/b' bb
create --mount TYPE=BIND,SRC=/a,dst=/b bb
create --tmpfs /t --tmpfs /u:size=5m,mode=700 bb
create --network net1 bb
create --network host bb
create --network none bb
create --network container:x bb
create --network name=net1,alias=a,alias=b,ip=1.2.3.4,ip6=::1,mac-address=02:42:ac:11:00:02,driver-opt=a=b,link-local-ip=169.254.1.1,gw-priority=5 bb
create --network net1 --network net2 bb
create --network net1 --network net1 bb
create --network net1 --network host bb
create --network net1 --network-alias x --ip 1.2.3.4 --ip6 ::1 --link a:b --link c --link-local-ip 169.254.1.2 --mac-address 02:42:ac:11:00:02 bb
create --network-alias x bb
create --link a:b bb
create --ip 1.2.3.4 bb
create --mac-address 02:42:ac:11:00:02 bb
create --net host bb
create --network name=net1,ip=1.2.3.4 --ip 1.2.3.5 bb
create --device /dev/null --device /dev/zero:/dev/x --device /dev/full:r --device /dev/full:/dev/y:rw bb
create --device vendor.com/class=name bb
create --device-cgroup-rule 'c 1:3 rwm' --device-cgroup-rule 'a *:* r' bb
create --gpus all bb
create --gpus 2 bb
create --gpus device=1,driver=x bb
create --gpus '"device=1,2",capabilities=compute' bb
create --gpus 'options=a=b' bb
create --ulimit nofile=1:2 --ulimit core=-1 --ulimit nofile=5 --ulimit cpu=0:-1 bb
create --blkio-weight 300 --blkio-weight-device /dev/x:100 --device-read-bps /dev/x:1mb --device-write-bps /dev/x:2k --device-read-iops /dev/x:10 --device-write-iops /dev/y:20 bb
create -m 100m --memory-swap -1 --memory-reservation 50m --memory-swappiness 10 --shm-size 1g --oom-kill-disable --oom-score-adj 100 --pids-limit 10 bb
create --cpus 1.5 bb
create --cpus .5 bb
create --cpus 1/2 bb
create --cpus 1e1 bb
create --cpu-period 1000 --cpu-quota -1 --cpu-rt-period 5 --cpu-rt-runtime 6 -c 5 --cpuset-cpus 0-1 --cpuset-mems 0 bb
create --health-cmd 'curl x' --health-interval 1m30s --health-timeout 1.5s --health-retries 3 --health-start-period 100ms --health-start-interval 2s bb
create --health-retries 3 bb
create --no-healthcheck bb
create --no-healthcheck --health-cmd x bb
create --health-timeout -1s bb
create --restart always bb
create --restart on-failure:5 bb
create --restart '' bb
create --restart no bb
create --restart unless-stopped --rm bb
create --security-opt seccomp=prof.json --security-opt no-new-privileges --security-opt label=disable --security-opt apparmor:foo bb
create --security-opt seccomp=unconfined --security-opt systempaths=unconfined bb
create --security-opt no-new-privileges=true bb
create --log-driver json-file --log-opt max-size=10m --log-opt a bb
create --log-driver none --log-opt a=b bb
create --log-opt a=b bb
create --storage-opt size=10G bb
create --sysctl net.ipv4.ip_forward=1 --sysctl kernel.msgmax=5 bb
create --sysctl kernel.foo=1 bb
create --add-host a:1.2.3.4 --add-host b=::1 --add-host c:[::1] --add-host d=host-gateway bb
create --dns 1.1.1.1 --dns ::1 --dns-search a.b --dns-search . --dns-option ndots:1 --dns-opt x bb
create --dns-search '1.2' bb
create --dns-search 'a_b' bb
create --cap-add SYS_ADMIN --cap-add cap_net_raw --cap-drop ALL --privileged bb
create --pid host --ipc host --uts host --userns host --cgroupns private --cgroup-parent /x bb
create --pid container:x --ipc container:y bb
create -u 1:2 -w /x -h host --domainname d --entrypoint /bin/x --stop-signal TERM --stop-timeout 0 --init bb a b
create --entrypoint '' bb
create --init=false --read-only --rm --runtime r --isolation default --group-add 5 --volumes-from a:ro --volume-driver d bb
create --annotation a=b --annotation c bb
create --name x --platform linux/arm64 bb
create --platform linux bb
create --platform 'a/b/c/d' bb
create --platform 'foo' bb
create -eA=1 -itp80 bb -x --rm
create -e=A bb
create --name=x --rm=false --tty=true bb -- x
create -- bb -x
create sha256:aaaa
create a/b:c
create localhost:5000/a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
create e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
create ''
create --quiet=x bb
create --pids-limit 0x10 --cpu-shares 1_000 bb
create --cpu-shares 010 bb
create --cpu-shares 09 bb
create --cpu-shares 99999999999999999999 bb
create -m 1.5.5 bb
create -m '1 g' bb
create -m 1e3 bb
create -m .5g bb
create -m +1g bb
create -m 5pb bb
create -m 0x10 bb
run -d -p 80 bb x
run -d --rm bb
run --rm -i bb
run --pull never bb
run --name 'a b' bb
run -it --platform linux/amd64 -d bb
ps -a -n 3 -s -f status=running -f name=a -f name=b
ps -l
ps -n 0
images -a -f dangling=true x
events --since 1234 --until 5678.123456789 -f type=container -f event=die
stop -t 5 -s HUP c
stop --time 3 c
stop -t -1 c
restart c
kill -s 9 c
rm -f -v c
rm -l c/d
rename a b
wait c
pause c
top c -e f
rmi -f --no-prune a/b:c
tag a b:c
tag a localhost:5000/x/y
pull a:b
pull -q a
pull --platform linux/arm64 a
pull -a a
volume create -d x -o a=b -o c=d --label e=f n
volume create
volume ls -f dangling=true
volume rm -f a
volume prune -f -a
volume prune -f --filter label=a
volume prune -f
container prune -f --filter until=5m
image prune -f
image prune -af
network ls -f driver=bridge
network inspect -v a
inspect --type image -s a
inspect --type container -s a
container inspect -s a
image inspect a/b:c
history a
start a
version
info
`;

/** Docker's version of the client that the texts come from. */
const apiVersion = "1.50";

describeNeeding("docker")("requests and refusals are those of Docker's client", () => {
  let folder = "";
  let docker: Recorder;
  let ours: Recorder;
  beforeAll(async () => {
    folder = mkdtempSync(`${tmpdir()}/gantry-requests-`);
    writeFileSync(`${folder}/env.good`, "A=1\n#c\n\n  B=2 3\nEXPORTED\nNOPE\nC=\n");
    writeFileSync(`${folder}/lab`, "a=b\nB\n#x\n");
    writeFileSync(`${folder}/prof.json`, '{ "defaultAction": "SCMP_ACT_ALLOW",\n "x": [1, 2] }');
    docker = await startRecorder(apiVersion);
    ours = await startRecorder(apiVersion);
  });
  afterAll(() => {
    docker?.cleanup();
    ours?.cleanup();
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = async (command: string[], recorder: Recorder, line: string) => {
    const env = cleanEnvironment({ EXPORTED: "yes", DOCKER_CONFIG: folder, HOME: folder, DOCKER_HOST: recorder.host });
    const { code, stderr } = await run([...command, ...words(line)], { env, cwd: folder });
    const text = stderr
      .replaceAll("docker", "gantry")
      .replaceAll("Docker", "Gantry")
      .replace(/^SRun /m, "Run ")
      .replace(/^See /m, "Run ");
    return { line, code, stderr: text, requests: recorder.take() };
  };

  const helped =
    "run create exec ps images inspect logs start stop restart kill rm rmi pull attach top wait rename pause";
  const grouped = ["container ls", "container rm", "container prune", "image ls", "image rm", "image inspect"];
  const more = [
    "unpause",
    "port",
    "tag",
    "history",
    "events",
    "version",
    "info",
    "volume ls",
    "volume rm",
    "volume prune",
  ];
  for (const name of [...helped.split(" "), ...grouped, ...more, "network ls", "network inspect", "volume inspect"]) {
    test(`${name} --help`, async () => {
      const help = async (command: string[], recorder: Recorder) => {
        const env = cleanEnvironment({ DOCKER_CONFIG: folder, HOME: folder, DOCKER_HOST: recorder.host });
        const { code, stdout } = await run([...command, ...words(name), "--help"], { env });
        // Names of the two products in running text, and where the lines break because of them.
        const known = stdout
          .replace(/ +--tree +.*\(EXPERIMENTAL\)/, "")
          .replace(/ +--cluster +[^-]*/, " ")
          .replace(/ +--(?:checkpoint|checkpoint-dir) .*\n/g, "");
        return { code, text: known.replaceAll("docker", "gantry").replaceAll("Docker", "Gantry").split(/\s+/) };
      };
      const [theirs, mine] = await Promise.all([help([program("docker")], docker), help(gantry, ours)]);
      expect(mine.text).toEqual(theirs.text);
      expect(mine.code).toBe(0);
    });
  }

  for (const line of lines.trim().split("\n")) {
    test(line, async () => {
      const [theirs, mine] = await Promise.all([ask([program("docker")], docker, line), ask(gantry, ours, line)]);
      expect(mine).toEqual(theirs);
    });
  }
});
