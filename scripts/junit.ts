/** Reads the JUnit report that `bun test` writes for one file. */

export interface Report {
  passed: number;
  failed: number;
  /** Names of the tests that were skipped; they hold the reason. */
  skipped: string[];
}

const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function decoded(text: string): string {
  return text.replace(
    /&(?:#x([0-9a-fA-F]+)|#([0-9]+)|(\w+));/g,
    (all, hex?: string, decimal?: string, name?: string) =>
      hex !== undefined
        ? String.fromCodePoint(Number.parseInt(hex, 16))
        : decimal !== undefined
          ? String.fromCodePoint(Number(decimal))
          : (entities[name ?? ""] ?? all),
  );
}

/**
 * Counts the test cases in `xml`. With `filtered` (a run by name) the others are reported as skipped, too: they are not
 * counted.
 */
export function parseReport(xml: string, filtered: boolean): Report {
  const report: Report = { passed: 0, failed: 0, skipped: [] };
  for (const [, attributes = "", body = ""] of xml.matchAll(
    /<testcase\b((?:[^>"]|"[^"]*")*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g,
  )) {
    if (/<(failure|error)\b/.test(body)) report.failed++;
    else if (!/<skipped\b/.test(body)) report.passed++;
    else if (!filtered) report.skipped.push(decoded(/\bname="([^"]*)"/.exec(attributes)?.[1] ?? "?"));
  }
  return report;
}

/** undefined when there is no report: the process ended before it could write one. */
export async function readReport(path: string, filtered: boolean): Promise<Report | undefined> {
  const file = Bun.file(path);
  return (await file.exists()) ? parseReport(await file.text(), filtered) : undefined;
}
