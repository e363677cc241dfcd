import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { readConfig } from "./config.ts";
import { credentialsFor } from "./credentials.ts";
import { chooseHost, defaultHost, type HostFlags } from "./host.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/gantry-settings-`);
});
afterEach(() => rmSync(folder, { recursive: true }));

const none = { hosts: [], context: "", tls: false, tlsverify: false, tlscacert: "", tlscert: "", tlskey: "" };
const choose = (flags: Partial<HostFlags>, environment: NodeJS.ProcessEnv = {}) =>
  chooseHost({ ...none, config: folder, tlsverifyGiven: false, ...flags }, environment);

function writeContext(name: string, host: string): void {
  const id = new Bun.CryptoHasher("sha256").update(name).digest("hex");
  mkdirSync(`${folder}/contexts/meta/${id}`, { recursive: true });
  const metadata = { Name: name, Endpoints: { docker: { Host: host, SkipTLSVerify: false } } };
  writeFileSync(`${folder}/contexts/meta/${id}/meta.json`, JSON.stringify(metadata));
}

test("the host comes from the nearest place that names one", () => {
  writeContext("far", "tcp://far:1");
  writeFileSync(`${folder}/config.json`, '{"currentContext":"far"}');
  expect(choose({})).toEqual({ host: defaultHost, tls: undefined, context: "default", implied: true });
  expect(choose({}, { DOCKER_CONTEXT: "far" })).toMatchObject({ host: "tcp://far:1", context: "far", implied: false });
  const environment = { DOCKER_CONTEXT: "far", DOCKER_HOST: "tcp://d:1" };
  expect(choose({}, environment)).toMatchObject({ host: "tcp://d:1", context: "default" });
  expect(choose({ context: "far" }, environment).host).toBe("tcp://far:1");
  expect(choose({}, { ...environment, GANTRY_HOST: "unix:///g" }).host).toBe("unix:///g");
  expect(choose({ hosts: ["h:5"] }, { ...environment, GANTRY_HOST: "unix:///g" }).host).toBe("tcp://h:5");
});

test("what cannot be is refused by name", () => {
  expect(() => choose({ hosts: ["a"], context: "b" })).toThrow("cannot specify both --host and --context");
  expect(() => choose({ hosts: ["a", "b"] })).toThrow("Specify only one -H");
  expect(() => choose({ context: "absent" })).toThrow('context "absent": context not found');
  expect(() => choose({ context: "../../etc" })).toThrow("invalid name");
});

test("TLS by flag and environment", () => {
  writeFileSync(`${folder}/ca.pem`, "CA");
  writeFileSync(`${folder}/cert.pem`, "CERT");
  expect(choose({ hosts: ["h:5"] }).tls).toBeUndefined();
  expect(choose({ hosts: ["h:5"], tls: true }).tls).toEqual({ verify: false, ca: "CA", cert: "CERT" });
  expect(choose({ hosts: ["h:5"], tlsverify: true, tlsverifyGiven: true }).tls).toMatchObject({ verify: true });
  expect(choose({}, { DOCKER_HOST: "tcp://h", DOCKER_TLS_VERIFY: "1" }).tls).toMatchObject({ verify: true });
  expect(() => choose({ hosts: ["h:5"], tls: true, tlskey: `${folder}/absent` })).toThrow(
    `unable to read ${folder}/absent`,
  );
});

test("the configuration file", () => {
  expect(readConfig(`${folder}/absent`)).toEqual({});
  writeFileSync(`${folder}/config.json`, '{"psFormat":"x"}');
  expect(readConfig(folder)).toEqual({ psFormat: "x" });
  for (const bad of ["{", "[]", "null", "1"]) {
    writeFileSync(`${folder}/config.json`, bad);
    expect(() => readConfig(folder)).toThrow(`parsing config file (${folder}/config.json)`);
  }
});

test("logins", async () => {
  const decode = (text: string | undefined) => JSON.parse(Buffer.from(text!, "base64url").toString());
  const auth = Buffer.from("user:pass:word").toString("base64");
  const config = { auths: { "https://index.docker.io/v1/": { auth }, "h:5000": { identitytoken: "t" } } };
  expect(decode(await credentialsFor("docker.io", config))).toEqual({
    username: "user",
    password: "pass:word",
    serveraddress: "https://index.docker.io/v1/",
  });
  expect(decode(await credentialsFor("h:5000", config))).toMatchObject({ identitytoken: "t" });
  expect(await credentialsFor("other", config)).toBeUndefined();
  await expect(credentialsFor("x", { credsStore: "../evil" })).rejects.toThrow("invalid credential helper");
});
