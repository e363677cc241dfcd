/**
 * Go's values as templates see them. Strings, numbers, bigints, booleans and arrays are themselves; a Map is a Go map; a
 * plain object is a struct made from JSON; a Struct has methods; undefined is no value at all.
 */

/** A nil of a known kind: prints and counts as an empty one, and is null in JSON. */
export class Nil {
  constructor(readonly kind: "slice" | "map" | "pointer") {}
}

/** Something with named fields and methods, and the type's name for errors. */
export class Struct {
  constructor(
    readonly type: string,
    /** A function is a method: it is called with the arguments in the template. */
    readonly fields: Record<string, unknown>,
    /** What `json` prints. Default: the fields. */
    readonly json?: () => unknown,
    /** Its own encoder makes the text safe inside HTML. */
    readonly escapes = false,
  ) {}
}

/** A map whose values are strings: what it lacks is "". */
export class StringMap extends Map<string, unknown> {}

const stringMaps = new Set([
  "Annotations",
  "Attributes",
  "AuxiliaryAddresses",
  "Data",
  "Details",
  "DriverOpts",
  "Labels",
  "Options",
  "StorageOpt",
  "Sysctls",
  "Tmpfs",
]);

/** Fields of Docker's types that are maps; objects in other fields are structs. */
const maps = new Set([
  "Annotations",
  "Attributes",
  "AuxiliaryAddresses",
  "Containers",
  "Data",
  "Details",
  "DriverOpts",
  "ExposedPorts",
  "IndexConfigs",
  "Labels",
  "Networks",
  "Options",
  "PortBindings",
  "Ports",
  "Runtimes",
  "Status",
  "StorageOpt",
  "Sysctls",
  "Tmpfs",
  "Volumes",
]);
const pointers = new Set([
  "Error",
  "Health",
  "Healthcheck",
  "IPAMConfig",
  "Init",
  "MemorySwappiness",
  "OomKillDisable",
  "PidsLimit",
  "StopTimeout",
]);

/** Fields that the API leaves out when they are empty: templates find the empty value all the same. */
export const omitted: Record<string, unknown> = {
  ...Object.fromEntries(
    "Author Comment DockerVersion Driver MacAddress Name Parent Propagation Runtime Source StopSignal Subpath Variant"
      .split(" ")
      .map((name) => [name, ""]),
  ),
  ...Object.fromEntries(
    "Descriptor GraphDriver Health Healthcheck ImageManifestDescriptor Init SizeRootFs SizeRw StopTimeout UsageData"
      .split(" ")
      .map((name) => [name, new Nil("pointer")]),
  ),
  ...Object.fromEntries(
    "Annotations ExposedPorts Labels StorageOpt Sysctls Tmpfs Volumes".split(" ").map((name) => [name, new Nil("map")]),
  ),
  ...Object.fromEntries("Binds Mounts OnBuild Shell".split(" ").map((name) => [name, new Nil("slice")])),
  ArgsEscaped: false,
  NetworkDisabled: false,
};

/** JSON as Go's client would hold it after decoding it into its types. */
export function fromJson(value: unknown, name = "", parent = ""): unknown {
  const isMap = maps.has(name) || (name === "Config" && parent === "LogConfig");
  if (value === null) return new Nil(isMap ? "map" : pointers.has(name) ? "pointer" : "slice");
  if (Array.isArray(value)) return value.map((item) => (item === null ? null : fromJson(item, "", name)));
  if (typeof value !== "object") return value;
  const entries = Object.entries(value).map(([key, item]) => [key, fromJson(item, isMap ? "" : key, name)] as const);
  if (!isMap) return Object.fromEntries(entries);
  return stringMaps.has(name) || name === "Config" ? new StringMap(entries) : new Map(entries);
}

/** The reverse, for JSON.stringify. */
export function toJson(value: unknown): unknown {
  if (value instanceof Nil || value === undefined) return null;
  if (value instanceof Struct) return value.json === undefined ? toJson(value.fields) : value.json();
  if (value instanceof Map) {
    return Object.fromEntries([...value].sort(byKey).map(([key, item]) => [String(key), toJson(item)]));
  }
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === "bigint") return rawJson(String(value));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]));
  }
  return value;
}

/** JSON.rawJSON: a number that JavaScript's own cannot hold. */
const rawJson = (text: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(text);

export function encodeJson(value: unknown): string {
  const text = JSON.stringify(toJson(value));
  return value instanceof Struct && value.escapes ? escapeHtml(text) : text;
}

/** As Go's encoder does unless told otherwise: safe inside HTML. */
export const escapeHtml = (json: string): string =>
  json.replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);

const byKey = ([a]: [unknown, unknown], [b]: [unknown, unknown]): number => {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0;
};

/** A map's or object's entries in the order in which Go ranges over them. */
export function sortedEntries(value: Map<unknown, unknown> | object): [unknown, unknown][] {
  return (value instanceof Map ? [...value] : Object.entries(value)).sort(byKey);
}

/** Go's `if`: whether it is not the zero value. */
export function truth(value: unknown): boolean {
  if (value === undefined || value === null || value instanceof Nil) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  return typeof value === "object" || Boolean(value);
}

/** As fmt prints it with %v. */
export function format(value: unknown, inside = false): string {
  if (value === undefined || value === null) return inside ? "<nil>" : "<no value>";
  if (value instanceof Nil) return value.kind === "slice" ? "[]" : value.kind === "map" ? "map[]" : "<nil>";
  if (typeof value === "number") return formatNumber(value);
  if (Array.isArray(value)) return `[${value.map((item) => format(item, true)).join(" ")}]`;
  if (value instanceof Map) {
    return `map[${sortedEntries(value)
      .map(([key, item]) => `${format(key, true)}:${format(item, true)}`)
      .join(" ")}]`;
  }
  if (value instanceof Struct) return format(value.fields, inside);
  if (typeof value === "object") {
    return `{${Object.values(value)
      .filter((item) => typeof item !== "function")
      .map((item) => format(item, true))
      .join(" ")}}`;
  }
  return String(value);
}

function formatNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e21) return String(value);
  const text = String(value);
  if (!text.includes("e")) return Math.abs(value) < 1e-4 ? exponent(value.toExponential()) : text;
  return exponent(text);
}

const exponent = (text: string): string => text.replace(/e([+-])(\d)$/, "e$10$2");

export function typeName(value: unknown): string {
  if (value instanceof Struct) return value.type;
  if (value instanceof Map) return "map[string]interface {}";
  if (Array.isArray(value) || (value instanceof Nil && value.kind === "slice")) return "[]interface {}";
  if (typeof value === "number") return Number.isInteger(value) ? "int64" : "float64";
  if (typeof value === "bigint") return "int64";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "string") return "string";
  if (value === null || value === undefined) return "<nil>";
  return "map[string]interface {}";
}
