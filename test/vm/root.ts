/** The guest's kernel and root file system, made from Debian's packages and kept until what they are made of changes. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { call } from "./call.ts";
import { makeImage } from "./image.ts";
import { fetchPackages, parseList } from "./packages.ts";

const release = "trixie";
/** MB; the image is sparse. */
const rootSize = 8192;

export interface GuestSystem {
  /** The compressed kernel. */
  kernel: string;
  /** As uname -r says it. */
  version: string;
  /** An ext4 image of the root file system. Nobody may write to it. */
  image: string;
}

const here = (name: string): string => join(import.meta.dir, name);

/** What the system is made of, as one word: another word, another system. */
function recipe(): string {
  const hash = createHash("sha256").update(release);
  for (const file of ["packages.txt", "packages.ts", "root.ts", "image.ts", "guest/init"]) {
    hash.update(readFileSync(here(file)));
  }
  return hash.digest("hex").slice(0, 16);
}

/**
 * The system in `cache`, made if it is not there yet (a minute, 65 MB from Debian's mirror). `say` is told what takes
 * time. With `refresh` it is made anew of the packages' newest versions.
 */
export async function guestSystem(
  cache: string,
  say: (text: string) => void,
  options: { refresh?: boolean } = {},
): Promise<GuestSystem> {
  const made = join(cache, `system-${recipe()}`);
  if (options.refresh) rmSync(made, { recursive: true, force: true });
  if (!existsSync(made)) {
    for (const name of existsSync(cache) ? readdirSync(cache) : []) {
      if (/^system-[0-9a-f]{16}$/.test(name)) rmSync(join(cache, name), { recursive: true, force: true });
    }
    const work = join(cache, `system-new-${process.pid}`);
    try {
      mkdirSync(work, { recursive: true });
      await makeSystem(work, say);
      renameSync(work, made);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  }
  const version = readFileSync(join(made, "version"), "utf8").trim();
  return { kernel: join(made, "vmlinuz"), version, image: join(made, "root.ext4") };
}

async function makeSystem(work: string, say: (text: string) => void): Promise<void> {
  say(`fetching packages of Debian ${release} for the guest`);
  const packages = await fetchPackages(work, release, parseList(readFileSync(here("packages.txt"), "utf8")));
  const root = join(work, "root");
  say(`unpacking ${packages.length} packages`);
  makeFolders(root);
  for (const path of packages) await call(["dpkg-deb", "-x", path, root]);
  const version = readdirSync(join(root, "usr/lib/modules"))[0];
  if (version === undefined) throw new Error("Debian's kernel package has no modules");
  copyFileSync(join(root, "boot", `vmlinuz-${version}`), join(work, "vmlinuz"));
  writeFileSync(join(work, "version"), version);
  await configure(root, version);
  for (const name of ["boot", "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/ca-certificates"]) {
    rmSync(join(root, name), { recursive: true, force: true });
  }
  say("making the disk");
  await makeImage(join(work, "root.ext4"), root, { label: "root", megabytes: rootSize });
  for (const name of ["root", "deb", "lists"]) rmSync(join(work, name), { recursive: true, force: true });
}

/** Debian's merged /usr, and the folders of a machine. */
function makeFolders(root: string): void {
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    mkdirSync(join(root, "usr", name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
  const folders = ["dev", "etc", "gantry", "proc", "root", "run", "sys", "tmp", "var/lib", "var/log", "var/tmp"];
  for (const name of folders) mkdirSync(join(root, name), { recursive: true });
  for (const name of ["tmp", "var/tmp"]) chmodSync(join(root, name), 0o1777);
  symlinkSync("../run", join(root, "var/run"));
}

/** Does what the packages' own scripts would do, as far as the guest needs it. */
async function configure(root: string, version: string): Promise<void> {
  const files: Record<string, string> = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1 localhost gantry-guest\n::1 localhost\n",
    "etc/hostname": "gantry-guest\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/resolv.conf": "",
    "etc/os-release": 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (packages only)"\n',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
  copyFileSync(here("guest/init"), join(root, "usr/sbin/init"));
  chmodSync(join(root, "usr/sbin/init"), 0o755);

  const certificates = [
    ...new Bun.Glob("**/*.crt").scanSync({ cwd: join(root, "usr/share/ca-certificates"), absolute: true }),
  ];
  mkdirSync(join(root, "etc/ssl/certs"), { recursive: true });
  writeFileSync(
    join(root, "etc/ssl/certs/ca-certificates.crt"),
    certificates
      .sort()
      .map((path) => readFileSync(path, "utf8"))
      .join(""),
  );
  for (const name of ["iptables", "ip6tables"]) {
    for (const suffix of ["", "-save", "-restore"]) link(root, "usr/sbin", `${name}${suffix}`, "xtables-nft-multi");
  }
  // Debian's shell: busybox's takes its own applets before the programs of the same name.
  link(root, "usr/bin", "sh", "dash");
  // Busybox stands in for every usual command that no package brought.
  const applets = await call([join(root, "usr/bin/busybox"), "--list"]);
  const missing = applets
    .split("\n")
    .filter((name) => name !== "" && !has(root, "usr/bin", name) && !has(root, "usr/sbin", name));
  for (const name of missing) link(root, "usr/bin", name, "busybox");
  // The guest's own depmod, by its own loader: this machine may have none.
  await call([
    join(root, "usr/lib64/ld-linux-x86-64.so.2"),
    ...["--library-path", join(root, "usr/lib/x86_64-linux-gnu"), "--argv0", "depmod"],
    ...[join(root, "usr/bin/kmod"), "-b", root, version],
  ]);
}

/** Also for a dangling link, which existsSync denies. */
function has(root: string, folder: string, name: string): boolean {
  return lstatSync(join(root, folder, name), { throwIfNoEntry: false }) !== undefined;
}

function link(root: string, folder: string, name: string, target: string): void {
  if (!has(root, folder, name)) symlinkSync(target, join(root, folder, name));
}
