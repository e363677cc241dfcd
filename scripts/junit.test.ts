import { expect, test } from "bun:test";
import { parseReport } from "./junit.ts";

const xml = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="bun test" tests="5" assertions="2" failures="2" skipped="2" time="0.2">
  <testsuite name="outer" file="a.test.ts" tests="5">
    <testcase name="a &gt; b" classname="outer" time="0.1" file="a.test.ts" line="2" assertions="1" />
    <testcase name="bad /> name" classname="outer" time="0.1">
      <failure type="AssertionError" message="&lt;skipped">a&#10;b</failure>
    </testcase>
    <testcase name="mounts &quot;x&quot; (skipped: needs root)" classname="outer" time="0">
      <skipped />
    </testcase>
  </testsuite>
</testsuites>`;

test("counts what passed, failed and was skipped", () => {
  expect(parseReport(xml, false)).toEqual({ passed: 1, failed: 1, skipped: ['mounts "x" (skipped: needs root)'] });
});

test("does not count what a run by name left out", () => {
  expect(parseReport(xml, true).skipped).toEqual([]);
});
