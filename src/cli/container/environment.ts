/** --env, --env-file, --label, --label-file. Errors are Docker's texts. */
import { readFileSync } from "node:fs";
import { cut } from "../flags/flag.ts";

/** `A=1` as it is; `A` takes our own variable's value, if there is one, else it unsets the image's. */
export function checkVariable(text: string): string {
  const { key, found } = cut(text);
  if (key === "") throw new Error(`invalid environment variable: ${text}`);
  const own = process.env[text];
  return !found && own !== undefined ? `${text}=${own}` : text;
}

export function checkLabel(text: string): string {
  const key = cut(text).key.trimStart();
  if (key === "") throw new Error(`invalid label '${text}': empty name`);
  if (/\s/.test(key)) throw new Error(`label '${text}' contains whitespaces`);
  return text;
}

/** The lines of files, then the values given by flag. `lookup` gives a value to a name that stands alone in a file. */
export function readPairs(
  files: readonly string[],
  given: readonly string[],
  lookup: ((name: string) => string | undefined) | undefined,
): string[] {
  return [...files.flatMap((file) => parsePairs(file, readPairsFile(file), lookup)), ...given];
}

const maxFile = 16 * 1024 * 1024;

function readPairsFile(path: string): string {
  let text: Buffer;
  try {
    text = readFileSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new Error(`open ${path}: no such file or directory`);
    if (code === "EACCES") throw new Error(`open ${path}: permission denied`);
    if (code === "EISDIR") throw new Error(`read ${path}: is a directory`);
    throw error;
  }
  if (text.length > maxFile) throw new Error(`invalid env file (${path}): it is over 16 MB`);
  return text.toString();
}

export function parsePairs(
  path: string,
  text: string,
  lookup: ((name: string) => string | undefined) | undefined,
): string[] {
  const pairs: string[] = [];
  for (const raw of text.replace(/^\uFEFF/, "").split(/\r?\n/)) {
    const line = raw.trimStart();
    if (line === "" || line.startsWith("#")) continue;
    const { key, found } = cut(line);
    const bad = (reason: string) => new Error(`invalid env file (${path}): ${reason}`);
    if (/\s/.test(key)) throw bad(`variable '${key}' contains whitespaces`);
    if (key === "") throw bad(`no variable name on line '${line}'`);
    if (found) pairs.push(line);
    else if (lookup === undefined) pairs.push(line);
    else {
      const value = lookup(key);
      if (value !== undefined) pairs.push(`${key}=${value}`);
    }
  }
  return pairs;
}

/** `key=value` texts as an object; later ones win. */
export function toRecord(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs.map((pair) => [cut(pair).key, cut(pair).value]));
}
