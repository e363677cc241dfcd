/**
 * Builds the whole product, dist/gantry: src/main.ts and every worker in one executable with bytecode, modules loaded
 * when they are first asked for (`--splitting`: a command of the CLI starts without the server's code).
 *
 *   bun scripts/build.ts [--outfile FILE]
 *
 * A worker is a file named `worker.ts` or `NAME.worker.ts` under src/, started by
 * `new Worker(new URL("./worker.ts", import.meta.url))`, that exact form: in a split executable the code that starts it
 * stands in a chunk at the root, where its `import.meta.url` no longer leads to the worker. The build puts the
 * worker's place in the executable there.
 */
import { mkdirSync, renameSync, rmSync, utimesSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { Glob } from "bun";

const root = resolve(import.meta.dir, "..");
const src = resolve(root, "src");

/** The form in which code refers to a worker; the first group is the relative path. */
export const workerUrl = /new URL\(\s*"(\.{1,2}\/(?:[^"]*[./])?worker\.ts)"\s*,\s*import\.meta\.url,?\s*\)/g;

/** `source` of the file at `path`, its workers' addresses replaced by those in the executable. */
export function embedWorkers(source: string, path: string, workers: Set<string>, base: string): string {
  return source.replace(workerUrl, (_, specifier: string) => {
    const worker = resolve(dirname(path), specifier);
    if (!workers.has(worker)) throw new Error(`${path} starts ${specifier}, which is not there`);
    const embedded = relative(base, worker).replace(/\.ts$/, ".js");
    return `new URL(${JSON.stringify(`file:///$bunfs/root/${embedded}`)})`;
  });
}

function commit(): string {
  const git = Bun.spawnSync(["git", "-C", root, "rev-parse", "--short=12", "HEAD"], { stderr: "ignore" });
  return git.success ? git.stdout.toString().trim() : "unknown";
}

async function build(outfile: string): Promise<void> {
  const began = new Date();
  const { version } = (await Bun.file(resolve(root, "package.json")).json()) as { version: string };
  const workers = new Set(
    [...new Glob("**/*.ts").scanSync({ cwd: src, absolute: true })].filter((path) => /[./]worker\.ts$/.test(path)),
  );
  mkdirSync(dirname(outfile), { recursive: true });
  // Renamed when it is whole: who runs the old one meanwhile keeps it, and no one finds half of the new one.
  const temporary = `${outfile}.${process.pid}`;
  try {
    const result = await Bun.build({
      entrypoints: [resolve(src, "main.ts"), ...workers],
      root: src,
      target: "bun",
      format: "esm",
      splitting: true,
      minify: true,
      bytecode: true,
      sourcemap: "none",
      define: {
        GANTRY_VERSION: JSON.stringify(version),
        GANTRY_COMMIT: JSON.stringify(commit()),
        GANTRY_BUILT: JSON.stringify(began.toISOString()),
      },
      // It reads no .env and no bunfig.toml (which can name code to run) of the folder where it is called.
      compile: { outfile: temporary, autoloadDotenv: false, autoloadBunfig: false },
      plugins: [
        {
          name: "workers",
          setup(builder) {
            builder.onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => ({
              loader: "ts",
              contents: embedWorkers(await Bun.file(path).text(), path, workers, src),
            }));
          },
        },
      ],
    });
    for (const log of result.logs) console.error(log);
    if (!result.success) throw new Error("the build failed");
    // The launcher compares sources with it: what changed while we built must be newer.
    utimesSync(temporary, began, began);
    renameSync(temporary, outfile);
  } finally {
    rmSync(temporary, { force: true });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { outfile: { type: "string", default: resolve(root, "dist/gantry") } } });
  await build(resolve(values.outfile));
}
