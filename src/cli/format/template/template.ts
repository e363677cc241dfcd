/** Go templates, as --format takes them: https://pkg.go.dev/text/template, with the functions of Docker's client. */
import { arity, functions, headingFunctions, type TemplateFunction } from "./functions.ts";
import { TemplateError } from "./lex.ts";
import { type Call, type Expression, type Node, type Pipeline, parse, type Template } from "./parse.ts";
import { format, Nil, omitted, Struct, sortedEntries, truth, typeName } from "./values.ts";

export { TemplateError } from "./lex.ts";
export { encodeJson, escapeHtml, fromJson, Nil, Struct, toJson } from "./values.ts";

const names: ReadonlySet<string> = new Set([...Object.keys(functions), "and", "or", "call"]);

export interface ExecuteOptions {
  /** What a map gives for a key that it lacks: `<no value>`, or an error. */
  missing?: "default" | "error";
  /** Use the functions for a table's heading. */
  heading?: boolean;
}

export interface Compiled {
  /** The text for `data`. Throws TemplateError with Go's text. */
  execute(data: unknown, options?: ExecuteOptions): string;
}

/** Throws TemplateError, `template: :1: …`, when the template is malformed. */
export function compile(source: string, name = ""): Compiled {
  const template = parse(source, names, name);
  return { execute: (data, options = {}) => execute(template, data, options) };
}

type Scope = { name: string; value: unknown }[];

class Break extends Error {}
class Continue extends Error {}

/** A template that calls itself without end, or ranges over too much, stops here. */
const maxCalls = 1000;
const maxOutput = 64 * 1024 * 1024;

function execute(template: Template, data: unknown, { missing = "default", heading = false }: ExecuteOptions): string {
  const table: Record<string, TemplateFunction> = heading ? headingFunctions : functions;
  let output = "";
  let calls = 0;

  const fail = ({ at, text }: { at: number; text: string }, reason: string): TemplateError => {
    const before = template.source.slice(0, at);
    const line = before.split("\n").length;
    const column = Buffer.byteLength(before.slice(before.lastIndexOf("\n") + 1));
    return new TemplateError(
      `template: ${template.name}:${line}:${column}: executing ${JSON.stringify(template.name)} at <${text}>: ${reason}`,
    );
  };

  const walk = (nodes: Node[], dot: unknown, scope: Scope): void => {
    for (const node of nodes) step(node, dot, scope);
  };

  const write = (text: string) => {
    output += text;
    if (output.length > maxOutput) throw new TemplateError("template: the output is too long");
  };

  const step = (node: Node, dot: unknown, scope: Scope): void => {
    switch (node.kind) {
      case "text":
        write(node.text);
        return;
      case "action": {
        const value = pipeline(node.pipeline, dot, scope);
        if (node.pipeline.variables.length === 0) write(format(value));
        return;
      }
      case "break":
        throw new Break();
      case "continue":
        throw new Continue();
      case "template": {
        const named = template.named.get(node.name);
        if (named === undefined)
          throw new TemplateError(
            `template: :1:${node.at}: executing "" at <{{template ${JSON.stringify(node.name)}}}>: template ${JSON.stringify(node.name)} not defined`,
          );
        if (++calls > maxCalls) throw new TemplateError("template: exceeded maximum template depth");
        const value = node.pipeline === undefined ? undefined : pipeline(node.pipeline, dot, scope);
        walk(named, value, [{ name: "$", value }]);
        calls--;
        return;
      }
      case "range":
        range(node, dot, scope);
        return;
      default: {
        const mark = scope.length;
        const value = pipeline(node.pipeline, dot, scope);
        if (truth(value)) walk(node.body, node.kind === "with" ? value : dot, scope);
        else walk(node.otherwise, dot, scope);
        scope.length = mark;
      }
    }
  };

  const range = (node: Node & { kind: "if" | "with" | "range" }, dot: unknown, scope: Scope): void => {
    const mark = scope.length;
    const { variables, assigns } = node.pipeline;
    const value = pipeline({ ...node.pipeline, variables: [] }, dot, scope);
    let entries: [unknown, unknown][];
    if (Array.isArray(value)) entries = value.map((item, at) => [at, item]);
    else if (typeof value === "number" && Number.isInteger(value))
      entries = Array.from({ length: Math.min(Math.max(value, 0), 100_000) }, (_, at) => [at, at]);
    else if (value === undefined || value === null || value instanceof Nil) entries = [];
    else if (value instanceof Map || (typeof value === "object" && !(value instanceof Struct)))
      entries = sortedEntries(value);
    else throw fail(node.pipeline, `range can't iterate over ${format(value)}`);
    if (entries.length === 0) walk(node.otherwise, dot, scope);
    for (const [key, item] of entries) {
      const inner = scope.length;
      const bound = variables.length === 2 ? [key, item] : [item];
      variables.forEach((name, at) => {
        if (assigns) assign(scope, name, bound[at]);
        else scope.push({ name, value: bound[at] });
      });
      try {
        walk(node.body, item, scope);
      } catch (error) {
        if (error instanceof Break) break;
        if (!(error instanceof Continue)) throw error;
      } finally {
        scope.length = inner;
      }
    }
    scope.length = mark;
  };

  const assign = (scope: Scope, name: string, value: unknown) => {
    scope.findLast((variable) => variable.name === name)!.value = value;
  };

  const pipeline = ({ calls: stages, variables, assigns }: Pipeline, dot: unknown, scope: Scope): unknown => {
    let value: unknown;
    stages.forEach((stage, at) => {
      value = call(stage, dot, scope, at === 0 ? [] : [value]);
    });
    for (const name of variables) {
      if (assigns) assign(scope, name, value);
      else scope.push({ name, value });
    }
    return value;
  };

  const call = (stage: Call, dot: unknown, scope: Scope, piped: unknown[]): unknown => {
    const [first, ...others] = stage.words as [Expression, ...Expression[]];
    const rest = () => [...others.map((word) => operand(word, dot, scope)), ...piped];
    switch (first.kind) {
      case "function":
        return callFunction(first.name, stage, first, others, dot, scope, piped);
      case "field":
        return fields(dot, first.names, first, rest());
      case "variable":
        return fields(variable(first.name, scope), first.names, first, rest());
      case "chain":
        return fields(operand(first.of, dot, scope), first.names, first, rest());
      default:
        if (others.length > 0 || piped.length > 0)
          throw fail(first, `can't give argument to non-function ${first.text}`);
        if (first.kind === "nil") throw fail(first, "nil is not a command");
        return operand(first, dot, scope);
    }
  };

  const callFunction = (
    name: string,
    stage: Call,
    at: Expression,
    others: Expression[],
    dot: unknown,
    scope: Scope,
    piped: unknown[],
  ): unknown => {
    const count = others.length + piped.length;
    if (name === "and" || name === "or") {
      if (count === 0) throw fail(at, `wrong number of args for ${name}: want at least 1 got 0`);
      let value: unknown;
      for (const word of others) {
        value = operand(word, dot, scope);
        if (truth(value) === (name === "or")) return value;
      }
      return piped.length > 0 ? piped[0] : value;
    }
    if (!Object.hasOwn(table, name)) throw fail(at, `error calling ${name}: not a function`);
    const [min, max] = arity[name] ?? [0, Number.POSITIVE_INFINITY];
    if (count < min || count > max) {
      const want = min === max ? `want ${min}` : count < min ? `want at least ${min}` : `want at most ${max}`;
      throw fail(at, `wrong number of args for ${name}: ${want} got ${count}`);
    }
    const values = [...others.map((word) => operand(word, dot, scope)), ...piped];
    try {
      return table[name]!(...values);
    } catch (error) {
      const { message } = error as Error;
      if (message.startsWith("wrong type for value")) throw fail(others[0] ?? stage, message);
      throw fail(stage, `error calling ${name}: ${message}`);
    }
  };

  const variable = (name: string, scope: Scope): unknown => scope.findLast((one) => one.name === name)?.value;

  const operand = (word: Expression, dot: unknown, scope: Scope): unknown => {
    switch (word.kind) {
      case "dot":
        return dot;
      case "nil":
        return null;
      case "literal":
        return word.value;
      case "field":
        return fields(dot, word.names, word, []);
      case "variable":
        return fields(variable(word.name, scope), word.names, word, []);
      case "chain":
        return fields(operand(word.of, dot, scope), word.names, word, []);
      case "pipeline":
        return pipeline(word.pipeline, dot, scope);
      case "function":
        return callFunction(word.name, { at: word.at, text: word.text, words: [word] }, word, [], dot, scope, []);
    }
  };

  const fields = (of: unknown, path: string[], at: Expression, args: unknown[]): unknown => {
    let value = of;
    path.forEach((name, index) => {
      value = field(value, name, at, index === path.length - 1 ? args : []);
    });
    if (path.length === 0 && args.length > 0) throw fail(at, `can't give argument to non-function ${at.text}`);
    return value;
  };

  const field = (of: unknown, name: string, at: Expression, args: unknown[]): unknown => {
    if (of === undefined) {
      if (missing === "error") throw fail(at, `nil data; no entry for key ${JSON.stringify(name)}`);
      return undefined;
    }
    if (of === null || of instanceof Nil) {
      if (of instanceof Nil && of.kind === "slice")
        throw fail(at, `can't evaluate field ${name} in type ${typeName(of)}`);
      throw fail(at, `nil pointer evaluating interface {}.${name}`);
    }
    if (of instanceof Struct) {
      const member = Object.hasOwn(of.fields, name) ? of.fields[name] : undefined;
      if (typeof member === "function") {
        try {
          return (member as TemplateFunction)(...args);
        } catch (error) {
          throw fail(at, `error calling ${name}: ${(error as Error).message}`);
        }
      }
      if (!Object.hasOwn(of.fields, name)) throw fail(at, `can't evaluate field ${name} in type ${of.type}`);
      if (args.length > 0) throw fail(at, `${name} has arguments but cannot be invoked as function`);
      return member;
    }
    const found = of instanceof Map ? of.has(name) : typeof of === "object" && Object.hasOwn(of, name);
    if (found) {
      if (args.length > 0) throw fail(at, `${name} is not a method but has arguments`);
      return of instanceof Map ? of.get(name) : (of as Record<string, unknown>)[name];
    }
    if (typeof of !== "object" || Array.isArray(of)) {
      throw fail(at, `can't evaluate field ${name} in type ${typeName(of)}`);
    }
    if (!(of instanceof Map) && Object.hasOwn(omitted, name)) return omitted[name];
    if (missing === "error") throw fail(at, `map has no entry for key ${JSON.stringify(name)}`);
    return undefined;
  };

  walk(template.nodes, data, [{ name: "$", value: data }]);
  return output;
}
