/** The main line: what a person types first. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { describeNeeding, type Result, type Server, startServer } from "./harness/harness.ts";

const engine = ["root", "crun", "conmon", "nft"];

/** The image's own words, in part: it tells the five steps that just happened. */
const greeting = /hello[\s\S]*1[\s\S]*2[\s\S]*3[\s\S]*4[\s\S]*5/i;

const clients = [
  { name: "gantry", needs: engine, call: (server: Server, argv: string[]) => server.cli(argv) },
  { name: "docker", needs: [...engine, "docker"], call: (server: Server, argv: string[]) => server.docker(argv) },
];

for (const { name, needs, call } of clients) {
  describeNeeding(...needs)(`${name} run hello-world`, () => {
    let server: Server;
    let first: Result;
    beforeAll(async () => {
      // The hub inside the server is the only source: the test does not depend on who reaches Docker Hub.
      server = await startServer({ args: ["--embedded-hub", "only"] });
      first = await call(server, ["run", "hello-world"]);
    }, 60_000);
    afterAll(() => server?.cleanup(), 60_000);

    test("pulls the image and prints its greeting", () => {
      expect(first.stderr).toContain("Unable to find image 'hello-world:latest' locally");
      expect(first.stderr).toMatch(/Digest: sha256:[0-9a-f]{64}/);
      expect(first.stderr).toContain("Status: Downloaded newer image for hello-world:latest");
      expect(first.stdout).toMatch(greeting);
      expect(first.code).toBe(0);
    });

    test("says that the image is not the official one", () => {
      expect(first.stderr.split("\n").filter((line) => /embedded/i.test(line))).toHaveLength(1);
    });

    if (name === "gantry") {
      test("shows the origin in images and inspect", async () => {
        expect((await server.cli(["images"])).stdout).toMatch(/ORIGIN *\n.*embedded-hub/);
        const inspected = await server.cli(["inspect", "-f", "{{.Origin}} {{.RepoDigests}}", "hello-world"]);
        expect(inspected.stdout).toBe("embedded-hub []\n");
      });
    }

    test("pulls nothing the second time", async () => {
      const second = await call(server, ["run", "hello-world"]);
      expect(second).toEqual({ code: 0, stdout: first.stdout, stderr: "" });
    });

    test("keeps both containers, ended with 0", async () => {
      const { stdout } = await call(server, ["ps", "-a", "--format", "{{.Image}} {{.Status}}"]);
      const lines = stdout.trimEnd().split("\n");
      expect(lines).toHaveLength(2);
      for (const line of lines) expect(line).toMatch(/^hello-world Exited \(0\) /);
    });

    test("finds image and containers again after the server was killed", async () => {
      await server.kill9();
      await server.restart();
      const after = await call(server, ["run", "--rm", "hello-world"]);
      expect(after).toEqual({ code: 0, stdout: first.stdout, stderr: "" });
      expect((await call(server, ["ps", "-aq"])).stdout.trimEnd().split("\n")).toHaveLength(2);
    });

    test("ends with 125 and Docker's text for an image that nobody has", async () => {
      const result = await call(server, ["run", "no-such-image-anywhere"]);
      expect(result.code).toBe(125);
      expect(result.stdout).toBe("");
      expect(result.stderr).toMatch(/Error response from daemon: .*no-such-image-anywhere/);
    });
  });
}
