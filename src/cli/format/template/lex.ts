/** Cuts a Go template (text/template) into tokens. Offsets are in UTF-16 units; positions in errors count bytes. */

export type TokenKind =
  | "text"
  | "open"
  | "close"
  | "field"
  | "variable"
  | "identifier"
  | "string"
  | "raw"
  | "char"
  | "number"
  | "dot"
  | "pipe"
  | "("
  | ")"
  | ":="
  | "="
  | ","
  | "space"
  | "end";

export interface Token {
  kind: TokenKind;
  text: string;
  at: number;
}

/** A template that cannot be parsed: `template: :LINE: reason`, Go's text. */
export class TemplateError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "TemplateError";
  }
}

export function parseError(source: string, at: number, reason: string, name = ""): TemplateError {
  const line = source.slice(0, at).split("\n").length;
  return new TemplateError(`template: ${name}:${line}: ${reason}`);
}

const blanks = /[ \t\r\n]*/y;
const trimRight = /[ \t\r\n]+$/;

export function lex(source: string, name = ""): Token[] {
  const fail = (at: number, reason: string) => parseError(source, at, reason, name);
  const tokens: Token[] = [];
  let at = 0;
  let trimNext = false;
  while (at < source.length) {
    const open = source.indexOf("{{", at);
    let text = source.slice(at, open < 0 ? undefined : open);
    if (trimNext) text = text.replace(/^[ \t\r\n]+/, "");
    if (open < 0) {
      if (text !== "") tokens.push({ kind: "text", text, at });
      break;
    }
    const trimBefore = source[open + 2] === "-" && /[ \t\r\n]/.test(source[open + 3] ?? "");
    if (trimBefore) text = text.replace(trimRight, "");
    if (text !== "") tokens.push({ kind: "text", text, at });
    let inner = open + 2 + (trimBefore ? 2 : 0);
    if (source.startsWith("/*", inner)) {
      const end = source.indexOf("*/", inner);
      if (end < 0) throw fail(open, "unclosed comment");
      const rest = /^(?:[ \t\r\n]-)?\}\}/.exec(source.slice(end + 2));
      if (rest === null) throw fail(open, "comment ends before closing delimiter");
      trimNext = rest[0].length > 2;
      at = end + 2 + rest[0].length;
      continue;
    }
    tokens.push({ kind: "open", text: "{{", at: open });
    inner = lexAction(source, inner, tokens, fail);
    trimNext = tokens.pop()!.text === "-}}";
    tokens.push({ kind: "close", text: "}}", at: inner - 2 });
    at = inner;
  }
  tokens.push({ kind: "end", text: "", at: source.length });
  return tokens;
}

const word = /[\p{L}_][\p{L}\p{Nd}_]*/uy;
const numberPattern =
  /[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)/y;

function match(pattern: RegExp, source: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0];
}

/** Lexes up to the closing delimiter, which it pushes, and returns the offset behind it. */
function lexAction(
  source: string,
  start: number,
  tokens: Token[],
  fail: (at: number, reason: string) => TemplateError,
): number {
  let at = start;
  let depth = 0;
  const push = (kind: TokenKind, length: number) => {
    tokens.push({ kind, text: source.slice(at, at + length), at });
    at += length;
  };
  for (;;) {
    const close = /^(?:[ \t\r\n]+-)?\}\}/.exec(source.slice(at, at + 64));
    if (close !== null) {
      if (depth > 0) throw fail(at, "unclosed left paren");
      tokens.push({ kind: "close", text: close[0].length > 2 ? "-}}" : "}}", at });
      return at + close[0].length;
    }
    const blank = match(blanks, source, at)!;
    if (at >= source.length) throw fail(at, "unclosed action");
    if (blank !== "") {
      push("space", blank.length);
      continue;
    }
    const c = source[at]!;
    if (c === '"') {
      const text = /^"(?:[^"\\\n]|\\[^\n])*"/.exec(source.slice(at));
      if (text === null) throw fail(at, "unterminated quoted string");
      push("string", text[0].length);
    } else if (c === "`") {
      const end = source.indexOf("`", at + 1);
      if (end < 0) throw fail(at, "unterminated raw quoted string");
      push("raw", end + 1 - at);
    } else if (c === "'") {
      const text = /^'(?:[^'\\\n]|\\[^\n])*'/.exec(source.slice(at));
      if (text === null) throw fail(at, "unterminated character constant");
      push("char", text[0].length);
    } else if (c === "$") push("variable", 1 + (match(word, source, at + 1) ?? "").length);
    else if (c === "." && !/[0-9]/.test(source[at + 1] ?? "")) {
      const name = match(word, source, at + 1);
      if (name === undefined) push("dot", 1);
      else push("field", 1 + name.length);
    } else if (/[0-9.]/.test(c) || (/[+-]/.test(c) && /[0-9]/.test(source[at + 1] ?? ""))) {
      const text = match(numberPattern, source, at) ?? c;
      if (match(word, source, at + text.length) !== undefined) {
        const bad = text + match(word, source, at + text.length)!;
        throw fail(at, `bad number syntax: ${JSON.stringify(bad)}`);
      }
      push("number", text.length);
    } else if (match(word, source, at) !== undefined) push("identifier", match(word, source, at)!.length);
    else if (c === ":") {
      if (source[at + 1] !== "=") throw fail(at, "expected :=");
      push(":=", 2);
    } else if (c === "=" || c === "," || c === "|") push(c === "|" ? "pipe" : c, 1);
    else if (c === "(") {
      depth++;
      push("(", 1);
    } else if (c === ")") {
      if (--depth < 0) throw fail(at, "unexpected right paren");
      push(")", 1);
    } else {
      const code = c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
      throw fail(at, `unrecognized character in action: U+${code} '${c}'`);
    }
  }
}

/** The value of a quoted Go string or character. */
export function unquote(text: string): string | undefined {
  let result = "";
  const body = text.slice(1, -1);
  const pattern = /\\(?:([abfnrtv\\'"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))|\\|[^\\]/gu;
  const simple: Record<string, string> = { a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v" };
  for (const [whole, letter, x, u, long, octal] of body.matchAll(pattern)) {
    if (whole === "\\") return undefined;
    if (letter !== undefined) result += simple[letter] ?? letter;
    else if (x ?? u ?? long) {
      const code = Number.parseInt((x ?? u ?? long)!, 16);
      if (code > 0x10ffff) return undefined;
      result += String.fromCodePoint(code);
    } else if (octal !== undefined) result += String.fromCharCode(Number.parseInt(octal, 8));
    else result += whole;
  }
  return result;
}
