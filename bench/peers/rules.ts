/**
 * dockerd leaves its chains and rules in iptables when it ends. From what `iptables-save` said before it started and
 * after it ended follow the commands that take them back.
 */

/** Rules (`-A …`) and own chains of each table. */
export function parseSave(text: string): Map<string, { chains: string[]; rules: string[] }> {
  const tables = new Map<string, { chains: string[]; rules: string[] }>();
  let table: { chains: string[]; rules: string[] } | undefined;
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) {
      table = { chains: [], rules: [] };
      tables.set(line.slice(1).trim(), table);
    } else if (/^:\S+ - /.test(line)) table?.chains.push(line.slice(1).split(" ")[0]!);
    else if (line.startsWith("-A ")) table?.rules.push(line.trim());
  }
  return tables;
}

/**
 * What `iptables-restore --noflush` must be fed to remove what came since `before`: nothing where a new rule names an
 * interface other than `bridge`, for then another dockerd came meanwhile and shares the chains.
 */
export function removal(before: string, after: string, bridge: string): string {
  const old = parseSave(before);
  const added = [...parseSave(after)].map(([name, table]) => ({
    name,
    chains: table.chains.filter((chain) => !old.get(name)?.chains.includes(chain)),
    rules: table.rules.filter((rule) => !old.get(name)?.rules.includes(rule)),
  }));
  const interfaces = added.flatMap(({ rules }) =>
    rules.flatMap((rule) => [...rule.matchAll(/ -[io] (\S+)/g)].map((hit) => hit[1])),
  );
  if (interfaces.some((name) => name !== bridge)) return "";
  return added
    .filter(({ chains, rules }) => chains.length + rules.length > 0)
    .map(({ name, chains, rules }) =>
      [
        `*${name}`,
        ...rules.filter((rule) => !chains.includes(rule.split(" ")[1]!)).map((rule) => rule.replace("-A", "-D")),
        ...chains.map((chain) => `-F ${chain}`),
        ...chains.map((chain) => `-X ${chain}`),
        "COMMIT\n",
      ].join("\n"),
    )
    .join("");
}

/**
 * The same for what a bench that was killed left: rules that name an interface with a name of ours which is gone. The
 * chains stay; they are empty.
 */
export function stale(save: string, exists: (name: string) => boolean): string {
  const gone = (rule: string): boolean =>
    [...rule.matchAll(/ -[io] (gt[0-9a-f]{6})(?= |$)/g)].some(([, name]) => !exists(name!));
  return [...parseSave(save)]
    .map(([name, { rules }]) => ({ name, rules: rules.filter(gone) }))
    .filter(({ rules }) => rules.length > 0)
    .map(({ name, rules }) => `*${name}\n${rules.map((rule) => `${rule.replace("-A", "-D")}\n`).join("")}COMMIT\n`)
    .join("");
}
