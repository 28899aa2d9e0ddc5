import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Value } from "typebox/value";
import { DrillReport, type Experiment } from "#lib/contracts/drill.ts";
import { analyseRun, type RunRecord } from "../../../chaos/core/analyse-run.ts";
import { escapeText } from "../../../chaos/report/markup.ts";
import { renderHtml } from "../../../chaos/report/render-html.ts";
import { renderJournal } from "../../../chaos/report/render-journal.ts";
import { renderJunit } from "../../../chaos/report/render-junit.ts";
import { summaryLine } from "../../../chaos/report/summary-line.ts";
import { goodRun, withCalls, withStarts } from "../../core/chaos/synthetic-run.ts";

const GOLDEN = join(import.meta.dirname, "../../golden/chaos");
const SHIPPED = join(import.meta.dirname, "../../../chaos/drills/zone-kill.json");
const experiment = JSON.parse(readFileSync(SHIPPED, "utf8")) as Experiment;
const HOSTILE = `<script>alert("1")</script> & 'more'`;

function reportOf(run: RunRecord): DrillReport {
  const analysis = analyseRun(run);
  return {
    runId: "0123456789",
    title: `Callers hardly notice ${HOSTILE}`,
    ...analysis,
    reasons: [...analysis.reasons],
    cleanup: "CLEAN",
    leftBehind: [],
    withoutFailover: false,
    startedAtMs: Date.UTC(2026, 0, 2, 3, 4, 5),
    seed: 7,
    target: { zone: "eu-west" },
    events: [{ atMs: 5_000, what: `proved: no process of ${HOSTILE} is left` }],
    machine: { cores: 2, node: "v26.0.0", platform: "linux 6 x86_64" },
  };
}

/** One lost call and one that ran twice, so that every column has something in it. */
const failed = reportOf(
  withStarts(
    withCalls(
      goodRun(),
      ({ id }) => id === "run-base-idempotent-300",
      (call) => ({ ...call, outcome: "status", status: 503, detail: HOSTILE, zone: null }),
    ),
    "run-us-east-once-500",
    2,
  ),
);

const golden: readonly { file: string; text: string }[] = [
  { file: "report.html", text: renderHtml(failed) },
  { file: "junit.xml", text: renderJunit(failed) },
  {
    file: "journal.json",
    text: `${JSON.stringify(renderJournal(failed, experiment), undefined, 2)}\n`,
  },
];
for (const { file, text } of golden)
  test(`${file} is as it was looked at (MERIDIAN_UPDATE_GOLDEN=1 rewrites it)`, () => {
    const path = join(GOLDEN, file);
    if (process.env["MERIDIAN_UPDATE_GOLDEN"] === "1") writeFileSync(path, text);
    assert.equal(text, readFileSync(path, "utf8"));
  });

test("a report is what its schema says", () => {
  assert.deepEqual(Value.Errors(DrillReport, failed), []);
});

test("the page asks nothing of anybody, and no text of a run becomes markup", () => {
  const page = renderHtml(failed);
  assert.doesNotMatch(page, /<script|src=|@import|url\(|<link|href=/i);
  assert.ok(
    page.includes("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;more&#39;"),
  );
});

test("text is escaped for HTML and XML, and what neither may hold is replaced", () => {
  assert.equal(
    escapeText(`<a b="c">'&\u0000\u001b\n`),
    "&lt;a b=&quot;c&quot;&gt;&#39;&amp;\ufffd\ufffd\n",
  );
});

test("a drill that shows nothing has skipped cases for a build server, never passed ones", () => {
  const blocked: DrillReport = { ...failed, verdict: "BLOCKED", reasons: ["why"], findings: [] };
  const xml = renderJunit(blocked);
  assert.match(xml, /tests="2" failures="0" skipped="1"/);
  assert.match(xml, /<skipped message="BLOCKED: why"\/>/);
});

test("the last line has verdict and figures, then why it is no better", () => {
  assert.equal(
    summaryLine(reportOf(goodRun())),
    "PASSED  detected after 1.5 s, shifted after 0.2 s, 0 of 4,000 idempotent calls lost, 0 duplicated",
  );
  assert.deepEqual(summaryLine(failed).split("\n"), [
    "FAILED  detected after 1.5 s, shifted after 7.0 s, 1 of 4,000 idempotent calls lost, 1 duplicated",
    "  shiftedAfterMsMax broke: 7011, at most 3500 was promised",
    "  idempotentLostMax broke: 1, at most 0 was promised",
    "  duplicatedMax broke: 1, at most 0 was promised",
  ]);
  const blocked = { ...failed, verdict: "BLOCKED", reasons: ["why"], findings: [] } as const;
  assert.equal(
    summaryLine({ ...blocked, reasons: ["why"], findings: [], leftBehind: ["a process"] }),
    "BLOCKED  nothing was measured\n  why\n  left behind: a process",
  );
});
