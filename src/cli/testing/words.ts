/** Cuts a command line into words; 'single quotes' keep blanks. */
export function words(line: string): string[] {
  return [...line.matchAll(/(?:[^\s']|'[^']*')+/g)].map(([word]) => word.replace(/'([^']*)'/g, "$1"));
}
