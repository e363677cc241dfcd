/** The keys that detach a client from a terminal: `ctrl-p,ctrl-q` unless it names others. */
import { badRequest } from "./http/errors.ts";

export const defaultDetachKeys = Uint8Array.of(16, 17);

const controls: Record<string, number> = { "@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, _: 31 };

/** `a`, `ctrl-a` to `ctrl-z`, `ctrl-@ [ \ ] ^ _`, `DEL`, joined by commas. Throws 400 with the value. */
export function parseDetachKeys(keys: string | undefined): Uint8Array {
  if (keys === undefined || keys === "") return defaultDetachKeys;
  const bytes = keys.split(",").map((key) => {
    if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
    const lower = key.toLowerCase();
    if (lower === "del") return 127;
    const control = /^ctrl-(.)$/.exec(lower)?.[1];
    if (control !== undefined && control >= "a" && control <= "z") return control.charCodeAt(0) - 96;
    const code = control === undefined ? undefined : controls[control];
    if (code === undefined) throw badRequest(`Invalid detach keys (${keys.slice(0, 100)}) provided`);
    return code;
  });
  return Uint8Array.from(bytes);
}

/**
 * Watches the input for the keys. What could still become them is held back until the next bytes show whether it does.
 */
export function createDetachScanner(keys: Uint8Array): (input: Uint8Array) => { pass: Uint8Array; detached: boolean } {
  // As many of the keys as the input's end matches.
  let matched = 0;
  // fallback[n]: how many keys still match when n did and the next byte is another one (Knuth, Morris and Pratt).
  const fallback = [0, 0];
  for (let i = 1; i < keys.length; i++) {
    let length = fallback[i] as number;
    while (length > 0 && keys[i] !== keys[length]) length = fallback[length] as number;
    fallback.push(keys[i] === keys[length] ? length + 1 : 0);
  }
  return (input) => {
    const before = matched;
    for (let i = 0; i < input.length; i++) {
      while (matched > 0 && input[i] !== keys[matched]) matched = fallback[matched] as number;
      if (input[i] === keys[matched]) matched++;
      if (matched === keys.length) {
        matched = 0;
        return { pass: passed(before, input.subarray(0, i + 1), keys.length), detached: true };
      }
    }
    return { pass: passed(before, input, matched), detached: false };
  };

  /** The keys held back before, then the input, without the last `held` bytes of both together. */
  function passed(before: number, input: Uint8Array, held: number): Uint8Array {
    const length = before + input.length - held;
    if (before === 0) return input.subarray(0, length);
    const all = new Uint8Array(before + input.length);
    all.set(keys.subarray(0, before));
    all.set(input, before);
    return all.subarray(0, length);
  }
}
