/** What a server asks for in WWW-Authenticate (RFC 7235, section 4.1; RFC 9110, section 11.6.1). */

export interface Challenge {
  /** In small letters: `bearer`, `basic`, … */
  scheme: string;
  /** Names in small letters. */
  parameters: Record<string, string>;
}

const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
const token68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;
const blanks = /[ \t]*/y;
/** Registries forget the quotes around values with colons and slashes. */
const unquoted = /[^ \t,"]+/y;
/** Longer values are not looked at. */
const maxLength = 16 << 10;
const maxChallenges = 16;

/**
 * All challenges of one header value, which may hold several, each with several parameters. Lenient where registries
 * are: a value that ends early yields what came before it.
 */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  const text = header.slice(0, maxLength);
  let at = 0;
  let current: Challenge | undefined;

  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };

  while (at < text.length && challenges.length <= maxChallenges) {
    match(blanks);
    if (text[at] === ",") {
      at++;
      continue;
    }
    const word = match(token);
    if (word === undefined) break;
    match(blanks);
    if (text[at] === "=" && current) {
      at++;
      match(blanks);
      const value = text[at] === '"' ? quoted() : match(unquoted);
      if (value === undefined) break;
      const name = word.toLowerCase();
      // The first counts, so that nobody overrides it; Object.prototype has no part in it.
      if (!Object.hasOwn(current.parameters, name)) current.parameters[name] = value;
      continue;
    }
    current = { scheme: word.toLowerCase(), parameters: Object.create(null) as Record<string, string> };
    challenges.push(current);
    // `Negotiate abc==`: a value without a name, which none of our schemes has.
    const before = at;
    const value = match(token68);
    if (value !== undefined && !/^[^=]+=$/.test(value)) continue;
    at = before;
  }
  return challenges.slice(0, maxChallenges);

  function quoted(): string | undefined {
    let value = "";
    for (at++; at < text.length; at++) {
      if (text[at] === '"') {
        at++;
        return value;
      }
      if (text[at] === "\\") at++;
      value += text[at] ?? "";
    }
    return undefined;
  }
}

/** The scopes that a challenge names, one each: they are separated by blanks. */
export const scopesOf = (challenge: Challenge): string[] =>
  (challenge.parameters.scope ?? "")
    .split(/[ \t]+/)
    .filter((scope) => scope !== "")
    .slice(0, 16);
