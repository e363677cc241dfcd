/** One record of comma-separated values (RFC 4180), as --mount, --network and --gpus take them. Errors are Go's texts. */
export function csvFields(text: string): string[] {
  if (text.trim() === "") throw new Error("EOF");
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (text[at] === '"') {
      let value = "";
      at++;
      for (;;) {
        const end = text.indexOf('"', at);
        if (end < 0)
          throw new Error(`parse error on line 1, column ${text.length + 1}: extraneous or missing " in quoted-field`);
        value += text.slice(at, end);
        at = end + 1;
        if (text[at] !== '"') break;
        value += '"';
        at++;
      }
      if (at < text.length && text[at] !== ",") {
        throw new Error(`parse error on line 1, column ${at}: extraneous or missing " in quoted-field`);
      }
      fields.push(value);
    } else {
      const comma = text.indexOf(",", at);
      const value = text.slice(at, comma < 0 ? undefined : comma);
      const bare = value.indexOf('"');
      if (bare >= 0) throw new Error(`parse error on line 1, column ${at + bare + 1}: bare " in non-quoted-field`);
      fields.push(value);
      at += value.length;
    }
    if (at >= text.length) return fields;
    at++;
  }
}
