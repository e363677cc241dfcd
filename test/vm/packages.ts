/** Fetches packages of a Debian release with apt lists of their own: this machine's sources and packages stay as they are. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { call } from "./call.ts";

/** What packages need only to be installed and configured: files that are merely unpacked do without. */
const forInstallation = new Set([
  "adduser",
  "cdebconf",
  "debconf",
  "dracut",
  "init-system-helpers",
  "initramfs-tools",
  "libcap2-bin",
  "linux-base",
  "openssl",
  "readline-common",
  "tiny-initramfs",
]);

/** The names in a list with comments. */
export function parseList(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter((line) => line !== "");
}

/**
 * What `apt-cache depends --recurse --important` says: each package with what it depends on. Of alternatives
 * (`|Depends: a`, then `Depends: b`) and of the packages that provide a virtual one, the first is taken.
 */
export function parseDepends(text: string): Map<string, string[]> {
  const graph = new Map<string, string[]>();
  let current: string[] = [];
  let alternative = false; // The line before was the first of alternatives, and is taken.
  let virtual = false; // The line before named a virtual package: its providers follow.
  for (const line of text.split("\n")) {
    const relation = /^ ([ |])(?:Pre)?Depends: (<?)([^>\s]+)/.exec(line);
    if (relation) {
      const [, mark, bracket, name] = relation;
      virtual = bracket === "<" && !alternative;
      if (!alternative && bracket !== "<") current.push(name!);
      alternative = mark === "|";
    } else if (/^ {4}\S/.test(line)) {
      if (virtual) current.push(line.trim());
      virtual = false;
    } else if (/^[^ <]/.test(line)) {
      current = [];
      graph.set(line.trim(), current);
      alternative = virtual = false;
    }
  }
  return graph;
}

/** `wanted` and everything they depend on, without `skip` and what only those need; sorted. */
export function closure(graph: Map<string, string[]>, wanted: string[], skip: ReadonlySet<string>): string[] {
  const found = new Set<string>();
  const waiting = [...wanted];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (found.has(name) || skip.has(name)) continue;
    found.add(name);
    waiting.push(...(graph.get(name) ?? []));
  }
  return [...found].sort();
}

/**
 * The mirror of Debian's archive in the output of `apt-get indextargets --format '$(REPO_URI) $(LABEL)'`: the first that
 * calls itself Debian; where no list was ever fetched (then there are no labels), the first whose path is /debian.
 */
export function mirror(targets: string): string | undefined {
  const lines = targets.split("\n").map((line) => line.trim().split(" "));
  const uri =
    lines.find(([, ...label]) => label.join(" ") === "Debian") ?? lines.find(([u]) => u && /\/debian\/?$/.test(u));
  return uri?.[0];
}

/** A sources file (deb822) for the main part of `release`. */
export function sources(uri: string, release: string, keyring: string | undefined): string {
  const lines = ["Types: deb", `URIs: ${uri}`, `Suites: ${release}`, "Components: main"];
  if (keyring) lines.push(`Signed-By: ${keyring}`);
  return `${lines.join("\n")}\n`;
}

/**
 * Fetches the newest versions of `wanted`, and of what they depend on, into `folder`/deb, and returns the files' paths.
 * Takes apt-get and apt-cache; fails with what they say.
 */
export async function fetchPackages(folder: string, release: string, wanted: string[]): Promise<string[]> {
  const targets = await call(["apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL)", "Created-By: Packages"]);
  const uri = mirror(targets);
  if (uri === undefined) throw new Error("apt has no source of Debian's archive");
  const lists = join(folder, "lists");
  const archive = join(folder, "deb");
  for (const path of [join(lists, "partial"), archive]) mkdirSync(path, { recursive: true });
  const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
  const list = join(folder, `${release}.sources`);
  writeFileSync(list, sources(uri, release, (await Bun.file(keyring).exists()) ? keyring : undefined));
  const own = [
    `Dir::Etc::sourcelist=${list}`,
    "Dir::Etc::sourceparts=-",
    `Dir::State::Lists=${lists}`,
    "Dir::State::status=/dev/null",
    "Dir::Cache::pkgcache=",
    "Dir::Cache::srcpkgcache=",
    "Acquire::Languages=none",
    "Acquire::Retries=3",
    "APT::Sandbox::User=root",
    "APT::Architecture=amd64",
    "APT::Architectures=amd64",
  ].flatMap((option) => ["-o", option]);
  await call(["apt-get", "-qq", ...own, "update"]);
  const graph = parseDepends(await call(["apt-cache", ...own, "depends", "--recurse", "--important", ...wanted]));
  const names = closure(graph, wanted, forInstallation);
  await call(["apt-get", "-qq", ...own, "download", ...names], { cwd: archive, limit: 600_000 });
  return [...new Bun.Glob("*.deb").scanSync({ cwd: archive, absolute: true })].sort();
}
