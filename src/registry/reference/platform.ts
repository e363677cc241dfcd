/** Platforms as text (`linux/arm64/v8`) and their order of preference, as containerd's platforms library has them. */
import type { Platform } from "../../storage/content/content.ts";

const systems = new Set(
  "aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 solaris wasip1 windows".split(" "),
);
const architectures = new Set(
  "386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm".split(" "),
);

/** Of this machine. */
export function hostPlatform(): Platform {
  const names: Record<string, string> = { x64: "amd64", arm64: "arm64", arm: "arm", ia32: "386" };
  return normalize({ os: "linux", architecture: names[process.arch] ?? process.arch });
}

/**
 * Parses `os`, `architecture`, `os/architecture` or `os/architecture/variant` and takes the usual spellings
 * (`x86_64`, `aarch64`, `armhf`) to Go's. What is missing is this machine's. Throws with containerd's texts.
 */
export function normalizePlatform(text: string): Platform {
  const shown = JSON.stringify(text);
  const parts = text.split("/");
  if (text === "" || parts.length > 3) throw new Error(`${shown}: cannot parse platform specifier: invalid argument`);
  for (const part of parts) {
    if (!/^[A-Za-z0-9_.-]{1,64}$/.test(part)) {
      throw new Error(
        `${JSON.stringify(part)} is an invalid component of ${shown}: ` +
          'platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument',
      );
    }
  }
  const [first = "", second, third] = parts;
  if (second !== undefined) {
    return normalize({ os: first, architecture: second, ...(third === undefined ? {} : { variant: third }) });
  }
  const os = normalizeSystem(first);
  if (systems.has(os)) return { ...hostPlatform(), os };
  const alone = normalize({ os: "linux", architecture: first });
  if (architectures.has(alone.architecture)) return alone;
  throw new Error(`${shown}: unknown operating system or architecture: invalid argument`);
}

const normalizeSystem = (os: string): string => {
  const small = os.toLowerCase();
  return small === "macos" ? "darwin" : small;
};

function normalize(platform: Platform): Platform {
  const { architecture, variant } = normalizeArchitecture(platform.architecture, platform.variant ?? "");
  return {
    os: normalizeSystem(platform.os),
    architecture,
    ...(variant === "" ? {} : { variant }),
    ...(platform["os.version"] ? { "os.version": platform["os.version"] } : {}),
  };
}

/** The variant that an architecture has by default is left away (arm64 v8, amd64 v1); arm's is always said (v7). */
function normalizeArchitecture(architecture: string, variant: string): { architecture: string; variant: string } {
  const small = architecture.toLowerCase();
  const level = /^\d/.test(variant) ? `v${variant.toLowerCase()}` : variant.toLowerCase();
  switch (small) {
    case "i386":
      return { architecture: "386", variant: "" };
    case "x86_64":
    case "x86-64":
    case "amd64":
      return { architecture: "amd64", variant: level === "v1" ? "" : level };
    case "aarch64":
    case "arm64":
      return { architecture: "arm64", variant: level === "v8" || level === "v8.0" ? "" : level };
    case "armhf":
      return { architecture: "arm", variant: "v7" };
    case "armel":
      return { architecture: "arm", variant: "v6" };
    case "arm":
      return { architecture: "arm", variant: level === "" ? "v7" : level };
    default:
      return { architecture: small, variant: level };
  }
}

/** `linux/arm64/v8`; without a variant two parts. */
export const formatPlatform = (platform: Platform): string =>
  [platform.os, platform.architecture, ...(platform.variant ? [platform.variant] : [])].join("/");

/** Whether an image for `candidate` runs where `wanted` is asked for. */
export const matchPlatform = (wanted: Platform, candidate: Platform): boolean =>
  rankPlatform(wanted, candidate) !== undefined;

/**
 * How well `candidate` fits `wanted`: 0 is the best, undefined not at all. Newer machines run what older ones do:
 * arm/v7 takes v6 and v5, arm64 takes 32-bit arm, amd64 takes lower levels and 386.
 */
export function rankPlatform(wanted: Platform, candidate: Platform): number | undefined {
  const from = normalize(wanted);
  const to = normalize(candidate);
  if (from.os !== to.os) return undefined;
  const version = from["os.version"];
  if (from.os === "windows" && version && to["os.version"] && !sameBuild(version, to["os.version"])) return undefined;
  const rank = compatible(from).indexOf(key(to));
  return rank < 0 ? undefined : rank;
}

/** Windows: major, minor and build must agree; the revision need not. */
const sameBuild = (a: string, b: string): boolean =>
  a.split(".").slice(0, 3).join(".") === b.split(".").slice(0, 3).join(".");

const key = (platform: Platform): string => `${platform.architecture}/${platform.variant ?? ""}`;

function compatible(platform: Platform): string[] {
  const { architecture } = platform;
  const variant = platform.variant ?? "";
  const level = Number(/^v(\d+)$/.exec(variant)?.[1] ?? Number.NaN);
  const keys = [key(platform)];
  if (architecture === "amd64") {
    for (let lower = Math.min(level, 9) - 1; lower > 1; lower--) keys.push(`amd64/v${lower}`);
    if (level > 1) keys.push("amd64/");
    keys.push("386/");
  } else if (architecture === "arm") {
    for (let lower = Math.min(level, 9) - 1; lower >= 5; lower--) keys.push(`arm/v${lower}`);
  } else if (architecture === "arm64") {
    const [, major, minor] = /^v(8|9)(?:\.(\d))?$/.exec(variant) ?? [];
    // ARMv9.N holds ARMv8.(N + 5).
    if (major === "9") {
      for (let lower = Number(minor ?? 0) - 1; lower >= 0; lower--)
        keys.push(`arm64/v9${lower === 0 ? "" : `.${lower}`}`);
    }
    const top = major === "9" ? Number(minor ?? 0) + 5 : Number(minor ?? 0) - 1;
    if (major !== undefined) {
      for (let lower = top; lower >= 1; lower--) keys.push(`arm64/v8.${lower}`);
      if (variant !== "") keys.push("arm64/");
    }
    for (const lower of ["v8", "v7", "v6", "v5"]) keys.push(`arm/${lower}`);
  }
  return keys;
}
