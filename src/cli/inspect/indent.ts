/**
 * JSON set in lines. It works on the text: decoding and encoding it would move keys that look like numbers to the front
 * and round large ones.
 */
export function indentJson(text: string, indent: string, prefix = ""): string {
  let result = "";
  let depth = 0;
  const newline = () => `\n${prefix}${indent.repeat(depth)}`;
  const pattern = /"(?:[^"\\]|\\.)*"|[^\s",:[\]{}]+|[,:[\]{}]/g;
  let empty = false;
  for (const [token] of text.matchAll(pattern)) {
    if (token === "}" || token === "]") {
      depth--;
      result += empty ? token : newline() + token;
      empty = false;
      continue;
    }
    if (empty) result += newline();
    empty = false;
    if (token === "{" || token === "[") {
      result += token;
      depth++;
      empty = true;
    } else if (token === ",") result += token + newline();
    else if (token === ":") result += ": ";
    else result += token;
  }
  return result;
}
