/** Tokens, through the client and a registry that asks for them. */
import { describe, expect, test } from "bun:test";
import {
  fail,
  type LabHandler,
  labRegistry,
  labsOfTests,
  linux,
  makeLabImage,
  pullAll,
  refusalOf,
  send,
  serveImage,
} from "../lab/lab.ts";
import { parseReference } from "../reference/reference.ts";
import { createTokens, type Fetch, TokenError, type TokenRequest } from "./tokens.ts";

const { lab } = labsOfTests();

const image = makeLabImage([Buffer.from("one"), Buffer.from("two")]);

/** A registry that takes `accepts` and sends others to `realm`. */
const guarded = (realm: string, accepts: (token: string) => boolean, more = ""): LabHandler => {
  const ok = serveImage(image);
  return (request, response, self) => {
    const token = /^Bearer (.*)$/.exec(request.headers.authorization ?? "")?.[1];
    if (token !== undefined && accepts(token)) return ok(request, response, self);
    const challenge = `Bearer realm="${realm}",service="lab",scope="repository:a/b:pull"${more}`;
    fail(response, 401, "UNAUTHORIZED", "authentication required", { "WWW-Authenticate": challenge });
  };
};

const issue =
  (value: object | string): LabHandler =>
  (_, response) =>
    send(response, 200, typeof value === "string" ? value : JSON.stringify(value));

describe("a registry with tokens", () => {
  test("is asked once for a pull of many parts, with service, scope and account", async () => {
    const service = await lab(issue({ token: "good", expires_in: 300 }));
    const { host, requests } = await lab(guarded(`${service.url}/token?x=1`, (token) => token === "good"));
    const credentials = { username: "me", password: "secret" };
    const registry = labRegistry();
    await pullAll(registry, `${host}/a/b`, { credentials });
    await pullAll(registry, `${host}/a/b`, { credentials });
    expect(service.requests).toHaveLength(1);
    const asked = new URL(service.requests[0]!.path, service.url);
    expect(Object.fromEntries(asked.searchParams)).toEqual({
      x: "1",
      account: "me",
      scope: "repository:a/b:pull",
      service: "lab",
    });
    expect(service.requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from("me:secret").toString("base64")}`);
    // One refusal; every other request brought its token, and never the password.
    expect(requests).toHaveLength(9);
    for (const request of requests.slice(1)) expect(request.headers.authorization).toBe("Bearer good");
  });

  test("keeps the tokens of different people and repositories apart", async () => {
    const service = await lab((request, response) => {
      const name = new URL(request.url!, "http://x").searchParams.get("account") ?? "nobody";
      send(response, 200, JSON.stringify({ access_token: name }));
    });
    const { host, requests } = await lab(guarded(service.url, () => true));
    const registry = labRegistry();
    await lab(serveImage(image));
    const ask = (name: string | undefined, repository: string) =>
      registry.resolve(
        parseReference(`${host}/${repository}`),
        linux,
        name ? { credentials: { username: name, password: "x" } } : {},
      );
    await ask("me", "a/b");
    await ask("you", "a/b");
    await ask(undefined, "a/b");
    await ask("me", "c");
    expect(requests.map((one) => one.headers.authorization).filter(Boolean)).toEqual([
      "Bearer me",
      "Bearer you",
      "Bearer nobody",
      "Bearer me",
    ]);
  });

  test("that does not take its token any more gets a new one", async () => {
    let number = 0;
    const service = await lab((_, response) =>
      send(response, 200, JSON.stringify({ token: `t${++number}`, expires_in: 300 })),
    );
    let valid = "t1";
    const { host } = await lab(guarded(service.url, (token) => token === valid));
    const registry = labRegistry();
    await pullAll(registry, `${host}/a/b`);
    valid = "t2";
    await pullAll(registry, `${host}/a/b`);
    expect(number).toBe(2);
    valid = "never";
    const error = await refusalOf(pullAll(registry, `${host}/a/b`));
    expect(error).toMatchObject({ kind: "unauthorized" });
    expect(number).toBeLessThan(6);
  });

  test("gets the identity token by a form, and a registry token as it is", async () => {
    const bodies: string[] = [];
    const service = await lab((request, response) => {
      let body = "";
      request.setEncoding("utf8").on("data", (part: string) => {
        body += part;
      });
      request.on("end", () => {
        bodies.push(body);
        send(response, 200, JSON.stringify({ access_token: "good" }));
      });
    });
    const { host } = await lab(guarded(service.url, (token) => token === "good" || token === "mine"));
    await pullAll(labRegistry(), `${host}/a/b`, { credentials: { identityToken: "refresh me" } });
    expect(service.requests[0]).toMatchObject({ method: "POST" });
    expect(Object.fromEntries(new URLSearchParams(bodies[0]))).toEqual({
      grant_type: "refresh_token",
      service: "lab",
      scope: "repository:a/b:pull",
      client_id: "gantry",
      refresh_token: "refresh me",
    });
    await pullAll(labRegistry(), `${host}/a/b`, { credentials: { registryToken: "mine" } });
    expect(service.requests).toHaveLength(1);
  });

  test("that names several schemes gets the token", async () => {
    const service = await lab(issue({ token: "good" }));
    const ok = serveImage(image);
    const { host } = await lab((request, response, self) => {
      if (request.headers.authorization === "Bearer good") ok(request, response, self);
      else send(response, 401, "", { "WWW-Authenticate": `Basic realm="x", Bearer realm="${service.url}"` });
    });
    await pullAll(labRegistry(), `${host}/a/b`);
  });

  const wrong: [string, LabHandler, RegExp][] = [
    [
      "a wrong password",
      (_, r) => send(r, 401, '{"details":"incorrect username or password"}'),
      /: unauthorized: incorrect username or password \(pulling/,
    ],
    ["no token", issue({}), /authorization server did not include a token in the response/],
    ["no JSON", issue("<html>"), /unable to decode token response/],
    ["a token that breaks lines", issue({ token: "a\r\nX-Evil: 1" }), /impossible characters/],
    ["a token of two megabytes", issue({ token: "x".repeat(2 << 20) }), /longer than 1048576 bytes/],
    ["an error", (_, r) => fail(r, 403, "DENIED", "not you"), /: denied: not you/],
    ["a server error", (_, r) => send(r, 500, ""), /received unexpected HTTP status: 500/],
    ["a redirect to a file", (_, r) => send(r, 302, "", { Location: "file:///etc/passwd" }), /refusing the redirect/],
  ];
  for (const [what, handler, message] of wrong) {
    test(`whose token service answers with ${what}`, async () => {
      const service = await lab(handler);
      const { host } = await lab(guarded(`${service.url}/token`, () => true));
      const error = await refusalOf(pullAll(labRegistry(), `${host}/a/b`));
      expect(error.name).toBe("RegistryError");
      expect(error.message).toMatch(message);
      expect(error.message).toContain(`${host}/a/b`);
    });
  }

  for (const realm of ["file:///etc/passwd", "nonsense", "ftp://x/", "https://me:secret@x/"]) {
    test(`whose realm is ${realm}`, async () => {
      const { host } = await lab(guarded(realm, () => true));
      expect((await refusalOf(pullAll(labRegistry(), `${host}/a/b`))).message).toMatch(
        /invalid token auth challenge realm/,
      );
    });
  }

  test("with TLS cannot have passwords sent without", async () => {
    const service = await lab(issue({ token: "good" }));
    const { port } = await lab(
      guarded(service.url, () => true),
      { tls: true },
    );
    const credentials = { username: "me", password: "secret" };
    expect((await refusalOf(pullAll(labRegistry(), `localhost:${port}/a/b`, { credentials }))).message).toMatch(
      /refusing to ask for a token without TLS/,
    );
    expect(service.requests).toHaveLength(0);
  });

  test("does not leak the token behind a redirect", async () => {
    const service = await lab(issue({ token: "good" }));
    const elsewhere = await lab(serveImage(image));
    const guard = guarded(service.url, () => true);
    const { host } = await lab((request, response, self) => {
      if (request.headers.authorization && request.url?.includes("/blobs/")) {
        send(response, 307, "", { Location: `${elsewhere.url}${request.url}` });
      } else guard(request, response, self);
    });
    await pullAll(labRegistry(), `${host}/a/b`, { credentials: { username: "me", password: "secret" } });
    expect(elsewhere.requests).toHaveLength(3);
    for (const request of elsewhere.requests) expect(request.headers.authorization).toBeUndefined();
  });
});

describe("createTokens", () => {
  const request: TokenRequest = {
    challenge: { scheme: "bearer", parameters: { realm: "https://auth.test/token" } },
    scopes: ["repository:a:pull"],
    registry: new URL("https://registry.test"),
    insecure: false,
  };
  const answer = (value: object) => ({
    status: 200,
    statusText: "OK",
    body: new TextEncoder().encode(JSON.stringify(value)),
  });

  test("gives a token until half of its life is over", async () => {
    let time = 0;
    let number = 0;
    const tokens = createTokens(
      async () => answer({ token: `t${++number}`, expires_in: 100 }),
      () => time,
    );
    expect(await tokens.get(request)).toBe("t1");
    time = 49_000;
    expect(await tokens.get(request)).toBe("t1");
    time = 51_000;
    expect(await tokens.get(request)).toBe("t2");
  });

  test("takes a minute for the life that was not said, and a day at most", async () => {
    for (const [life, until] of [
      [undefined, 30],
      [-5, 30],
      ["x", 30],
      [1e12, 12 * 3600],
    ] as const) {
      let time = 0;
      let number = 0;
      const tokens = createTokens(
        async () => answer({ token: `t${++number}`, expires_in: life }),
        () => time,
      );
      await tokens.get(request);
      time = until * 1000 - 1;
      expect(await tokens.get(request)).toBe("t1");
      time = until * 1000 + 1;
      expect(await tokens.get(request)).toBe("t2");
    }
  });

  test("asks once for many who ask together, and lets one of them go", async () => {
    let asked = 0;
    const { promise, resolve } = Promise.withResolvers<void>();
    const fetch: Fetch = async () => {
      asked++;
      await promise;
      return answer({ token: "t" });
    };
    const tokens = createTokens(fetch);
    const gone = new AbortController();
    const first = tokens.get({ ...request, signal: gone.signal });
    const others = [tokens.get(request), tokens.get(request)];
    gone.abort(new Error("enough"));
    expect((await refusalOf(first)).message).toBe("enough");
    resolve();
    expect(await Promise.all(others)).toEqual(["t", "t"]);
    expect(asked).toBe(1);
  });

  test("forgets a failure", async () => {
    let number = 0;
    const tokens = createTokens(async () => (number++ ? answer({ token: "t" }) : { ...answer({}), status: 500 }));
    expect(await refusalOf(tokens.get(request))).toBeInstanceOf(TokenError);
    expect(await tokens.get(request)).toBe("t");
  });
});
