/** The hub inside the server: when it stands in for Docker Hub, what is told of it, and how its images give way. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createServer } from "node:net";
import {
  buildImage,
  clients,
  describeNeeding,
  type FakeRegistry,
  fakeRegistry,
  type Server,
  startServer,
} from "./harness/harness.ts";

const needs = ["root", "crun", "conmon", "nft"];

/** Nobody listens there: whoever must go through it reaches nothing. */
async function deadEnd(): Promise<string> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, "127.0.0.1", done));
  const { port } = probe.address() as { port: number };
  await new Promise((done) => probe.close(done));
  return `http://127.0.0.1:${port}`;
}

describeNeeding(...needs)("the embedded hub", () => {
  let server: Server;
  let mirror: FakeRegistry;
  const official = buildImage([[{ name: "official", data: "x" }]], { config: { Cmd: ["/official"] } });
  let up = false;

  beforeAll(async () => {
    mirror = fakeRegistry();
    await mirror.push(official, "library/hello-world");
    await mirror.push(official, "library/other");
    // Docker Hub's stand-in. Docker Hub itself is not reached from here, whatever the machine's network is.
    mirror.intercept = () => (up ? undefined : new Response(null, { status: 503 }));
    const proxy = await deadEnd();
    server = await startServer({
      args: ["--registry-mirror", `http://${mirror.host}`],
      env: { HTTPS_PROXY: proxy, HTTP_PROXY: proxy, NO_PROXY: "" },
    });
  }, 60_000);
  afterAll(async () => {
    await server?.cleanup();
    await mirror?.cleanup();
  }, 60_000);

  const originOf = async (name: string): Promise<[unknown, string[], Record<string, string> | null]> => {
    const found = (await (await server.request(`/images/${name}/json`)).json()) as {
      Origin: unknown;
      RepoDigests: string[];
      Config: { Labels: Record<string, string> | null };
    };
    return [found.Origin, found.RepoDigests, found.Config.Labels];
  };

  for (const client of clients) {
    describeNeeding(...client.needs)(`by ${client.name}`, () => {
      test("serves what it has when Docker Hub cannot be reached, and says so in one line", async () => {
        up = false;
        await client.call(server, ["rmi", "-f", "hello-world"]);
        const result = await client.call(server, ["pull", "hello-world"]);
        expect(result).toMatchObject({ code: 0, stderr: "" });
        const lines = result.stdout.split("\n").filter((line) => /embedded/.test(line));
        expect(lines).toHaveLength(1);
        expect(lines[0]).toMatch(
          /^Docker Hub cannot be reached \(.+\): hello-world:latest comes from the hub embedded/,
        );
        expect(lines[0]).toContain("not the official image");
      });

      test("its image is never taken for the official one", async () => {
        const [origin, digests, labels] = await originOf("hello-world");
        expect(origin).toBe("embedded-hub");
        // A digest of docker.io/library/hello-world it has not: there is none of these bytes.
        expect(digests).toEqual([]);
        expect(labels).toMatchObject({ "io.gantry.origin": "embedded-hub" });
        const inspected = await client.call(server, ["image", "inspect", "hello-world"]);
        expect(inspected.stdout).toContain('"io.gantry.origin": "embedded-hub"');
        const found = ["images", "-q", "--filter", "label=io.gantry.origin=embedded-hub"];
        expect((await client.call(server, found)).stdout).toMatch(/^[0-9a-f]{12}\n$/);
      });

      test("its image gives way to the next pull that gets through", async () => {
        up = true;
        // The server does not try again for some seconds what it could not reach; a new one does.
        await server.restart();
        const result = await client.call(server, ["pull", "hello-world"]);
        expect(result).toMatchObject({ code: 0 });
        expect(result.stdout).not.toMatch(/embedded/);
        expect(result.stdout).toContain("Status: Downloaded newer image for hello-world:latest");
        const [origin, digests, labels] = await originOf("hello-world");
        expect([origin, digests, labels]).toEqual(["registry", [`hello-world@${official.digest}`], null]);
        await client.call(server, ["rmi", "hello-world"]);
        await client.call(server, ["image", "prune", "-f"]);
        expect((await client.call(server, ["images", "-aq"])).stdout).toBe("");
      });

      test("does not stand in for what it has not, for other repositories, or for a digest", async () => {
        up = false;
        await server.restart();
        for (const reference of ["other", "me/hello-world", "hello-world:9", `hello-world@${official.digest}`]) {
          const result = await client.call(server, ["run", reference]);
          expect(result).toMatchObject({ code: 125, stdout: "" });
          expect(result.stderr).toContain("Error response from daemon: ");
          expect(result.stderr).toContain(reference.replace(/[@:].*/, ""));
          expect(result.stderr).not.toMatch(/embedded/);
        }
      });
    });
  }
});

describeNeeding(...needs)("with --embedded-hub off", () => {
  test("nothing stands in", async () => {
    const server = await startServer({ args: ["--embedded-hub", "off"], env: { HTTPS_PROXY: await deadEnd() } });
    try {
      const result = await server.cli(["run", "hello-world"]);
      expect(result).toMatchObject({ code: 125, stdout: "" });
      expect(result.stderr).toContain("hello-world");
      expect((await server.cli(["images", "-q"])).stdout).toBe("");
    } finally {
      await server.cleanup();
    }
  });
});

for (const architecture of ["amd64", "arm64"]) {
  describeNeeding(...needs)(`with --embedded-hub only, for ${architecture}`, () => {
    test("there is hello-world", async () => {
      const server = await startServer({ args: ["--embedded-hub", "only"] });
      try {
        const result = await server.cli(["pull", "--platform", `linux/${architecture}`, "hello-world"]);
        expect(result).toMatchObject({ code: 0 });
        const shown = await server.cli(["inspect", "--format", "{{.Architecture}}", "hello-world"]);
        expect(shown.stdout).toBe(`${architecture}\n`);
      } finally {
        await server.cleanup();
      }
    });
  });
}
