/** Address ranges (`10.0.0.0/8`, `fd00::/8`) and whether an address lies in one. */

export interface Range {
  bits: bigint;
  prefix: number;
  width: 32 | 128;
}

/** An address or a range; undefined when the text is neither. */
export function parseRange(text: string): Range | undefined {
  const [address = "", prefix, more] = text.split("/");
  const parsed = parseAddress(address);
  if (!parsed || more !== undefined) return undefined;
  if (prefix === undefined) return { ...parsed, prefix: parsed.width };
  const length = Number(prefix);
  if (!/^\d{1,3}$/.test(prefix) || length > parsed.width) return undefined;
  return { ...parsed, prefix: length };
}

/** False also when `text` is a name. */
export function inRange(text: string, range: Range): boolean {
  const address = parseAddress(text);
  if (!address || address.width !== range.width) return false;
  const shift = BigInt(range.width - range.prefix);
  return address.bits >> shift === range.bits >> shift;
}

function parseAddress(text: string): { bits: bigint; width: 32 | 128 } | undefined {
  const four = parseFour(text);
  if (four !== undefined) return { bits: four, width: 32 };
  const six = parseSix(text);
  if (six === undefined) return undefined;
  // ::ffff:127.0.0.1 is 127.0.0.1
  if (six >> 32n === 0xffffn) return { bits: six & 0xffffffffn, width: 32 };
  return { bits: six, width: 128 };
}

function parseFour(text: string): bigint | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return undefined;
  const parts = text.split(".").map(Number);
  if (parts.some((part) => part > 255)) return undefined;
  return parts.reduce((bits, part) => (bits << 8n) | BigInt(part), 0n);
}

function parseSix(text: string): bigint | undefined {
  if (!/^[0-9a-fA-F:]*(?:\d{1,3}(?:\.\d{1,3}){3})?$/.test(text) || !text.includes(":")) return undefined;
  let plain = text;
  const tail = /[\d.]+$/.exec(text)?.[0];
  if (tail?.includes(".")) {
    const four = parseFour(tail);
    if (four === undefined) return undefined;
    plain = `${text.slice(0, -tail.length)}${(four >> 16n).toString(16)}:${(four & 0xffffn).toString(16)}`;
  }
  const halves = plain.split("::");
  if (halves.length > 2) return undefined;
  const groups = (half: string) => (half === "" ? [] : half.split(":"));
  const left = groups(halves[0]!);
  const right = halves.length === 2 ? groups(halves[1]!) : [];
  const missing = 8 - left.length - right.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...left, ...Array<string>(halves.length === 2 ? missing : 0).fill("0"), ...right];
  if (!all.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return all.reduce((bits, group) => (bits << 16n) | BigInt(Number.parseInt(group, 16)), 0n);
}
