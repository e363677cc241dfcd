/** The client's configuration file, config.json: Docker's, shared with its client (registry logins, formats, keys). */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";

export interface ConfigFile {
  auths?: Record<string, { auth?: string; username?: string; password?: string; identitytoken?: string }>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
  HttpHeaders?: Record<string, string>;
  detachKeys?: string;
  psFormat?: string;
  imagesFormat?: string;
  volumesFormat?: string;
  networksFormat?: string;
  proxies?: Record<string, Record<string, string>>;
}

export const defaultConfigDirectory = (): string => process.env.DOCKER_CONFIG || `${homedir()}/.docker`;

/** Reads `directory`/config.json; an absent file is an empty one. Throws with the file's name when it is malformed. */
export function readConfig(directory: string): ConfigFile {
  const path = `${directory}/config.json`;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES") return {};
    throw error;
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as ConfigFile;
    throw new Error("not an object");
  } catch (error) {
    throw new Error(`parsing config file (${path}): ${(error as Error).message}`);
  }
}
