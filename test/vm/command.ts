/** The command that the guest runs, as the file that its init gives to the shell. */

/** A word that the shell takes as it is. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Sets the environment and becomes the command; its working directory is the tree. */
export function commandScript(command: string[], env: Record<string, string> = {}): string {
  const lines = Object.entries(env).map(([name, value]) => {
    if (!/^[A-Za-z_]\w*$/.test(name)) throw new Error(`${name} cannot be the name of an environment variable`);
    return `export ${name}=${quoted(value)}\n`;
  });
  return `${lines.join("")}exec ${command.map(quoted).join(" ")}\n`;
}
