/** Registry logins of the configuration file and of Docker's credential helpers, as the API takes them. */
import type { ConfigFile } from "./config.ts";

/** Docker Hub's key in configuration files. */
const hub = "https://index.docker.io/v1/";

/** The value of X-Registry-Auth for a registry, or undefined when there is no login. Throws when a helper fails. */
export async function credentialsFor(domain: string, config: ConfigFile): Promise<string | undefined> {
  const key = domain === "docker.io" ? hub : domain;
  const helper = config.credHelpers?.[domain] ?? config.credsStore;
  const login = helper ? await fromHelper(helper, key) : fromFile(key, config);
  if (login === undefined) return undefined;
  return Buffer.from(JSON.stringify({ ...login, serveraddress: key })).toString("base64url");
}

function fromFile(key: string, { auths }: ConfigFile): Record<string, string> | undefined {
  const entry = Object.entries(auths ?? {}).find(([name]) => name === key || hostOf(name) === hostOf(key))?.[1];
  if (entry === undefined) return undefined;
  if (entry.identitytoken) return { identitytoken: entry.identitytoken };
  const decoded = entry.auth ? Buffer.from(entry.auth, "base64").toString() : "";
  const colon = decoded.indexOf(":");
  const username = entry.username ?? (colon < 0 ? "" : decoded.slice(0, colon));
  const password = entry.password ?? (colon < 0 ? "" : decoded.slice(colon + 1).replace(/\0+$/, ""));
  return username === "" ? undefined : { username, password };
}

const hostOf = (name: string): string => name.replace(/^https?:\/\//, "").split("/")[0]!;

async function fromHelper(name: string, server: string): Promise<Record<string, string> | undefined> {
  if (!/^[\w.-]+$/.test(name)) throw new Error(`invalid credential helper ${JSON.stringify(name)}`);
  let child: Bun.Subprocess<Blob, "pipe", "ignore">;
  try {
    child = Bun.spawn([`docker-credential-${name}`, "get"], {
      stdin: new Blob([server]),
      stdout: "pipe",
      stderr: "ignore",
    });
  } catch {
    return undefined;
  }
  const [text, code] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  if (code !== 0) return undefined;
  const { Username = "", Secret = "" } = JSON.parse(text) as { Username?: string; Secret?: string };
  return Username === "<token>" ? { identitytoken: Secret } : { username: Username, password: Secret };
}
