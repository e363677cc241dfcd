import { expect, test } from "bun:test";
import type { ProgressLine } from "../../client/client.ts";
import { bar, drawProgress } from "./progress.ts";
import { imageRows } from "./rows.ts";

const escapeCode = String.fromCharCode(27);
const tokens = new RegExp(`${escapeCode}\\[\\d*[AK]|\\r|\\n|[^${escapeCode}\\r\\n]+`, "g");
const cursorUp = new RegExp(`^${escapeCode}\\[(\\d*)A$`);

/** A terminal that understands what the drawing uses: up, clear the line, return, newline. */
function terminal(rows: number, columns: number) {
  const lines: string[] = [""];
  let row = 0;
  return {
    lines,
    size: () => ({ rows, columns }),
    write(text: string) {
      for (const [token] of text.matchAll(tokens)) {
        const up = cursorUp.exec(token);
        if (up) {
          row -= Number(up[1] || 1);
          if (row < Math.max(0, lines.length - rows)) throw new Error("the cursor left the screen");
        } else if (token === "\x1b[2K") lines[row] = "";
        else if (token === "\n") {
          row++;
          lines[row] ??= "";
        } else if (token !== "\r") {
          if (token.length >= columns) throw new Error("a line wraps");
          lines[row] = token;
        }
      }
    },
  };
}

const steps: ProgressLine[] = [
  { status: "Pulling from library/x", id: "latest" },
  { status: "Pulling fs layer", progressDetail: {}, id: "aaa" },
  { status: "Pulling fs layer", progressDetail: {}, id: "bbb" },
  { status: "Downloading", progressDetail: { current: 50, total: 100 }, id: "aaa" },
  { status: "Pull complete", progressDetail: {}, id: "bbb" },
  { status: "Pull complete", progressDetail: {}, id: "aaa" },
  { status: "Digest: sha256:abc" },
  { status: "Status: Downloaded newer image for x:latest" },
];

test("on a terminal each layer has a line that is redrawn", () => {
  const screen = terminal(24, 80);
  const progress = drawProgress(screen);
  for (const step of steps) progress.show(step);
  progress.close();
  expect(screen.lines.filter((line) => line !== "")).toEqual([
    "latest: Pulling from library/x",
    "aaa: Pull complete",
    "bbb: Pull complete",
    "Digest: sha256:abc",
    "Status: Downloaded newer image for x:latest",
  ]);
});

test("more layers than rows, and narrow terminals, stay within the screen", async () => {
  for (const [rows, columns] of [
    [5, 40],
    [3, 10],
    [24, 200],
  ] as const) {
    const screen = terminal(rows, columns);
    const progress = drawProgress(screen);
    for (let round = 0; round < 3; round++) {
      for (let layer = 0; layer < 20; layer++) {
        progress.show({
          id: `layer${layer}`,
          status: "Downloading",
          progressDetail: { current: round * 10, total: 30 },
        });
      }
      await Bun.sleep(60);
    }
    progress.close();
    expect(screen.lines.length).toBeGreaterThanOrEqual(20);
  }
});

test("elsewhere there is a plain line for each step and no bar", () => {
  let text = "";
  const progress = drawProgress({
    size: () => undefined,
    write: (piece) => {
      text += piece;
    },
  });
  for (const step of steps) progress.show(step);
  progress.close();
  expect(text).toBe(
    "latest: Pulling from library/x\naaa: Pulling fs layer\nbbb: Pulling fs layer\nbbb: Pull complete\naaa: Pull complete\nDigest: sha256:abc\nStatus: Downloaded newer image for x:latest\n",
  );
});

test("bars", () => {
  expect(bar({ current: 0, total: 0 }, 200)).toBe("");
  expect(bar({ current: 1500, total: 0 }, 200)).toBe("   1.5kB");
  expect(bar({ current: 500, total: 1000 }, 80)).toBe("    500B/1kB");
  expect(bar({ current: 500, total: 1000 }, 200)).toBe(`[${"=".repeat(25)}>${" ".repeat(25)}]     500B/1kB`);
  expect(bar({ current: 2000, total: 1000 }, 200)).toBe(`[${"=".repeat(50)}>]      2kB`);
});

test("a row for each tag", () => {
  const image = { Id: "sha256:1", RepoTags: ["a:1", "a:2", "h:5000/b:1"], RepoDigests: ["a@sha256:x", "c@sha256:y"] };
  const rows = (digests: boolean) =>
    imageRows([image as never], digests).map(({ repository, tag, digest }) => [repository, tag, digest]);
  expect(rows(false)).toEqual([
    ["a", "1", "<none>"],
    ["a", "2", "<none>"],
    ["h:5000/b", "1", "<none>"],
    ["c", "<none>", "<none>"],
  ]);
  expect(rows(true)).toEqual([
    ["a", "1", "sha256:x"],
    ["a", "2", "sha256:x"],
    ["h:5000/b", "1", "<none>"],
    ["c", "<none>", "sha256:y"],
  ]);
  expect(imageRows([{ Id: "x", RepoTags: null } as never], false)).toMatchObject([
    { repository: "<none>", tag: "<none>" },
  ]);
});
