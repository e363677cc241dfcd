/** The keys that detach: `ctrl-p,ctrl-q`. */

/** The bytes of a key sequence. Throws with Docker's text. */
export function parseDetachKeys(text: string): number[] {
  return text.split(",").map((key) => {
    if ([...key].length === 1 && key.length === 1) return key.charCodeAt(0);
    const control = /^ctrl-(.)$/.exec(key);
    if (control === null) throw new Error(`Unknown character: '${key}'`);
    const letter = control[1]!;
    if (letter >= "a" && letter <= "z") return letter.charCodeAt(0) - 96;
    const special: Record<string, number> = { "@": 0, "[": 27, "\\": 28, "]": 29, "^": 30, _: 31 };
    const code = special[letter];
    if (code === undefined) throw new Error(`Unknown character: '${key}'`);
    return code;
  });
}

/**
 * Watches typed bytes for the sequence. Gives what is to be sent (keys of a begun sequence are held back), and whether
 * the sequence is complete.
 */
export function watchKeys(sequence: readonly number[]): (bytes: Uint8Array) => { send: Uint8Array; detach: boolean } {
  let matched = 0;
  return (bytes) => {
    const send: number[] = [];
    for (const byte of bytes) {
      if (byte === sequence[matched]) {
        matched++;
        if (matched === sequence.length) return { send: Uint8Array.from(send), detach: true };
        continue;
      }
      send.push(...sequence.slice(0, matched));
      matched = byte === sequence[0] ? 1 : 0;
      if (matched === 0) send.push(byte);
    }
    return { send: Uint8Array.from(send), detach: false };
  };
}

export const defaultDetachKeys = "ctrl-p,ctrl-q";
