import type { DrillReport } from "#lib/contracts/drill.ts";
import { markup, type Markup, nothing } from "./markup.ts";

/** One test case a bound, for tools that read JUnit; a drill that shows nothing has skipped cases, never passed ones. */
export function renderJunit(report: DrillReport): string {
  const { title, verdict, findings, reasons, leftBehind } = report;
  const isConclusive = verdict === "PASSED" || verdict === "FAILED";
  const skipped = markup`<skipped message="${`${verdict}: ${reasons.join("; ")}`}"/>`;
  const bounds = findings.map(({ bound, measured, limit, holds, meaning }) => {
    const failure = markup`<failure message="${`${bound}: ${measured ?? "never"}, at most ${limit} was promised`}">${meaning}</failure>`;
    return testCase(bound, isConclusive ? (holds ? nothing : failure) : skipped);
  });
  const cases = [
    testCase("the drill is conclusive", isConclusive ? nothing : skipped),
    ...bounds,
    testCase(
      "nothing is left behind",
      leftBehind.length === 0
        ? nothing
        : markup`<failure message="${leftBehind.join("; ")}"></failure>`,
    ),
  ];
  const broken = isConclusive ? findings.filter(({ holds }) => !holds).length : 0;
  const failures = broken + (leftBehind.length === 0 ? 0 : 1);
  const skips = isConclusive ? 0 : findings.length + 1;
  return markup`<?xml version="1.0" encoding="UTF-8"?>
<testsuites><testsuite name="${title}" tests="${cases.length}" failures="${failures}" skipped="${skips}">
${cases}</testsuite></testsuites>
`.text;
}

const testCase = (name: string, outcome: Markup): Markup =>
  markup`<testcase classname="drill" name="${name}">${outcome}</testcase>
`;
