/** Compares texts so that the numbers in them count as numbers: `port9` comes before `port10`. */
export function naturally(a: string, b: string): number {
  const left = a.match(/\d+|\D+/g) ?? [];
  const right = b.match(/\d+|\D+/g) ?? [];
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    const [one, other] = [left[at]!, right[at]!];
    const numbers = /^\d/.test(one) && /^\d/.test(other);
    const order = numbers ? compareNumbers(one, other) : compare(one, other);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function compareNumbers(a: string, b: string): number {
  const [left, right] = [a.replace(/^0+(?=.)/, ""), b.replace(/^0+(?=.)/, "")];
  return left.length - right.length || compare(left, right) || b.length - a.length;
}
