/**
 * What Gantry builds on, in the virtual machine: that a failure of Gantry's own tests there is Gantry's. Runs only in the
 * guest of `npm run test:vm`.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { call } from "./call.ts";

const guest = process.env.GANTRY_GUEST === "1";
const read = (path: string): string => readFileSync(path, "utf8").trim();

if (!guest) test.skip("the machine (skipped: runs in the guest of npm run test:vm)", () => {});
else {
  describe("the machine", () => {
    test("has Debian 13's kernel with AppArmor", () => {
      expect(release()).toMatch(/^6\.12\..*-cloud-amd64$/);
      expect(read("/sys/module/apparmor/parameters/enabled")).toBe("Y");
      expect(read("/proc/self/attr/apparmor/current")).toBe("unconfined");
    });

    test("has nothing but cgroup v2", () => {
      expect(read("/proc/self/cgroup")).toBe("0::/");
      expect(read("/sys/fs/cgroup/cgroup.controllers").split(" ")).toEqual(
        expect.arrayContaining(["cpu", "cpuset", "io", "memory", "pids"]),
      );
      expect(read("/proc/self/mounts")).not.toContain(" cgroup ");
    });
  });

  describe("runs", () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync("/var/tmp/platform-");
      const rootfs = join(folder, "rootfs");
      for (const name of ["bin", "dev", "etc", "proc"]) mkdirSync(join(rootfs, name), { recursive: true });
      copyFileSync("/usr/bin/busybox", join(rootfs, "bin/busybox"));
      writeFileSync(join(rootfs, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
      const spec = {
        ociVersion: "1.0.2",
        process: { user: { uid: 0, gid: 0 }, args: ["/bin/busybox", "cat", "/proc/self/cgroup"], cwd: "/" },
        root: { path: rootfs },
        mounts: [{ destination: "/proc", type: "proc", source: "proc" }],
        linux: {
          namespaces: ["pid", "mount", "ipc", "uts", "network", "cgroup"].map((type) => ({ type })),
          resources: { pids: { limit: 17 }, memory: { limit: 64 * 1024 * 1024 } },
        },
      };
      writeFileSync(join(folder, "config.json"), JSON.stringify(spec));
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    test("crun", async () => {
      expect((await call(["crun", "run", "-b", folder, "platform-crun"])).trim()).toBe("0::/");
    });

    test("conmon with crun, limits in force", async () => {
      const id = "platform-conmon";
      const exits = join(folder, "exits");
      mkdirSync(exits);
      const log = join(folder, "log");
      const words = ["--api-version", "1", "-c", id, "-u", id, "-b", folder, "-p", join(folder, "pid")];
      words.push("-r", "/usr/bin/crun", "--exit-dir", exits, "-l", `k8s-file:${log}`, "--full-attach");
      const conmon = Bun.spawn(["conmon", ...words], {
        stdio: ["ignore", "ignore", "inherit", "pipe"],
        env: { ...process.env, _OCI_SYNCPIPE: "3" },
      });
      try {
        // It says there, as JSON, the pid of the container (`data` from API version 1 on).
        const answer = await Bun.file(conmon.stdio[3]!).stream().getReader().read();
        expect(JSON.parse(new TextDecoder().decode(answer.value))).toEqual({ data: expect.any(Number) });
        const { status } = JSON.parse(await call(["crun", "state", id])) as { status: string };
        expect(status).toBe("created");
        const [, group] = /^0::(.*)$/m.exec(read(`/proc/${read(join(folder, "pid"))}/cgroup`)) ?? [];
        expect(read(`/sys/fs/cgroup${group}/pids.max`)).toBe("17");
        expect(read(`/sys/fs/cgroup${group}/memory.max`)).toBe(String(64 * 1024 * 1024));
        await call(["crun", "start", id]);
        while (!readdirSync(exits).includes(id)) await Bun.sleep(10);
        expect(read(join(exits, id))).toBe("0");
        expect(read(log)).toEndWith("stdout F 0::/");
      } finally {
        await call(["crun", "delete", "--force", id]);
      }
    });

    test("a mount of EROFS from a file, and overlay on it", async () => {
      const image = join(folder, "image.erofs");
      const points = ["lower", "upper", "work", "merged"].map((name) => join(folder, name));
      for (const point of points) mkdirSync(point);
      const [lower, upper, work, merged] = points;
      await call(["mkfs.erofs", "--quiet", image, join(folder, "rootfs")]);
      await call(["mount", "-t", "erofs", "-o", "ro", image, lower!]);
      try {
        await call([
          "mount",
          "-t",
          "overlay",
          "-o",
          `lowerdir=${lower},upperdir=${upper},workdir=${work}`,
          "o",
          merged!,
        ]);
        try {
          writeFileSync(join(merged!, "etc/passwd"), "changed\n");
          expect(read(join(upper!, "etc/passwd"))).toBe("changed");
          expect(read(join(lower!, "etc/passwd"))).toStartWith("root:");
        } finally {
          await call(["umount", merged!]);
        }
      } finally {
        await call(["umount", lower!]);
      }
    });

    test("bridges, pairs of veth, and nft with what a container network needs", async () => {
      const bridge = "platform0";
      await call(["ip", "link", "add", bridge, "type", "bridge"]);
      try {
        await call(["ip", "link", "add", "platform1", "type", "veth", "peer", "name", "platform2"]);
        await call(["ip", "link", "set", "platform1", "master", bridge]);
        const rules = `table ip platform {
          map ports { type inet_proto . inet_service : ipv4_addr . inet_service; }
          chain out { type nat hook postrouting priority srcnat; iifname "${bridge}" masquerade; }
          chain in { type nat hook prerouting priority dstnat; dnat ip to meta l4proto . th dport map @ports; }
          chain forward { type filter hook forward priority filter; ct state established,related accept; }
        }`;
        const file = join(folder, "rules");
        writeFileSync(file, rules);
        await call(["nft", "-f", file]);
        expect(await call(["nft", "list", "table", "ip", "platform"])).toContain("masquerade");
        await call(["nft", "delete", "table", "ip", "platform"]);
      } finally {
        await call(["ip", "link", "delete", bridge]);
        await call(["ip", "link", "delete", "platform1"]);
      }
    });
  });
}
