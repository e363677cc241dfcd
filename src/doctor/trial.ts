/** Tries something for real, in namespaces that vanish with the program. */

/** What the program said, and whether it went well. */
export interface Trial {
  ok: boolean;
  said: string;
}

/** Runs `argv` in new namespaces of these kinds (unshare(1), of util-linux). */
export async function inNamespaces(kinds: ("net" | "mount")[], argv: string[], input = ""): Promise<Trial> {
  try {
    const child = Bun.spawn(["unshare", ...kinds.map((kind) => `--${kind}`), ...argv], {
      stdin: Buffer.from(input),
      stdout: "ignore",
      stderr: "pipe",
      timeout: 10_000,
    });
    const [said, code] = await Promise.all([child.stderr.text(), child.exited]);
    return { ok: code === 0, said: said.trim().replace(/\s+/g, " ").slice(0, 200) };
  } catch (error) {
    return { ok: false, said: (error as Error).message };
  }
}
