/** Binds, tmpfs and volumes from outside: `-v`, `--mount`, `--tmpfs` and `volume`. With both clients. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  buildImage,
  busyboxImage,
  type Client,
  clients,
  describeNeeding,
  type Entry,
  engineNeeds,
  type Lab,
  run,
  type Server,
  startLab,
  watchEvents,
} from "./harness/harness.ts";

// A test that takes longer is ended with everything that this process started, the server too.
setDefaultTimeout(60_000);

/** What lies at /data of the image, a volume of its own. */
const data: Entry[] = [
  { name: "data", type: "directory", mode: 0o1770, uid: 12, gid: 34 },
  { name: "data/file", data: "from the image", mode: 0o640, uid: 56, gid: 78 },
  { name: "data/run", data: "#!/bin/sh\n", mode: 0o4755 },
  { name: "data/hard", type: "hardlink", target: "data/file" },
  { name: "data/soft", type: "symlink", target: "file" },
  { name: "data/deep", type: "directory", mode: 0o700 },
  { name: "data/deep/er", data: "deeper" },
  { name: "data/fifo", type: "fifo", mode: 0o600 },
  { name: "empty", type: "directory", mode: 0o1777, uid: 65534, gid: 65534 },
  { name: "out", type: "symlink", target: "/../../../../tmp" },
];

describeNeeding(...engineNeeds)("mounts", () => {
  let lab: Lab;
  let server: Server;
  let image: string;
  let full: string;
  beforeAll(async () => {
    lab = await startLab();
    ({ server, image } = lab);
    const { blobs, layers } = await busyboxImage();
    const bottom = new Uint8Array(Bun.gunzipSync(new Uint8Array(blobs.get(layers[0]!.digest)!)));
    const config = { Cmd: ["sh"], Env: ["PATH=/bin"], Volumes: { "/data": {} } };
    full = await lab.add(buildImage([bottom, data], { config }), "full");
  });
  afterAll(() => lab?.cleanup());

  for (const client of clients) describeNeeding(...client.needs)(`by ${client.name}`, () => behaviour(client));

  function behaviour(client: Client): void {
    const call = (...argv: string[]) => client.call(server, argv);
    const named = (name: string) => `${name}-${client.name}`;
    const folder = (name: string): string => {
      const path = join(server.home.path, named(name));
      mkdirSync(path, { recursive: true });
      return path;
    };
    const shell = (flags: string[], script: string, from = image) =>
      call("run", "--rm", ...flags, from, "sh", "-c", script);
    const volumes = async (...filters: string[]) =>
      (await call("volume", "ls", "-q", ...filters.flatMap((one) => ["--filter", one]))).stdout
        .split("\n")
        .filter(Boolean);
    const refused = async (flags: string[], words: RegExp) => {
      const result = await call("run", "--rm", ...flags, image, "true");
      expect(result).toMatchObject({ code: 125, stdout: "" });
      expect(result.stderr).toMatch(words);
    };

    describe("binds", () => {
      test("read, write, read only; folders and files", async () => {
        const source = folder("bind");
        writeFileSync(join(source, "here"), "from the host");
        expect(await shell(["-v", `${source}:/b`], "cat /b/here; echo back > /b/there")).toMatchObject({
          code: 0,
          stdout: "from the host",
        });
        expect(readFileSync(join(source, "there"), "utf8")).toBe("back\n");
        for (const flags of [
          ["-v", `${source}:/b:ro`],
          ["--mount", `type=bind,source=${source},target=/b,readonly`],
        ]) {
          const result = await shell(flags, "cat /b/here; echo x > /b/more");
          expect(result).toMatchObject({ code: 1, stdout: "from the host" });
          expect(result.stderr).toContain("Read-only file system");
        }
        const file = await shell(["-v", `${source}/here:/etc/motd:ro`], "cat /etc/motd; echo x > /etc/motd");
        expect(file).toMatchObject({ code: 1, stdout: "from the host" });
        expect(await shell(["-v", `${source}/here:/etc/motd`], "cat /etc/motd")).toMatchObject({
          stdout: "from the host",
        });
        expect(
          await shell(["--mount", `type=bind,src=${source},dst=/not/there/yet`], "ls /not/there/yet"),
        ).toMatchObject({
          stdout: "here\nthere\n",
        });
      });

      test("a missing source: made by -v, refused by --mount", async () => {
        const missing = join(folder("missing"), "a/b");
        expect(await shell(["-v", `${missing}:/m`], "ls -ld /m")).toMatchObject({
          stdout: expect.stringMatching(/^drwxr-xr-x +2 root +root/),
        });
        expect(statSync(missing).isDirectory()).toBe(true);
        const other = join(server.home.path, named("never"));
        await refused(
          ["--mount", `type=bind,source=${other},target=/m`],
          new RegExp(`invalid mount config for type "bind": bind source path does not exist: ${other}`),
        );
        expect(existsSync(other)).toBe(false);
      });

      test("what is mounted below the source comes along, read only too", async () => {
        const source = folder("tree");
        mkdirSync(join(source, "sub"), { recursive: true });
        await run(["mount", "-t", "tmpfs", "none", join(source, "sub")]);
        try {
          writeFileSync(join(source, "sub/file"), "below");
          expect(await shell(["-v", `${source}:/t`], "cat /t/sub/file; echo x > /t/sub/new")).toMatchObject({
            code: 0,
            stdout: "below",
          });
          const readonly = await shell(["-v", `${source}:/t:ro`], "cat /t/sub/file; echo x > /t/sub/more");
          expect(readonly).toMatchObject({ code: 1, stdout: "below" });
          expect(readonly.stderr).toContain("Read-only file system");
          const writable = `type=bind,source=${source},target=/t,readonly,bind-recursive=writable`;
          expect(await shell(["--mount", writable], "echo x > /t/sub/more; echo x > /t/more")).toMatchObject({
            code: 1,
            stderr: expect.stringContaining("/t/more"),
          });
          expect(existsSync(join(source, "sub/more"))).toBe(true);
          const alone = `type=bind,source=${source},target=/t,bind-recursive=disabled`;
          expect(await shell(["--mount", alone], "ls /t/sub")).toMatchObject({ code: 0, stdout: "" });
        } finally {
          await run(["umount", join(source, "sub")]);
        }
      });

      test("propagation: private, slave, shared", async () => {
        const source = folder("shared");
        await run(["mount", "-t", "tmpfs", "none", source]);
        await run(["mount", "--make-shared", source]);
        const names = ["rprivate", "rslave", "rshared"].map(named);
        try {
          mkdirSync(join(source, "late"));
          mkdirSync(join(source, "inside"));
          for (const name of names) {
            const mode = name.split("-")[0]!;
            const flags =
              mode === "rshared"
                ? ["--mount", `type=bind,source=${source},target=/p,bind-propagation=rshared`]
                : ["-v", `${source}:/p:${mode}`];
            expect(
              await call("run", "-d", "--privileged", "--name", name, ...flags, image, "sleep", "1000"),
            ).toMatchObject({ code: 0 });
          }
          await run(["mount", "-t", "tmpfs", "none", join(source, "late")]);
          writeFileSync(join(source, "late/file"), "late");
          for (const [at, seen] of ["", "file\n", "file\n"].entries()) {
            expect((await call("exec", names[at]!, "ls", "/p/late")).stdout).toBe(seen);
          }
          for (const [at, seen] of [false, false, true].entries()) {
            await call(
              "exec",
              "--privileged",
              names[at]!,
              "sh",
              "-c",
              "mount -t tmpfs none /p/inside && touch /p/inside/file",
            );
            expect(existsSync(join(source, "inside/file"))).toBe(seen);
          }
        } finally {
          await call("rm", "-f", ...names);
          for (const path of ["late", "inside", ""]) await run(["umount", "-l", join(source, path)]);
        }
        await refused(["-v", `${source}:/p:sideways`], /sideways/);
      });
    });

    describe("tmpfs", () => {
      test("by --tmpfs and by --mount, with their options", async () => {
        expect((await shell(["--tmpfs", "/t"], "mount | grep ' /t '; ls -ld /t | cut -c 1-10")).stdout).toMatch(
          /^tmpfs on \/t type tmpfs \(rw,nosuid,nodev,noexec,.*\ndrwxrwxrwt\n$/,
        );
        const own = "type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=0700";
        expect((await shell(["--mount", own], "mount | grep ' /t '; ls -ld /t | cut -c 1-10")).stdout).toMatch(
          /size=1024k.*\ndrwx------\n$/,
        );
        expect(
          (
            await shell(
              ["--tmpfs", "/t:exec,size=2m"],
              "mount | grep ' /t '; head -c 3000000 /dev/zero > /t/x || ls -l /t",
            )
          ).stderr,
        ).toMatch(/No space left|I\/O error/);
        expect((await shell(["--mount", "type=tmpfs,destination=/t,readonly"], "touch /t/x")).stderr).toContain(
          "Read-only",
        );
        await refused(["--mount", `type=tmpfs,source=/x,destination=/t`], /Source|source/);
        await refused(["--tmpfs", "t"], /mount path must be absolute/);
      });
    });

    describe("volumes", () => {
      test("a named one keeps what is written, an anonymous one goes with --rm", async () => {
        const name = named("kept");
        expect(
          await shell(["-v", `${name}:/v`, "-v", "/anonymous"], "echo kept > /v/file; touch /anonymous/x"),
        ).toMatchObject({ code: 0 });
        expect(await volumes()).toEqual([name]);
        expect((await shell(["--mount", `source=${name},target=/w`], "cat /w/file")).stdout).toBe("kept\n");
        expect((await shell(["-v", `${name}:/w:ro`], "echo x > /w/file")).stderr).toContain("Read-only");
        expect(await call("volume", "rm", name)).toEqual({ code: 0, stdout: `${name}\n`, stderr: "" });
        expect(await volumes()).toEqual([]);
      });

      test("rm keeps anonymous ones, rm -v does not, and neither touches named ones", async () => {
        const name = named("stays");
        for (const [flags, left] of [
          [[], 2],
          [["-v"], 1],
        ] as const) {
          const { stdout } = await call("run", "-d", "-v", `${name}:/v`, "-v", "/anonymous", image, "true");
          await call("wait", stdout.trim());
          await call("rm", ...flags, stdout.trim());
          expect(await volumes()).toHaveLength(left);
          await call("volume", "prune", "-f");
        }
        expect(await call("volume", "rm", name)).toMatchObject({ code: 0 });
      });

      test("two containers share one at the same time", async () => {
        const name = named("both");
        const writer = named("writer");
        await call(
          "run",
          "-d",
          "--name",
          writer,
          "-v",
          `${name}:/v`,
          image,
          "sh",
          "-c",
          "echo shared > /v/file; sleep 1000",
        );
        expect((await shell(["-v", `${name}:/v`], "until test -s /v/file; do :; done; cat /v/file")).stdout).toBe(
          "shared\n",
        );
        const inUse = await call("volume", "rm", name);
        const id = (await call("inspect", "-f", "{{.Id}}", writer)).stdout.trim();
        expect(inUse.code).toBe(1);
        expect(inUse.stderr).toContain(`remove ${name}: volume is in use - [${id}]`);
        const answer = await server.request(`/volumes/${name}`, { method: "DELETE" });
        expect(answer.status).toBe(409);
        await call("volume", "prune", "-a", "-f");
        expect(await volumes()).toEqual([name]);
        await call("rm", "-f", writer);
        await call("volume", "rm", name);
      });

      test("take what the image has at their place: owners, modes, links", async () => {
        const list =
          "cd /data; stat -c '%n %a %u %g %F %h' . * deep/er | sort; cat file; readlink soft; test file -ef hard && echo same";
        const expected =
          ". 1770 12 34 directory 3\n" +
          "deep 700 0 0 directory 2\n" +
          "deep/er 644 0 0 regular file 1\n" +
          "fifo 600 0 0 fifo 1\n" +
          "file 640 56 78 regular file 2\n" +
          "hard 640 56 78 regular file 2\n" +
          "run 4755 0 0 regular file 1\n" +
          "soft 777 0 0 symbolic link 1\n" +
          "from the imagefile\nsame\n";
        expect((await shell([], list, full)).stdout).toBe(expected);
        const name = named("copied");
        expect((await shell(["-v", `${name}:/data`], `${list}; echo changed > /data/file`, full)).stdout).toBe(
          expected,
        );
        // Once: it is not empty any more.
        expect((await shell(["-v", `${name}:/data`], "cat /data/file", full)).stdout).toBe("changed\n");
        await call("volume", "rm", name);
        const empty = named("owner");
        expect((await shell(["-v", `${empty}:/empty`], "stat -c '%a %u %g' /empty", full)).stdout).toBe(
          "1777 65534 65534\n",
        );
        await call("volume", "rm", empty);
        for (const flags of [
          ["-v", `${name}:/data:nocopy`],
          ["--mount", `source=${name},target=/data,volume-nocopy`],
        ]) {
          expect((await shell(flags, "ls /data", full)).stdout).toBe("");
          await call("volume", "rm", name);
        }
        // A bind hides what the image has.
        expect((await shell(["-v", `${folder("hiding")}:/data`], "ls /data", full)).stdout).toBe("");
        expect(await volumes()).toEqual([]);
      });

      test("lie on top of each other in the order of their paths", async () => {
        const [outer, inner] = [named("outer"), named("inner")];
        const flags = ["-v", `${inner}:/a/b`, "-v", `${outer}:/a`, "--tmpfs", "/a/b/c"];
        expect((await shell(flags, "touch /a/1 /a/b/2 /a/b/c/3; find /a -type f | sort")).stdout).toBe(
          "/a/1\n/a/b/2\n/a/b/c/3\n",
        );
        expect((await shell(["-v", `${inner}:/i`], "find /i -type f")).stdout).toBe("/i/2\n");
        await call("volume", "rm", outer, inner);
      });

      test("below a link of the image they stay in the container", async () => {
        const name = named("linked");
        const inside = `gantry-${server.home.id}-${client.name}`;
        expect(
          (await shell(["-v", `${name}:/out/${inside}`], `touch /out/${inside}/x; ls /tmp/${inside}`, full)).stdout,
        ).toBe("x\n");
        expect(readdirSync("/tmp")).not.toContain(inside);
        await call("volume", "rm", name);
      });

      test("labels and options given with --mount", async () => {
        const name = named("labelled");
        const { stdout } = await call("create", "--mount", `source=${name},target=/v,volume-label=a=b`, image, "true");
        expect((await call("volume", "inspect", "-f", "{{.Labels.a}}", name)).stdout).toBe("b\n");
        await call("rm", stdout.trim());
        await call("volume", "rm", name);
        for (const [words, pattern] of [
          [`source=${name},target=/v,volume-driver=nosuch`, /nosuch/],
          [`source=${name},target=/v,volume-opt=type=nfs`, /volume-opt|options of the local volume driver/],
          [`source=${name},target=/v,volume-subpath=x`, /volume-subpath/],
          ["type=image,source=x,target=/v", /image/],
          ["type=nosuch,target=/v", /nosuch/],
          [`source=${name}`, /target|Target/],
        ] as const) {
          await refused(["--mount", words], pattern);
        }
        expect(await volumes()).toEqual([]);
      });

      test("what cannot be is refused with its value", async () => {
        for (const [flags, words] of [
          [["-v", "one:/x", "-v", "two:/x"], /Duplicate mount point: \/x/],
          [["-v", "one:relative"], /relative.* mount path must be absolute/],
          [["-v", "one:/"], /destination can't be '\/'/],
          [["-v", "one:/x:sideways"], /invalid mode: sideways/],
          [["-v", "o/ne:/x"], /"o\/ne" includes invalid characters for a local volume name/],
          [["-v", "one:/x:ro:more"], /one:\/x:ro:more/],
        ] as const) {
          await refused([...flags], words);
        }
        expect(await volumes()).toEqual([]);
      });

      test("inspect shows each kind of mount", async () => {
        const source = folder("inspected");
        const name = named("inspected");
        const flags = ["-v", `${source}:/b:ro`, "-v", `${name}:/v`, "--mount", "type=tmpfs,target=/t", "--tmpfs", "/u"];
        const { stdout } = await call("create", ...flags, image, "true");
        const mounts = JSON.parse((await call("inspect", "-f", "{{json .Mounts}}", stdout.trim())).stdout) as Record<
          string,
          unknown
        >[];
        expect(mounts.sort((a, b) => (String(a.Type) < String(b.Type) ? -1 : 1))).toEqual([
          { Type: "bind", Source: source, Destination: "/b", Mode: "ro", RW: false, Propagation: "rprivate" },
          { Type: "tmpfs", Source: "", Destination: "/t", Mode: "", RW: true, Propagation: "" },
          {
            Type: "volume",
            Name: name,
            Source: join(server.dataRoot, "volumes", name, "_data"),
            Destination: "/v",
            Driver: "local",
            Mode: "z",
            RW: true,
            Propagation: "",
          },
        ] as Record<string, unknown>[]);
        await call("rm", stdout.trim());
        await call("volume", "rm", name);
      });
    });

    describe("the volume command", () => {
      test("create, inspect, ls, rm", async () => {
        const name = named("made");
        expect(await call("volume", "create", "--label", "kind=a", name)).toEqual({
          code: 0,
          stdout: `${name}\n`,
          stderr: "",
        });
        // Again is no error.
        expect(await call("volume", "create", name)).toMatchObject({ code: 0 });
        expect(JSON.parse((await call("volume", "inspect", name)).stdout)).toEqual([
          {
            CreatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$/),
            Driver: "local",
            Labels: { kind: "a" },
            Mountpoint: join(server.dataRoot, "volumes", name, "_data"),
            Name: name,
            Options: null,
            Scope: "local",
          },
        ]);
        expect(await volumes("label=kind=a")).toEqual([name]);
        expect(await volumes("label=kind=b")).toEqual([]);
        expect(await volumes(`name=${name.slice(0, 3)}`)).toEqual([name]);
        expect(await volumes("dangling=true")).toEqual([name]);
        expect(await volumes("dangling=false")).toEqual([]);
        expect(await volumes("driver=local")).toEqual([name]);
        expect((await call("volume", "ls", "--filter", "nosuch=1")).stderr).toContain("invalid filter 'nosuch'");
        expect((await call("volume", "ls")).stdout).toMatch(new RegExp(`^DRIVER +VOLUME NAME\nlocal +${name}\n$`));
        expect((await call("volume", "ls", "--format", "{{.Name}}|{{.Driver}}|{{.Labels}}")).stdout).toBe(
          `${name}|local|kind=a\n`,
        );
        expect(await call("volume", "rm", name)).toMatchObject({ code: 0 });
        expect(await call("volume", "rm", name)).toMatchObject({
          code: 1,
          stderr: expect.stringContaining(`get ${name}: no such volume`),
        });
        expect((await call("volume", "rm", "-f", name)).code).toBe(0);
        expect((await call("volume", "inspect", name)).code).toBe(1);
        const anonymous = (await call("volume", "create")).stdout.trim();
        expect(anonymous).toMatch(/^[0-9a-f]{64}$/);
        await call("volume", "rm", anonymous);
        for (const [argv, words] of [
          [["a b"], /"a b" includes invalid characters for a local volume name/],
          [["-d", "nosuch", "x1"], /nosuch/],
          [["-o", "type=nfs", "x1"], /not there yet/],
        ] as const) {
          const result = await call("volume", "create", ...argv);
          expect(result.code).toBe(1);
          expect(result.stderr).toMatch(words);
        }
      });

      test("prune: anonymous ones, all with -a, by label, never those in use", async () => {
        const [plain, labelled, used] = [named("plain"), named("labelled"), named("used")];
        await call("volume", "create", plain);
        await call("volume", "create", "--label", "kind=p", labelled);
        const anonymous = (await call("volume", "create")).stdout.trim();
        const { stdout } = await call("create", "-v", `${used}:/v`, image, "true");
        const first = await call("volume", "prune", "-f");
        expect(first.stdout).toMatch(new RegExp(`^Deleted Volumes:\n${anonymous}\n\nTotal reclaimed space: 0B\n$`));
        expect(await volumes()).toEqual([labelled, plain, used]);
        await call("volume", "prune", "-a", "-f", "--filter", "label=kind=p");
        expect(await volumes()).toEqual([plain, used]);
        await call("volume", "prune", "-a", "-f", "--filter", "label!=kind");
        expect(await volumes()).toEqual([used]);
        await call("rm", stdout.trim());
        await call("volume", "prune", "-a", "-f");
        expect(await volumes()).toEqual([]);
      });
    });

    test("events of volumes", async () => {
      const events = await watchEvents(server, { type: ["volume"] });
      const name = named("told");
      await shell(["-v", `${name}:/v`], "true");
      await call("volume", "rm", name);
      await events.until("volume destroy");
      const seen = events.seen.map(({ Action, Actor }) => [Action, Actor.ID, Actor.Attributes]);
      const container = expect.stringMatching(/^[0-9a-f]{64}$/);
      expect(seen).toEqual([
        ["create", name, { driver: "local" }],
        ["mount", name, { driver: "local", container, destination: "/v", "read/write": "true", propagation: "" }],
        ["unmount", name, { driver: "local", container }],
        ["destroy", name, { driver: "local" }],
      ]);
      await events.close();
    });

    test("leaves nothing behind", async () => {
      expect((await call("ps", "-aq")).stdout).toBe("");
      expect(await volumes()).toEqual([]);
    });
  }

  test("volumes outlive a server that was killed, with what was written", async () => {
    await server.cli(["volume", "create", "--label", "a=b", "durable"]);
    await server.cli(["run", "-d", "--name", "user", "-v", "durable:/v", "-v", "/anonymous", image, "sleep", "1000"]);
    await server.cli(["exec", "user", "sh", "-c", "echo kept > /v/file; echo too > /anonymous/file"]);
    await server.kill9();
    await server.restart();
    expect(await server.cli(["exec", "user", "cat", "/v/file", "/anonymous/file"])).toMatchObject({
      stdout: "kept\ntoo\n",
    });
    expect((await server.cli(["volume", "inspect", "-f", "{{.Labels.a}}", "durable"])).stdout).toBe("b\n");
    expect((await server.cli(["volume", "rm", "durable"])).stderr).toContain("volume is in use");
    await server.cli(["rm", "-f", "-v", "user"]);
    expect((await server.cli(["volume", "ls", "-q"])).stdout).toBe("durable\n");
    chmodSync(join(server.dataRoot, "volumes/durable/_data"), 0o755);
    expect(await server.cli(["volume", "rm", "durable"])).toMatchObject({ code: 0 });
  });
});
