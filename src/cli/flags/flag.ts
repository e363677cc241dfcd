/**
 * What a flag is, and the kinds of flags. The conventions, and the texts of errors that people and scripts know, are
 * those of pflag, with which Docker's client parses its own.
 */

/** A flag whose values are of type T. */
export interface Flag<T> {
  short?: string;
  /** The word for its value in the help: `string`, `list`, `bytes`; empty for a switch. */
  type: string;
  help: string;
  /** What the help says after the text: `(default "missing")`. */
  shown?: string;
  hidden?: boolean;
  /** Given when the flag stands without a value; undefined: it needs one. */
  bare?: string;
  initial: () => T;
  /** The value after `text` was given, too. Throws with the reason alone; the parser names the flag. */
  set(text: string, before: T): T;
}

export interface Look {
  short?: string;
  hidden?: boolean;
  shown?: string;
  type?: string;
}

/** The flags of a command by their long names. */
export type Flags = Record<string, Flag<unknown>>;

export type Values<F> = { [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

const looks = ({ short, hidden, shown, type }: Look, fallback: string) => ({
  type: type ?? fallback,
  ...(short === undefined ? {} : { short }),
  ...(hidden ? { hidden } : {}),
  ...(shown === undefined ? {} : { shown }),
});

export function bool(help: string, look: Look & { default?: boolean } = {}): Flag<boolean> {
  return {
    ...looks(look.default ? { shown: "(default true)", ...look } : look, ""),
    help,
    bare: "true",
    initial: () => look.default ?? false,
    set: parseBool,
  };
}

export function string(help: string, look: Look & { default?: string } = {}): Flag<string> {
  const shown = look.default === undefined ? {} : { shown: `(default ${JSON.stringify(look.default)})` };
  return { ...looks({ ...shown, ...look }, "string"), help, initial: () => look.default ?? "", set: (text) => text };
}

/** Undefined unless given: for settings where "" says something else than nothing. */
export function optional(help: string, look: Look = {}): Flag<string | undefined> {
  return { ...looks(look, "string"), help, initial: () => undefined, set: (text) => text };
}

/** A signed integer of 64 bits, as pflag's Int: decimal, 0x, 0o, 0b, underscores between digits. */
export function int(help: string, look: Look & { default?: number } = {}): Flag<number> {
  const shown = look.default ? { shown: `(default ${look.default})` } : {};
  return {
    ...looks({ ...shown, ...look }, "int"),
    help,
    initial: () => look.default ?? 0,
    set: (text) => parseInteger(text, -(2n ** 63n), 2n ** 63n - 1n, "strconv.ParseInt"),
  };
}

export function optionalInt(help: string, look: Look = {}): Flag<number | undefined> {
  return { ...int(help, look), initial: () => undefined, set: int(help).set } as Flag<number | undefined>;
}

export function uint(help: string, bits: 16 | 64, look: Look = {}): Flag<number> {
  return {
    ...looks(look, bits === 16 ? "uint16" : "uint"),
    help,
    initial: () => 0,
    set: (text) => parseInteger(text, 0n, 2n ** BigInt(bits) - 1n, "strconv.ParseUint"),
  };
}

/** One value each time it is given. `check` returns what is kept, or throws. */
export function list(help: string, look: Look = {}, check: (text: string) => string = (text) => text): Flag<string[]> {
  return { ...looks(look, "list"), help, initial: () => [], set: (text, before) => [...before, check(text)] };
}

/** Values separated by commas, as CSV, and over several flags. */
export function strings(help: string, look: Look = {}): Flag<string[]> {
  return {
    ...looks(look, "strings"),
    help,
    initial: () => [],
    set: (text, before) => [...before, ...(text === "" ? [] : text.split(","))],
  };
}

/** `key=value`; without `=` the value is empty. */
export function map(
  help: string,
  look: Look = {},
  check: (text: string) => string = (text) => text,
): Flag<Map<string, string>> {
  return {
    ...looks({ shown: "(default map[])", ...look }, "map"),
    help,
    initial: () => new Map(),
    set: (text, before) => {
      const { key, value } = cut(check(text));
      return new Map(before).set(key, value);
    },
  };
}

/** `name=value`, as --filter takes it. */
export function filter(help: string, look: Look = {}): Flag<Record<string, string[]>> {
  return {
    ...looks(look, "filter"),
    help,
    initial: () => ({}),
    set: (text, before) => {
      if (text === "") return before;
      if (!text.includes("=")) throw new Error("bad format of filter (expected name=value)");
      const parts = cut(text);
      const key = parts.key.trim().toLowerCase();
      const value = parts.value.trim();
      return { ...before, [key]: [...(Object.hasOwn(before, key) ? before[key]! : []), value] };
    },
  };
}

/** A flag with a syntax of its own. */
export function custom<T>(
  help: string,
  look: Look & { type: string },
  initial: () => T,
  set: (text: string, before: T) => T,
): Flag<T> {
  return { ...looks(look, look.type), help, initial, set };
}

/** At the first `=`; without one the whole is the key. */
export function cut(text: string): { key: string; value: string; found: boolean } {
  const at = text.indexOf("=");
  return at < 0
    ? { key: text, value: "", found: false }
    : { key: text.slice(0, at), value: text.slice(at + 1), found: true };
}

export function parseBool(text: string): boolean {
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(?:0|f|F|false|FALSE|False)$/.test(text)) return false;
  throw new Error(`strconv.ParseBool: parsing ${quote(text)}: invalid syntax`);
}

const digits = "(?:[0-9]+(?:_[0-9]+)*|0[xX]_?[0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|0[bB]_?[01]+(?:_[01]+)*|0[oO]_?[0-7]+)";
const integerPattern = new RegExp(`^([+-]?)(${digits})$`);

/** As Go's strconv with base 0; `call` is the name in its errors. */
export function parseInteger(text: string, min: bigint, max: bigint, call: string): number {
  const parts = integerPattern.exec(text);
  const plain = parts?.[2]?.replace(/_/g, "") ?? "";
  const octal = /^0[0-7]+$/.test(plain);
  if (parts === null || (parts[1] !== "" && min === 0n) || (/^0\d+$/.test(plain) && !octal)) {
    throw new Error(`${call}: parsing ${quote(text)}: invalid syntax`);
  }
  const size = BigInt(octal ? `0o${plain.slice(1)}` : plain);
  const value = parts[1] === "-" ? -size : size;
  if (value < min || value > max) throw new Error(`${call}: parsing ${quote(text)}: value out of range`);
  return Number(value);
}

/** A text as Go quotes it in messages. */
export const quote = (text: string): string => JSON.stringify(text);
