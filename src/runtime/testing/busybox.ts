/** For tests: a root file system of Debian's static busybox, and folders of a test's own. */
import { copyFileSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Spec } from "../spec/types.ts";

/** A new folder below the system's temporary one. */
export function temporaryFolder(name: string): string {
  return mkdtempSync(`${tmpdir()}/gantry-${name}-`);
}

/** Makes a root with busybox and its applets' names in `folder`. */
export function makeBusyboxRoot(folder: string): string {
  const rootfs = `${folder}/rootfs`;
  for (const name of ["bin", "dev", "etc", "proc", "sys", "tmp", "root", "sbin"]) {
    mkdirSync(`${rootfs}/${name}`, { recursive: true });
  }
  copyFileSync("/bin/busybox", `${rootfs}/bin/busybox`);
  const applets = Bun.spawnSync(["/bin/busybox", "--list"]).stdout.toString().split("\n").filter(Boolean);
  for (const applet of applets) if (applet !== "busybox") symlinkSync("busybox", `${rootfs}/bin/${applet}`);
  writeFileSync(`${rootfs}/etc/passwd`, "root:x:0:0:root:/root:/bin/sh\n");
  writeFileSync(`${rootfs}/etc/group`, "root:x:0:\n");
  writeFileSync(`${rootfs}/bin/notes`, "text\n", { mode: 0o644 });
  writeFileSync(`${rootfs}/bin/garbage`, "\x01\x02\x03", { mode: 0o755 });
  return rootfs;
}

/** The least that crun takes: for tests of the machinery, not of the defaults. */
export function plainSpec(rootfs: string, args: string[]): Spec {
  return {
    ociVersion: "1.0.2",
    process: { user: { uid: 0, gid: 0 }, args, env: ["PATH=/bin"], cwd: "/" },
    root: { path: rootfs },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "strictatime", "mode=755"] },
      { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance", "ptmxmode=0666"] },
    ],
    linux: { namespaces: [{ type: "pid" }, { type: "mount" }, { type: "ipc" }, { type: "uts" }, { type: "network" }] },
  };
}
