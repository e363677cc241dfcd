/** Parses tokens of a Go template into a tree (text/template/parse describes the grammar). */
import { lex, parseError, type Token, type TokenKind, unquote } from "./lex.ts";

export type Expression = { at: number; text: string } & (
  | { kind: "dot" | "nil" }
  | { kind: "literal"; value: string | number | bigint | boolean }
  | { kind: "field"; names: string[] }
  | { kind: "variable"; name: string; names: string[] }
  | { kind: "chain"; of: Expression; names: string[] }
  | { kind: "function"; name: string }
  | { kind: "pipeline"; pipeline: Pipeline }
);

export interface Call {
  at: number;
  text: string;
  words: Expression[];
}

export interface Pipeline {
  at: number;
  text: string;
  variables: string[];
  /** `=` instead of `:=`. */
  assigns: boolean;
  calls: Call[];
}

export type Node =
  | { kind: "text"; text: string }
  | { kind: "action"; pipeline: Pipeline }
  | { kind: "if" | "with" | "range"; pipeline: Pipeline; body: Node[]; otherwise: Node[] }
  | { kind: "break" | "continue" }
  | { kind: "template"; name: string; at: number; pipeline: Pipeline | undefined };

export interface Template {
  /** For messages. */
  name: string;
  source: string;
  nodes: Node[];
  /** Those of `define` and `block`. */
  named: Map<string, Node[]>;
}

/** Nested deeper, a template is a mistake or an attack on the stack. */
const maxDepth = 100;

/** Parses. `functions` are the names that may be called. Throws TemplateError with Go's text. */
export function parse(source: string, functions: ReadonlySet<string>, name = ""): Template {
  const tokens = lex(source, name);
  const named = new Map<string, Node[]>();
  let position = 0;
  let depth = 0;
  let loops = 0;
  let variables: string[] = ["$"];

  const fail = (at: number, reason: string) => parseError(source, at, reason, name);
  const peek = (): Token => tokens[position]!;
  const next = (): Token => tokens[position++]!;
  const skip = (): Token => {
    while (peek().kind === "space") position++;
    return peek();
  };
  const describe = ({ kind, text }: Token) => {
    if (kind === "end") return "EOF";
    return text.length > 10 ? `${JSON.stringify(text.slice(0, 10))}...` : JSON.stringify(text);
  };
  const unexpected = (token: Token, context: string) => fail(token.at, `unexpected ${describe(token)} in ${context}`);
  const expect = (kind: TokenKind, context: string): Token => {
    const token = skip();
    if (token.kind !== kind) throw unexpected(token, context);
    return next();
  };

  const parseList = (stops: string[]): { nodes: Node[]; stop: Token | undefined } => {
    const nodes: Node[] = [];
    if (++depth > maxDepth) throw fail(peek().at, "template is nested too deeply");
    for (;;) {
      const token = next();
      if (token.kind === "end") {
        if (stops.length > 0) throw fail(token.at, "unexpected EOF");
        depth--;
        return { nodes, stop: undefined };
      }
      if (token.kind === "text") {
        nodes.push({ kind: "text", text: token.text });
        continue;
      }
      const first = skip();
      const keyword = first.kind === "identifier" ? first.text : "";
      if (keyword === "end" || keyword === "else") {
        if (!stops.includes(keyword)) throw fail(first.at, `unexpected {{${keyword}}}`);
        next();
        depth--;
        if (keyword === "end") expect("close", "end");
        return { nodes, stop: first };
      }
      const node = parseAction(keyword);
      if (node !== undefined) nodes.push(node);
    }
  };

  const parseAction = (keyword: string): Node | undefined => {
    switch (keyword) {
      case "if":
      case "with":
      case "range":
        next();
        return parseControl(keyword);
      case "break":
      case "continue":
        next();
        expect("close", `{{${keyword}}}`);
        if (loops === 0) throw fail(peek().at, `{{${keyword}}} outside {{range}}`);
        return { kind: keyword };
      case "define": {
        next();
        const name = stringOf(expectString("define clause"));
        expect("close", "define clause");
        named.set(name, parseDefinition());
        return undefined;
      }
      case "block": {
        next();
        const name = stringOf(expectString("block clause"));
        const { at } = skip();
        const pipeline = parsePipeline("block clause", "close");
        named.set(name, parseDefinition());
        return { kind: "template", name, at, pipeline };
      }
      case "template": {
        next();
        const token = expectString("template clause");
        const pipeline = skip().kind === "close" ? undefined : parsePipeline("template clause", "close");
        if (pipeline === undefined) next();
        return { kind: "template", name: stringOf(token), at: token.at, pipeline };
      }
      default:
        return { kind: "action", pipeline: parsePipeline("command", "close") };
    }
  };

  const parseDefinition = (): Node[] => {
    const outer = variables;
    variables = ["$"];
    const { nodes } = parseList(["end"]);
    variables = outer;
    return nodes;
  };

  const expectString = (context: string): Token => {
    const token = skip();
    if (token.kind !== "string" && token.kind !== "raw") throw unexpected(token, context);
    return next();
  };
  const stringOf = (token: Token): string => {
    const value = token.kind === "raw" ? token.text.slice(1, -1) : unquote(token.text);
    if (value === undefined) throw fail(token.at, "invalid syntax");
    return value;
  };

  const parseControl = (kind: "if" | "with" | "range"): Node => {
    const scope = variables.length;
    const pipeline = parsePipeline(kind, "close");
    if (kind === "range") loops++;
    const { nodes: body, stop } = parseList(["else", "end"]);
    if (kind === "range") loops--;
    let otherwise: Node[] = [];
    if (stop!.text === "else") {
      const after = skip();
      if (kind !== "range" && after.kind === "identifier" && after.text === kind) {
        next();
        otherwise = [parseControl(kind)];
      } else {
        expect("close", "else");
        otherwise = parseList(["end"]).nodes;
      }
    }
    variables.length = scope;
    return { kind, pipeline, body, otherwise };
  };

  const parsePipeline = (context: string, end: "close" | ")"): Pipeline => {
    const { at } = skip();
    const start = position;
    const declared: string[] = [];
    let assigns = false;
    while (skip().kind === "variable") {
      const mark = position;
      const token = next();
      const after = skip();
      if (after.kind === ":=" || after.kind === "=") {
        next();
        if (after.kind === "=" && !variables.includes(token.text)) throw undefinedVariable(token);
        assigns = after.kind === "=";
        declared.push(token.text);
        break;
      }
      if (after.kind === "," && context === "range" && declared.length === 0) {
        next();
        declared.push(token.text);
        continue;
      }
      position = mark;
      break;
    }
    const calls: Call[] = [];
    for (;;) {
      const token = skip();
      if (token.kind === end) {
        if (calls.length === 0) throw fail(token.at, `missing value for ${context}`);
        if (tokens[position - 1] !== undefined && lastPipe(position))
          throw fail(token.at, `missing value for ${context}`);
        next();
        break;
      }
      calls.push(parseCall(context));
      const after = skip();
      if (after.kind === "pipe") next();
      else if (after.kind !== end) throw unexpected(after, context === "command" ? "command" : context);
    }
    for (const [index, call] of calls.entries()) {
      const [first] = call.words;
      if (
        index > 0 &&
        first !== undefined &&
        (first.kind === "literal" || first.kind === "dot" || first.kind === "nil")
      ) {
        throw fail(first.at, `non executable command in pipeline stage ${index + 1}`);
      }
    }
    if (!assigns) variables.push(...declared);
    const text = tokens
      .slice(start, position - 1)
      .map((token) => token.text)
      .join("")
      .trim();
    return { at, text, variables: declared, assigns, calls };
  };

  const lastPipe = (index: number): boolean => {
    let before = index - 1;
    while (tokens[before]?.kind === "space") before--;
    return tokens[before]?.kind === "pipe";
  };

  const undefinedVariable = (token: Token) => fail(token.at, `undefined variable ${JSON.stringify(token.text)}`);

  const parseCall = (context: string): Call => {
    const { at } = skip();
    const words: Expression[] = [];
    for (;;) {
      skip();
      const word = parseOperand();
      if (word === undefined) break;
      words.push(word);
      const { kind } = peek();
      if (kind === "space") continue;
      if (kind === "close" || kind === "pipe" || kind === ")" || kind === "end") break;
      throw fail(peek().at, `unexpected ${describe(peek())} in operand`);
    }
    if (words.length === 0) {
      if (peek().kind === "pipe" || peek().kind === "close") throw fail(at, "empty command");
      throw unexpected(peek(), context);
    }
    return { at, text: words.map(({ text }) => text).join(" "), words };
  };

  const parseOperand = (): Expression | undefined => {
    const term = parseTerm();
    if (term === undefined || peek().kind !== "field") return term;
    const { at } = peek();
    const names: string[] = [];
    while (peek().kind === "field") names.push(next().text.slice(1));
    const text = `${term.text}.${names.join(".")}`;
    if (term.kind === "field") return { ...term, at, text, names: [...term.names, ...names] };
    if (term.kind === "variable") return { ...term, at, text, names: [...term.names, ...names] };
    if (term.kind === "literal" || term.kind === "nil")
      throw fail(at, `unexpected . after term ${JSON.stringify(term.text)}`);
    if (term.kind === "dot") throw fail(at, `unexpected . after term "."`);
    return { kind: "chain", at, text, of: term, names };
  };

  const parseTerm = (): Expression | undefined => {
    const token = peek();
    const { at, text } = token;
    switch (token.kind) {
      case "identifier": {
        next();
        if (text === "true" || text === "false") return { kind: "literal", at, text, value: text === "true" };
        if (text === "nil") return { kind: "nil", at, text };
        if (!functions.has(text)) throw fail(at, `function ${JSON.stringify(text)} not defined`);
        return { kind: "function", at, text, name: text };
      }
      case "dot":
        next();
        return { kind: "dot", at, text };
      case "field":
        next();
        return { kind: "field", at, text, names: [text.slice(1)] };
      case "variable":
        next();
        if (!variables.includes(text)) throw undefinedVariable(token);
        return { kind: "variable", at, text, name: text, names: [] };
      case "number":
        next();
        return { kind: "literal", at, text, value: numberOf(token) };
      case "char": {
        next();
        const value = unquote(text);
        if (value === undefined || [...value].length !== 1) throw fail(at, `malformed character constant: ${text}`);
        return { kind: "literal", at, text, value: value.codePointAt(0)! };
      }
      case "string":
      case "raw":
        next();
        return { kind: "literal", at, text, value: stringOf(token) };
      case "(": {
        next();
        if (++depth > maxDepth) throw fail(at, "template is nested too deeply");
        const pipeline = parsePipeline("parenthesized pipeline", ")");
        depth--;
        return { kind: "pipeline", at, text: `(${pipeline.text})`, pipeline };
      }
      default:
        return undefined;
    }
  };

  const numberOf = ({ text, at }: Token): number | bigint => {
    const plain = text.replace(/_/g, "");
    const digits = plain.replace(/^[+-]/, "");
    const value = Number(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
    if (Number.isNaN(value)) throw fail(at, `bad number syntax: ${JSON.stringify(text)}`);
    if (/^\d+$/.test(digits) && !Number.isSafeInteger(value)) return BigInt(plain);
    return plain.startsWith("-") ? -value : value;
  };

  const { nodes } = parseList([]);
  return { name, source, nodes, named };
}
