/** The text of a profile, checked: it comes from a client. */
import { SpecError } from "../errors.ts";
import type { Argument, Condition, Profile, Rule } from "./profile.ts";

const largest = 4 << 20;
const actions = new Set(
  "KILL KILL_PROCESS KILL_THREAD TRAP ERRNO TRACE ALLOW LOG".split(" ").map((name) => `SCMP_ACT_${name}`),
);
const operators = new Set("NE LT LE EQ GE GT MASKED_EQ".split(" ").map((name) => `SCMP_CMP_${name}`));

/** Throws SpecError that names what is wrong. Unknown keys are passed over, as Docker does. */
export function parseProfile(text: string): Profile {
  if (text.length > largest) throw new SpecError(`invalid seccomp profile: larger than ${largest} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SpecError(`decoding seccomp profile failed: ${(error as Error).message}`);
  }
  const profile = record(value, "profile");
  if (profile.listenerPath !== undefined && profile.listenerPath !== "") fail("listenerPath is not supported");
  const architectures = optional(profile.architectures, (each) => strings(each, "architectures"));
  const archMap = optional(profile.archMap, (each) =>
    array(each, "archMap").map((entry, index) => {
      const { architecture, subArchitectures } = record(entry, `archMap[${index}]`);
      return {
        architecture: string(architecture, `archMap[${index}].architecture`),
        subArchitectures:
          optional(subArchitectures, (sub) => strings(sub, `archMap[${index}].subArchitectures`)) ?? null,
      };
    }),
  );
  if (architectures?.length && archMap?.length) {
    fail(
      "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'",
    );
  }
  const defaultErrnoRet = optional(profile.defaultErrnoRet, (each) => integer(each, "defaultErrnoRet"));
  return {
    defaultAction: action(profile.defaultAction, "defaultAction"),
    ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
    ...(architectures?.length ? { architectures } : {}),
    ...(archMap?.length ? { archMap } : {}),
    flags: optional(profile.flags, (each) => strings(each, "flags")) ?? [],
    syscalls: (optional(profile.syscalls, (each) => array(each, "syscalls")) ?? []).map(parseRule),
  };
}

function parseRule(value: unknown, index: number): Rule {
  const at = `syscalls[${index}]`;
  const rule = record(value, at);
  const names = optional(rule.names, (each) => strings(each, `${at}.names`)) ?? [];
  const single = optional(rule.name, (each) => string(each, `${at}.name`)) ?? "";
  if (single !== "" && names.length > 0) {
    fail("'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'");
  }
  const all = single === "" ? names : [single];
  if (all.length === 0) fail(`${at} names no system call`);
  const errnoRet = optional(rule.errnoRet, (each) => integer(each, `${at}.errnoRet`));
  const args = optional(rule.args, (each) =>
    array(each, `${at}.args`).map((arg, i) => parseArgument(arg, `${at}.args[${i}]`)),
  );
  const includes = optional(rule.includes, (each) => parseCondition(each, `${at}.includes`));
  const excludes = optional(rule.excludes, (each) => parseCondition(each, `${at}.excludes`));
  return {
    names: all,
    action: action(rule.action, `${at}.action`),
    ...(errnoRet === undefined ? {} : { errnoRet }),
    ...(args === undefined ? {} : { args }),
    ...(includes === undefined ? {} : { includes }),
    ...(excludes === undefined ? {} : { excludes }),
  };
}

function parseArgument(value: unknown, at: string): Argument {
  const arg = record(value, at);
  const index = integer(arg.index, `${at}.index`);
  if (index > 5) fail(`${at}.index is ${index}, above 5`);
  const op = string(arg.op, `${at}.op`);
  if (!operators.has(op)) fail(`${at}.op is ${JSON.stringify(op)}`);
  const valueTwo = optional(arg.valueTwo, (each) => integer(each, `${at}.valueTwo`));
  return { index, value: integer(arg.value, `${at}.value`), ...(valueTwo === undefined ? {} : { valueTwo }), op };
}

function parseCondition(value: unknown, at: string): Condition {
  const { caps, arches, minKernel } = record(value, at);
  const kernel = optional(minKernel, (each) => string(each, `${at}.minKernel`));
  if (kernel !== undefined && !/^\d{1,4}\.\d{1,4}$/.test(kernel)) fail(`${at}.minKernel is ${JSON.stringify(kernel)}`);
  return {
    caps: optional(caps, (each) => strings(each, `${at}.caps`)) ?? [],
    arches: optional(arches, (each) => strings(each, `${at}.arches`)) ?? [],
    ...(kernel === undefined ? {} : { minKernel: kernel }),
  };
}

function action(value: unknown, at: string): string {
  const name = string(value, at);
  if (!actions.has(name)) fail(`${at} is ${JSON.stringify(name)}`);
  return name;
}

function optional<T>(value: unknown, parse: (value: unknown) => T): T | undefined {
  return value === undefined || value === null ? undefined : parse(value);
}

function record(value: unknown, at: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) fail(`${at} is no object`);
  return value as Record<string, unknown>;
}

function array(value: unknown, at: string): unknown[] {
  if (!Array.isArray(value)) fail(`${at} is no list`);
  return value as unknown[];
}

function string(value: unknown, at: string): string {
  if (typeof value !== "string") fail(`${at} is no text`);
  return value as string;
}

function strings(value: unknown, at: string): string[] {
  return array(value, at).map((each, index) => string(each, `${at}[${index}]`));
}

function integer(value: unknown, at: string): number {
  // Above 2^53 a JSON number has lost digits already: a filter that compares with another value would be no filter.
  if (!Number.isSafeInteger(value) || (value as number) < 0) fail(`${at} is no whole number from 0 to 2^53-1`);
  return value as number;
}

function fail(reason: string): never {
  throw new SpecError(`invalid seccomp profile: ${reason}`);
}
