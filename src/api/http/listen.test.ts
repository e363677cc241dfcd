import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { createApiServer } from "../server.ts";
import { createFakeEngine } from "../testing/fake-engine.ts";
import { RawClient, request } from "../testing/harness.ts";

let directory: string;
let servers: ReturnType<typeof createApiServer>[];
const clients: RawClient[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "gantry-listen-"));
  servers = [];
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  for (const server of servers) await server.close(0);
  rmSync(directory, { recursive: true, force: true });
});

function newServer() {
  const quiet = () => {};
  const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
  const server = createApiServer({ engine: createFakeEngine(), version: "0", log });
  servers.push(server);
  return server;
}

async function ping(socket: net.Socket): Promise<string> {
  const client = new RawClient(socket);
  clients.push(client);
  client.send(request("GET", "/_ping"));
  return (await client.answer()).text;
}

describe("a Unix socket", () => {
  test("has its mode and group before anyone can connect, and goes with the server", async () => {
    const path = join(directory, "deep", "api.sock");
    await newServer().listen({ unix: path, group: "nogroup" });
    const stat = statSync(path);
    const nogroup = /^nogroup:[^:]*:(\d+)/m.exec(readFileSync("/etc/group", "utf8"))?.[1];
    expect([stat.mode & 0o777, stat.gid]).toEqual([0o660, Number(nogroup)]);
    expect(readdirSync(join(directory, "deep"))).toEqual(["api.sock"]);
    expect(await ping(net.connect(path))).toBe("OK");
    await servers[0]?.close(0);
    expect(readdirSync(join(directory, "deep"))).toEqual([]);
  });

  test("that a dead server left is replaced, a live one respected", async () => {
    const path = join(directory, "api.sock");
    const dead = Bun.spawn([
      process.execPath,
      "-e",
      `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`,
    ]);
    await dead.exited;
    expect(existsSync(path)).toBe(true);
    await newServer().listen({ unix: path });
    expect(await ping(net.connect(path))).toBe("OK");
    await expect(newServer().listen({ unix: path })).rejects.toThrow(`another server answers on unix://${path}`);
    expect(await ping(net.connect(path))).toBe("OK");
  });

  test("of another server in its place is not removed", async () => {
    const path = join(directory, "api.sock");
    const first = newServer();
    await first.listen({ unix: path });
    rmSync(path);
    await newServer().listen({ unix: path });
    await first.close(0);
    expect(await ping(net.connect(path))).toBe("OK");
  });

  test("is refused where something else is, with a group that is not there, with too long a path", async () => {
    const path = join(directory, "file");
    writeFileSync(path, "precious");
    await expect(newServer().listen({ unix: path })).rejects.toThrow("exists and is not a socket");
    expect(readFileSync(path, "utf8")).toBe("precious");
    await expect(newServer().listen({ unix: join(directory, "s"), group: "no-such-group" })).rejects.toThrow(
      "group no-such-group not found",
    );
    await expect(newServer().listen({ unix: `/tmp/${"x".repeat(120)}` })).rejects.toThrow("100 bytes at most");
  });
});

describe("TCP", () => {
  test("without TLS; a port that is taken is named", async () => {
    const { port = 0 } = await newServer().listen({ host: "127.0.0.1", port: 0 });
    expect(await ping(net.connect(port, "127.0.0.1"))).toBe("OK");
    await expect(newServer().listen({ host: "127.0.0.1", port })).rejects.toThrow("in use");
  });

  test.skipIf(!Bun.which("openssl"))(
    "with TLS lets in who shows a certificate of the authority, and no one else",
    async () => {
      const keys = makeKeys(directory);
      const { port = 0 } = await newServer().listen({
        host: "127.0.0.1",
        port: 0,
        tls: { ...keys.server, ca: keys.ca },
      });
      const options = { port, host: "127.0.0.1", ca: keys.ca, servername: "localhost" };
      expect(await ping(tls.connect({ ...options, ...keys.client }))).toBe("OK");

      for (const wrong of [{}, keys.stranger]) {
        const client = new RawClient(tls.connect({ ...options, ...wrong }));
        clients.push(client);
        client.send(request("GET", "/_ping"));
        expect((await client.rest()).length).toBe(0);
      }
      const plain = new RawClient(net.connect(port, "127.0.0.1"));
      clients.push(plain);
      plain.send(request("GET", "/_ping"));
      expect((await plain.rest()).toString()).not.toContain("OK");
      expect(await ping(tls.connect({ ...options, ...keys.client }))).toBe("OK");
    },
  );
});

test("an inherited descriptor is served", async () => {
  const path = join(directory, "inherited.sock");
  const served = `
    import { createApiServer } from ${JSON.stringify(join(import.meta.dir, "../server.ts"))};
    import { createFakeEngine } from ${JSON.stringify(join(import.meta.dir, "../testing/fake-engine.ts"))};
    const quiet = () => {};
    const log = { debug: quiet, info: quiet, warn: quiet, error: quiet };
    await createApiServer({ engine: createFakeEngine(), version: "0", log }).listen({ fd: 3 });
    console.log(process.pid);
  `;
  // It holds the socket and is stuck in the call, so that it accepts nothing itself.
  const holds = `
    const server = require("net").createServer().listen(${JSON.stringify(path)}, () =>
      Bun.spawnSync([process.execPath, "-e", ${JSON.stringify(served)}], {
        stdio: ["ignore", "inherit", "inherit", server._handle.fd],
      }));
  `;
  const holder = Bun.spawn([process.execPath, "-e", holds], { stdio: ["ignore", "pipe", "inherit"] });
  let child = 0;
  try {
    const { value } = await holder.stdout.getReader().read();
    child = Number(new TextDecoder().decode(value));
    expect(await ping(net.connect(path))).toBe("OK");
  } finally {
    if (child > 0) process.kill(child);
    holder.kill();
    await holder.exited;
  }
});

/** An authority, keys that it signed for a server and a client, and a client's that another one signed. */
function makeKeys(where: string) {
  const openssl = (...args: string[]) => {
    const { exitCode, stderr } = Bun.spawnSync(["openssl", ...args], { cwd: where, stderr: "pipe" });
    if (exitCode !== 0) throw new Error(stderr.toString());
  };
  const authority = (name: string) =>
    openssl(
      ...`req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=${name} -keyout ${name}.key -out ${name}.pem`.split(" "),
    );
  const signed = (name: string, by: string) => {
    openssl(...`req -newkey rsa:2048 -nodes -subj /CN=${name} -keyout ${name}.key -out ${name}.csr`.split(" "));
    writeFileSync(join(where, `${name}.ext`), "subjectAltName=DNS:localhost,IP:127.0.0.1\n");
    openssl(
      ...`x509 -req -in ${name}.csr -CA ${by}.pem -CAkey ${by}.key -CAcreateserial -days 2 -extfile ${name}.ext -out ${name}.pem`.split(
        " ",
      ),
    );
    return {
      cert: readFileSync(join(where, `${name}.pem`), "utf8"),
      key: readFileSync(join(where, `${name}.key`), "utf8"),
    };
  };
  authority("authority");
  authority("other");
  return {
    ca: readFileSync(join(where, "authority.pem"), "utf8"),
    server: signed("server", "authority"),
    client: signed("client", "authority"),
    stranger: signed("stranger", "other"),
  };
}
