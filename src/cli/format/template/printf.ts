/** Go's fmt.Sprintf for the verbs that make sense in templates. */
import { format, typeName } from "./values.ts";

const verbPattern = /%([-+# 0]*)(\d+|\*)?(?:\.(\d+|\*)?)?([a-zA-Z%])|%/g;
const maxWidth = 10_000;

export function printf(pattern: string, values: readonly unknown[]): string {
  let next = 0;
  const take = () => values[next++];
  const text = pattern.replace(
    verbPattern,
    (whole, flags: string, width?: string, precision?: string, verb?: string) => {
      if (verb === undefined) return "%!(NOVERB)";
      if (verb === "%") return "%";
      const wide = width === "*" ? Number(take()) : Number(width ?? 0);
      const dot = whole.includes(".");
      const exact = precision === "*" ? Number(take()) : dot ? Number(precision ?? 0) : undefined;
      if (next >= values.length) return `%!${verb}(MISSING)`;
      const content = one(take(), verb, flags, exact);
      const size = Math.min(Math.abs(wide) || 0, maxWidth);
      if (flags.includes("-") || wide < 0) return content.padEnd(size);
      if (flags.includes("0") && /^[+-]?[\d.]+$/.test(content)) {
        const sign = /^[+-]/.exec(content)?.[0] ?? "";
        return sign + content.slice(sign.length).padStart(size - sign.length, "0");
      }
      return content.padStart(size);
    },
  );
  if (next >= values.length) return text;
  const extra = values.slice(next).map((value) => `${typeName(value)}=${format(value, true)}`);
  return `${text}%!(EXTRA ${extra.join(", ")})`;
}

function one(value: unknown, verb: string, flags: string, precision: number | undefined): string {
  const bad = () => `%!${verb}(${typeName(value)}=${format(value, true)})`;
  const sign = (text: string) => (flags.includes("+") && !text.startsWith("-") ? `+${text}` : text);
  switch (verb) {
    case "v":
      return format(value, true);
    case "T":
      return typeName(value);
    case "s": {
      if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return bad();
      const text = format(value, true);
      return precision === undefined ? text : [...text].slice(0, precision).join("");
    }
    case "q":
      return typeof value === "string"
        ? JSON.stringify(value)
        : Array.isArray(value)
          ? `[${value.map((item) => one(item, "q", flags, precision)).join(" ")}]`
          : bad();
    case "t":
      return typeof value === "boolean" ? String(value) : bad();
    case "d":
      return isInteger(value) ? sign(String(value)) : bad();
    case "x":
    case "X": {
      if (!isInteger(value) && typeof value !== "string") return bad();
      const hex = typeof value === "string" ? Buffer.from(value).toString("hex") : value.toString(16);
      return verb === "X" ? hex.toUpperCase() : hex;
    }
    case "o":
      return isInteger(value) ? value.toString(8) : bad();
    case "b":
      return isInteger(value) ? value.toString(2) : bad();
    case "c":
      return typeof value === "number" ? String.fromCodePoint(value) : bad();
    case "f":
    case "F":
      return typeof value === "number" ? sign(value.toFixed(Math.min(precision ?? 6, 100))) : bad();
    case "e":
      return typeof value === "number"
        ? value.toExponential(Math.min(precision ?? 6, 100)).replace(/e([+-])(\d)$/, "e$10$2")
        : bad();
    case "g":
      return typeof value === "number" ? format(value) : bad();
    default:
      return bad();
  }
}

const isInteger = (value: unknown): value is number | bigint =>
  typeof value === "bigint" || (typeof value === "number" && Number.isInteger(value));
