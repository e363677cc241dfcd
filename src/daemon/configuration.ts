/** Reads flags and daemon.json into DaemonOptions. A thing set in both is refused, as dockerd does. */
import { existsSync, readFileSync } from "node:fs";
import { addPool, type DaemonOptions, daemonOptions, defaultOptions, OptionError } from "./options.ts";

export const defaultConfigFile = "/etc/gantry/daemon.json";

export type Arguments = { options: DaemonOptions } | { help: string };

/**
 * `argv` is what follows `gantry daemon`. Throws OptionError with a message for the user.
 * A missing configuration file is an error only when it was named.
 */
export function readConfiguration(argv: string[]): Arguments {
  const given = parseFlags(argv);
  if (given === "help") return { help: usage() };
  const options = defaultOptions();
  const file = given.configFile ?? defaultConfigFile;
  if (given.configFile !== undefined || existsSync(file)) applyFile(options, file, given.values);
  for (const [name, values] of given.values) {
    const option = daemonOptions.find((one) => one.flag === name)!;
    for (const value of values) {
      try {
        option.set(options, value);
      } catch (error) {
        if (!(error instanceof OptionError)) throw error;
        throw new OptionError(`invalid argument for "--${name}" flag: ${error.message}`);
      }
    }
  }
  finish(options);
  return { options };
}

function finish(options: DaemonOptions): void {
  if (options.hosts.length === 0) options.hosts = ["unix:///run/gantry/gantry.sock"];
  if (options.debug) options.logLevel = "debug";
  if (options.tlsVerify) options.tls = true;
  if (options.tls && (options.tlsCert === "" || options.tlsKey === "")) {
    throw new OptionError("TLS needs a certificate and its key: --tlscert FILE --tlskey FILE");
  }
  if (options.tlsVerify && options.tlsCaCert === "") {
    throw new OptionError("--tlsverify needs the authority that signed the clients' certificates: --tlscacert FILE");
  }
}

interface Given {
  configFile?: string;
  values: Map<string, string[]>;
}

function parseFlags(argv: string[]): Given | "help" {
  const given: Given = { values: new Map() };
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === "--help" || word === "-h") return "help";
    const parts = /^(--?)([a-zA-Z][a-zA-Z-]*)(=([\s\S]*))?$/.exec(word);
    if (!parts) throw new OptionError(`unexpected argument ${JSON.stringify(word)}: gantry daemon takes flags only`);
    const [, dashes, name, , inline] = parts;
    const isConfig = dashes === "--" && name === "config-file";
    const option = daemonOptions.find((one) => (dashes === "--" ? one.flag === name : one.short === name));
    if (!option && !isConfig) throw new OptionError(`unknown flag: ${dashes}${name}${nearest(name!)}`);
    let value = inline;
    if (value === undefined && option?.kind === "boolean") value = "true";
    if (value === undefined) value = argv[++at];
    if (value === undefined) throw new OptionError(`flag needs an argument: ${dashes}${name}`);
    if (isConfig) given.configFile = value;
    else given.values.set(option!.flag, [...(given.values.get(option!.flag) ?? []), value]);
  }
  return given;
}

function nearest(name: string): string {
  const found = daemonOptions.find((one) => one.flag.startsWith(name) || name.startsWith(one.flag));
  return found ? ` (did you mean --${found.flag}?)` : "";
}

function applyFile(options: DaemonOptions, file: string, flags: Map<string, string[]>): void {
  const refuse = (reason: string) => new OptionError(`unable to configure the server with file ${file}: ${reason}`);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw refuse((error as Error).message);
  }
  if (typeof content !== "object" || content === null || Array.isArray(content))
    throw refuse("it is not a JSON object");
  const unknown = Object.keys(content).filter(
    (key) => key !== "default-address-pools" && !daemonOptions.some((one) => one.key === key),
  );
  if (unknown.length > 0) {
    throw refuse(`the following directives don't match any configuration option: ${unknown.join(", ")}`);
  }
  const twice = Object.keys(content).filter((key) =>
    flags.has(
      daemonOptions.find((one) => one.key === key)?.flag ??
        (key === "default-address-pools" ? "default-address-pool" : ""),
    ),
  );
  if (twice.length > 0) {
    throw refuse(
      `the following directives are specified both as a flag and in the configuration file: ${twice.join(", ")}`,
    );
  }
  for (const [key, value] of Object.entries(content)) {
    try {
      if (key === "default-address-pools") applyPools(options, value);
      else applyKey(options, key, value);
    } catch (error) {
      if (!(error instanceof OptionError)) throw error;
      throw refuse(`${key}: ${error.message}`);
    }
  }
}

function applyKey(options: DaemonOptions, key: string, value: unknown): void {
  const option = daemonOptions.find((one) => one.key === key)!;
  const wanted = option.kind === "list" ? "object" : option.kind;
  const items = option.kind === "list" ? value : [value];
  if (!Array.isArray(items)) throw new OptionError(`${JSON.stringify(value)} is not a list of strings`);
  for (const item of items) {
    const kind = option.kind === "list" ? "string" : wanted;
    if (typeof item !== kind) throw new OptionError(`${JSON.stringify(item)} is not a ${kind}`);
    option.set(options, String(item));
  }
}

function applyPools(options: DaemonOptions, value: unknown): void {
  if (!Array.isArray(value)) throw new OptionError(`${JSON.stringify(value)} is not a list`);
  for (const pool of value as { base?: unknown; size?: unknown }[]) {
    if (typeof pool !== "object" || pool === null || typeof pool.base !== "string" || typeof pool.size !== "number") {
      throw new OptionError(`${JSON.stringify(pool)} is not {"base": "172.30.0.0/16", "size": 24}`);
    }
    addPool(options, pool.base, pool.size);
  }
}

function usage(): string {
  const lines = daemonOptions.map((option) => {
    const names = `${option.short ? `-${option.short}, ` : "    "}--${option.flag}${option.kind === "boolean" ? "" : ` ${option.kind}`}`;
    return `  ${names.padEnd(38)} ${option.help}`;
  });
  lines.push(`  ${"    --config-file string".padEnd(38)} Configuration file (default ${defaultConfigFile})`);
  return `Usage:  gantry daemon [OPTIONS]\n\nThe container engine's server\n\nOptions:\n${lines.sort().join("\n")}\n`;
}
