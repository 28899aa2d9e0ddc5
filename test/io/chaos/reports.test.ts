import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Value } from "typebox/value";
import { DrillReport, type Experiment } from "#lib/contracts/drill.ts";
import { analyseRun, type RunRecord } from "../../../chaos/core/analyse-run.ts";
import { escapeText } from "../../../chaos/report/markup.ts";
import { renderHtml } from "../../../chaos/report/render-html.ts";
import { type JournalNotes, renderJournal } from "../../../chaos/report/render-journal.ts";
import { renderJunit } from "../../../chaos/report/render-junit.ts";
import { summaryLine } from "../../../chaos/report/summary-line.ts";
import {
  goodRun,
  MOMENTS,
  START_MS,
  withCalls,
  withStarts,
} from "../../core/chaos/synthetic-run.ts";

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

const notes: JournalNotes = {
  loadStartedMs: START_MS,
  beganMs: START_MS - 6_000,
  endedMs: START_MS + 41_000,
  deeds: [
    { kind: "kill", fromMs: START_MS + 4_950, untilMs: START_MS + 5_033, failure: null },
    { kind: "start", fromMs: START_MS + 15_000, untilMs: START_MS + 15_100, failure: "no answer" },
    { kind: "start", fromMs: START_MS + 15_200, untilMs: START_MS + 16_000, failure: null },
  ],
  steadyStateBefore: [
    {
      name: "the shared address answers ready",
      holds: true,
      seen: "http://127.0.0.1:8080/readyz answered 200",
      status: 200,
      fromMs: START_MS - 2_000,
      untilMs: START_MS - 1_996,
    },
  ],
  steadyStateAfter: [
    {
      name: "the shared address answers ready",
      holds: false,
      seen: "http://127.0.0.1:8080/readyz did not answer: Error: refused",
      status: null,
      fromMs: START_MS + 40_100,
      untilMs: START_MS + 40_102,
    },
  ],
};

const golden: readonly { file: string; text: string }[] = [
  { file: "report.html", text: renderHtml(failed) },
  { file: "junit.xml", text: renderJunit(failed) },
  {
    file: "journal.json",
    text: `${JSON.stringify(renderJournal(failed, experiment, notes), undefined, 2)}\n`,
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

test("a journal of a drill that did nothing tells of nothing", () => {
  const blocked: DrillReport = { ...failed, verdict: "BLOCKED", reasons: ["why"], findings: [] };
  const nothing = { ...notes, deeds: [], steadyStateBefore: null, steadyStateAfter: null };
  const { run, rollbacks, steady_states } = renderJournal(blocked, experiment, nothing) as Record<
    string,
    unknown
  >;
  assert.deepEqual(
    { run, rollbacks, steady_states },
    { run: [], rollbacks: [], steady_states: { before: null, during: [], after: null } },
  );
});

test("the page's tiles agree with its table of series, and the calls add up", () => {
  const page = renderHtml(failed);
  const sumOf = (isIdempotent: boolean) =>
    failed.series
      .filter((one) => one.isIdempotent === isIdempotent)
      .reduce((sum, { connectionLost }) => sum + connectionLost, 0);
  assert.ok(page.includes(`of ${(4_000 - sumOf(true)).toLocaleString("en-US")} idempotent calls`));
  assert.ok(page.includes(`<b>${sumOf(true) + sumOf(false)}</b>`));
  assert.match(page, /went down with the killed gateway, 0 of them on the shared address/);
});

test("a zone that was never taken out is not told as restored", () => {
  const page = renderHtml(reportOf({ ...goodRun(), moments: { ...MOMENTS, detectedMs: null } }));
  assert.match(page, /<b>n\/a<\/b><span>until restored: never taken out<\/span>/);
  assert.match(page, /n\/a — never taken out/);
});

test("the last line has verdict and figures, then why it is no better", () => {
  assert.equal(
    summaryLine(reportOf(goodRun())),
    "PASSED  detected after 1.5 s, shifted after 0.2 s, 0 of 3,724 idempotent calls lost, 0 duplicated; 276 idempotent calls went down with the killed gateway",
  );
  assert.deepEqual(summaryLine(failed).split("\n"), [
    "FAILED  detected after 1.5 s, shifted after 7.0 s, 1 of 3,724 idempotent calls lost, 1 duplicated; 276 idempotent calls went down with the killed gateway",
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
