/** Parses arguments against flags as pflag does. */
import { FlagError } from "../errors.ts";
import { type Flag, type Flags, quote, type Values } from "./flag.ts";
import { nearest } from "./nearest.ts";

export interface Parsed<F extends Flags> {
  values: Values<F>;
  /** The long names of the flags that were given. */
  given: Set<string>;
  /** The other arguments, in order. */
  rest: string[];
  /** --help was asked for: nothing after it was looked at. */
  help: boolean;
}

/**
 * Parses `argv`. `interspersed` false: the first argument that is no flag ends the flags, as for `run IMAGE …`. `--` always
 * does. Throws FlagError with pflag's texts.
 */
export function parseFlags<F extends Flags>(flags: F, argv: readonly string[], interspersed = true): Parsed<F> {
  const values: Record<string, unknown> = {};
  for (const [name, flag] of Object.entries(flags)) values[name] = flag.initial();
  const given = new Set<string>();
  const rest: string[] = [];
  const result = (help: boolean): Parsed<F> => ({ values: values as Values<F>, given, rest, help });
  const byShort = new Map(Object.entries(flags).map(([name, { short }]) => [short, name]));

  const assign = (name: string, text: string) => {
    const flag = flags[name] as Flag<unknown>;
    try {
      values[name] = flag.set(text, values[name]);
    } catch (error) {
      const label = flag.short === undefined ? `--${name}` : `-${flag.short}, --${name}`;
      throw new FlagError(`invalid argument ${quote(text)} for ${quote(label)} flag: ${(error as Error).message}`);
    }
    given.add(name);
  };

  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === "--") {
      rest.push(...argv.slice(at + 1));
      break;
    }
    if (!word.startsWith("-") || word === "-") {
      if (!interspersed) {
        rest.push(...argv.slice(at));
        break;
      }
      rest.push(word);
      continue;
    }
    if (word.startsWith("--")) {
      const equals = word.indexOf("=");
      const name = word.slice(2, equals < 0 ? undefined : equals);
      if (name === "" || name.startsWith("-")) throw new FlagError(`bad flag syntax: ${word}`);
      if (!Object.hasOwn(flags, name)) {
        if (name === "help") return result(true);
        throw unknown(name, flags);
      }
      const { bare } = flags[name]!;
      if (equals >= 0) assign(name, word.slice(equals + 1));
      else if (bare !== undefined) assign(name, bare);
      else if (at + 1 < argv.length) assign(name, argv[++at]!);
      else throw new FlagError(`flag needs an argument: --${name}`);
      continue;
    }
    for (let letters = word.slice(1); letters !== ""; ) {
      const letter = letters[0]!;
      const name = byShort.get(letter);
      if (name === undefined) {
        if (letter === "h") return result(true);
        throw new FlagError(`unknown shorthand flag: ${letter === "'" ? `'\\''` : `'${letter}'`} in -${letters}`);
      }
      const { bare } = flags[name]!;
      if (letters.length > 2 && letters[1] === "=") {
        assign(name, letters.slice(2));
        letters = "";
      } else if (bare !== undefined) {
        assign(name, bare);
        letters = letters.slice(1);
      } else if (letters.length > 1) {
        assign(name, letters.slice(1));
        letters = "";
      } else if (at + 1 < argv.length) {
        assign(name, argv[++at]!);
        letters = "";
      } else throw new FlagError(`flag needs an argument: '${letter}' in -${letters}`);
    }
  }
  // A command may list --help among its flags, so that its help shows it.
  return result(values.help === true);
}

function unknown(name: string, flags: Flags): FlagError {
  const visible = Object.keys(flags).filter((key) => !flags[key]!.hidden);
  const near = nearest(name, visible);
  return new FlagError(`unknown flag: --${name}${near === undefined ? "" : `\n\nDid you mean --${near}?`}`);
}
