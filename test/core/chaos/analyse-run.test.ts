import assert from "node:assert/strict";
import { test } from "node:test";
import type { DrillVerdict } from "#lib/contracts/drill.ts";
import type { CallRecord } from "#lib/contracts/drill-load.ts";
import { analyseRun, type RunRecord } from "../../../chaos/core/analyse-run.ts";
import {
  goodRun,
  MOMENTS,
  SERIES,
  START_MS,
  TARGET,
  withCalls,
  withStarts,
} from "./synthetic-run.ts";

const at = (call: CallRecord, fromMs: number, untilMs: number) =>
  call.intendedMs >= START_MS + fromMs && call.intendedMs < START_MS + untilMs;
const lose = (call: CallRecord): CallRecord => ({
  ...call,
  outcome: "status",
  status: 503,
  detail: "MERIDIAN_NO_CLUSTER",
  zone: null,
});

test("a run without a flaw passes, with the times it was made with", () => {
  const analysis = analyseRun(goodRun());
  assert.deepEqual(analysis.reasons, []);
  assert.equal(analysis.verdict, "PASSED");
  assert.equal(analysis.timings.detectedAfterMs, 1_500);
  const { shiftedAfterMs, restoredAfterMs } = analysis.timings;
  assert.ok(shiftedAfterMs !== null && shiftedAfterMs > 200 && shiftedAfterMs <= 300);
  assert.ok(restoredAfterMs !== null && restoredAfterMs > 11_500 && restoredAfterMs <= 12_100);
});

test("what cannot be kept at the killed gateway's own port is told in its own column", () => {
  const { series } = analyseRun(goodRun());
  for (const one of series) {
    assert.equal(one.lost, 0);
    assert.equal(one.connectionLost > 0, one.name.startsWith(TARGET), one.name);
    assert.equal(one.sent, one.succeeded + one.lost + one.connectionLost);
  }
});

interface Planted {
  readonly name: string;
  readonly plant: (run: RunRecord) => RunRecord;
  readonly verdict: DrillVerdict;
  /** What the first reason has to speak of. */
  readonly because: RegExp;
}

const planted: Planted[] = [
  {
    name: "a call of the function that must not run twice ran twice",
    plant: (run) => withStarts(run, "run-base-once-150", 2),
    verdict: "FAILED",
    because: /^duplicatedMax broke: 1,/,
  },
  {
    name: "a call was answered, but the function never started",
    plant: (run) => withStarts(run, "run-us-east-idempotent-700", 0),
    verdict: "FAILED",
    because: /^idempotentLostMax broke: 1,/,
  },
  {
    name: "one idempotent call was lost through a living gateway",
    plant: (run) => withCalls(run, ({ id }) => id === "run-us-east-idempotent-300", lose),
    verdict: "FAILED",
    because: /^shiftedAfterMsMax broke: 70\d\d,/,
  },
  {
    name: "one idempotent call was lost after the zone was back",
    plant: (run) => withCalls(run, ({ id }) => id === `run-${TARGET}-idempotent-900`, lose),
    verdict: "FAILED",
    because: /^idempotentLostMax broke: 1,/,
  },
  {
    name: "a connection to a living gateway broke",
    plant: (run) =>
      withCalls(
        run,
        ({ id }) => id === "run-us-east-idempotent-126",
        (call) => ({ ...call, outcome: "reset", status: null, detail: "ECONNRESET" }),
      ),
    verdict: "FAILED",
    because: /^idempotentLostMax broke: 1,/,
  },
  {
    name: "a connection on the shared address broke long after the kill",
    plant: (run) =>
      withCalls(
        run,
        ({ id }) => id === "run-base-idempotent-300",
        (call) => ({ ...call, outcome: "reset", status: null, detail: "ECONNRESET" }),
      ),
    verdict: "FAILED",
    because: /^shiftedAfterMsMax broke/,
  },
  {
    name: "gateways went on trying the dead zone first",
    plant: (run) =>
      withCalls(
        run,
        (call) => at(call, 5_000, 9_000) && call.callerZone === TARGET && call.outcome === "ok",
        (call) => ({ ...call, attempts: 2 }),
      ),
    verdict: "FAILED",
    because: /^shiftedAfterMsMax broke: 39\d\d,/,
  },
  {
    name: "nobody noticed",
    plant: (run) => ({ ...run, moments: { ...MOMENTS, detectedMs: null } }),
    verdict: "FAILED",
    because: /^detectedAfterMsMax broke: it never happened/,
  },
  {
    name: "the zone never got its share back",
    plant: (run) =>
      withCalls(
        run,
        (call) => at(call, 16_000, 40_000) && call.callerZone === TARGET,
        (call) => ({ ...call, zone: "us-east" }),
      ),
    verdict: "FAILED",
    because: /^restoredAfterMsMax broke: it never happened/,
  },
  {
    name: "the zone got its share back and lost it again",
    plant: (run) =>
      withCalls(
        run,
        (call) => at(call, 35_000, 37_000) && call.callerZone === TARGET,
        (call) => ({ ...call, zone: "us-east" }),
      ),
    verdict: "FAILED",
    because: /^restoredAfterMsMax broke: 2[01]\d\d\d,/,
  },
  {
    name: "too many answers were late",
    plant: (run) =>
      withCalls(
        run,
        (call) => at(call, 20_000, 21_000),
        (call) => ({ ...call, endedMs: call.intendedMs + 1_500 }),
      ),
    verdict: "FAILED",
    because: /^lateMax broke: \d+,/,
  },
  {
    name: "the hypothesis did not hold afterwards",
    plant: (run) => ({ ...run, steadyStateProbesFailed: 1 }),
    verdict: "FAILED",
    because: /^steadyStateAfter broke: 1,/,
  },
  {
    name: "the generator was starved",
    plant: (run) =>
      withCalls(
        run,
        (call) => at(call, 20_000, 20_500),
        (call) => ({ ...call, sentMs: call.intendedMs + 160 }),
      ),
    verdict: "INVALID",
    because: /generator was starved: slip p99\.9 160\.0 ms/,
  },
  {
    name: "the generator could not send all its calls",
    plant: (run) =>
      withCalls(
        run,
        (call) => at(call, 20_000, 20_500),
        (call) => ({ ...call, outcome: "unsent" }),
      ),
    verdict: "INVALID",
    because: /generator was starved: .* \d+ calls unsent/,
  },
  {
    name: "the generator died and left a shorter list than it announced",
    plant: (run) => ({ ...run, calls: run.calls.slice(0, -1) }),
    verdict: "INVALID",
    because: /made 8000 calls, but 7999 are written down/,
  },
  {
    name: "a line of the ledger is torn",
    plant: (run) => ({ ...run, ledger: { ...run.ledger, brokenLines: 1 } }),
    verdict: "INVALID",
    because: /1 lines of the ledger cannot be read/,
  },
  {
    name: "the ledger holds a call that nobody made",
    plant: (run) => withStarts(run, "another-run-base-once-1", 1),
    verdict: "INVALID",
    because: /1 calls that the generator did not make, such as another-run-base-once-1/,
  },
  {
    name: "there was no load",
    plant: (run) => ({ ...run, calls: [], callsAnnounced: 0 }),
    verdict: "INVALID",
    because: /generator was starved/,
  },
  {
    name: "one series hardly made a call during the fault",
    plant: (run) => {
      const calls = run.calls.filter(
        (call) => call.series !== "base-once" || !at(call, 5_400, 15_000),
      );
      const ids = new Set(calls.map(({ id }) => id));
      const startsById = new Map([...run.ledger.startsById].filter(([id]) => ids.has(id)));
      return {
        ...run,
        calls,
        callsAnnounced: calls.length,
        ledger: { startsById, brokenLines: 0 },
      };
    },
    verdict: "INVALID",
    because: /series base-once made 10 calls during the fault/,
  },
  {
    name: "calls failed already before the fault",
    plant: (run) => withCalls(run, (call) => at(call, 1_000, 1_500), lose),
    verdict: "INVALID",
    because: /of \d+ calls already failed before the fault/,
  },
  {
    name: "the fault was never proved",
    plant: (run) => ({ ...run, moments: { ...MOMENTS, faultedMs: null } }),
    verdict: "INVALID",
    because: /never proved to act/,
  },
  {
    name: "the zone served nobody before it was killed",
    plant: (run) =>
      withCalls(
        run,
        (call) => call.zone === TARGET,
        (call) => ({ ...call, zone: "us-east" }),
      ),
    verdict: "INVALID",
    because: /zone eu-west served 0 calls before it was killed/,
  },
  {
    name: "the zone answered although it was dead",
    plant: (run) =>
      withCalls(
        run,
        ({ id }) => id === "run-us-east-once-250",
        (call) => ({ ...call, zone: TARGET }),
      ),
    verdict: "INVALID",
    because: /answered 1 calls although it was proved dead/,
  },
  {
    name: "it was interrupted, whatever else was seen",
    plant: (run) => ({
      ...withStarts(run, "run-base-once-150", 2),
      earlyEnd: { verdict: "INTERRUPTED", because: "interrupted by SIGINT" },
    }),
    verdict: "INTERRUPTED",
    because: /^interrupted by SIGINT$/,
  },
];

for (const { name, plant, verdict, because } of planted)
  test(`${verdict}: ${name}`, () => {
    const analysis = analyseRun(plant(goodRun()));
    assert.equal(analysis.verdict, verdict, analysis.reasons.join("; "));
    assert.match(analysis.reasons[0] ?? "", because);
  });

test("what went down with the killed gateway is neither promised nor counted as kept", () => {
  const { findings, series } = analyseRun(goodRun());
  const idempotent = series.filter((one) => one.isIdempotent);
  const promised = idempotent.reduce((sum, one) => sum + one.succeeded + one.lost, 0);
  const connectionLost = idempotent.reduce((sum, one) => sum + one.connectionLost, 0);
  assert.equal(promised + connectionLost, 4_000);
  const meaning = findings.find(({ bound }) => bound === "idempotentLostMax")?.meaning ?? "";
  assert.ok(meaning.includes(`of ${promised};`), meaning);
  assert.ok(meaning.includes(`${((3 / promised) * 100).toPrecision(2)} %`), meaning);
});

test("a zone that was never taken out was never restored, and no bound claims that it was", () => {
  const run = { ...goodRun(), moments: { ...MOMENTS, detectedMs: null } };
  const { timings, findings, verdict } = analyseRun(run);
  assert.equal(verdict, "FAILED");
  assert.equal(timings.restoredAfterMs, null);
  assert.deepEqual(
    findings.filter(({ bound }) => bound === "restoredAfterMsMax"),
    [],
  );
});

test("an INVALID run tells the three most frequent causes, not what went down with the gateway", () => {
  const failing = withCalls(
    goodRun(),
    (call) => at(call, 1_000, 3_000) && call.series.startsWith("us-east"),
    (call) => {
      const number = Number(call.id.split("-").at(-1));
      const detail = ["A", "A", "A", "B", "B", "B", "C", "C", "D"][number % 9] ?? "";
      return { ...call, outcome: "status", status: 503, detail, zone: null };
    },
  );
  const { verdict, reasons } = analyseRun(failing);
  assert.equal(verdict, "INVALID");
  assert.match(
    reasons.at(-1) ?? "",
    /^calls failed: \d+ × status 503 [AB], \d+ × status 503 [AB], \d+ × status 503 C, \d+ × other causes$/,
  );
  const early = { verdict: "INVALID", because: "not injected" } as const;
  const ended = analyseRun({ ...failing, earlyEnd: early });
  assert.deepEqual(ended.reasons, ["not injected", reasons.at(-1)]);
});

test("a run whose generator was starved says what to do; one without any load does not", () => {
  const starved = withCalls(
    goodRun(),
    (call) => at(call, 20_000, 20_500),
    (call) => ({ ...call, sentMs: call.intendedMs + 160 }),
  );
  const tooBusy =
    /^this machine was too busy to measure on; close other programs and run it again$/;
  assert.match(analyseRun(starved).reasons.at(-1) ?? "", tooBusy);
  const idle = analyseRun({ ...goodRun(), calls: [], callsAnnounced: 0 });
  assert.doesNotMatch(idle.reasons.at(-1) ?? "", tooBusy);
});

test("a call that an idempotent function started twice is told, and breaks no bound", () => {
  const analysis = analyseRun(withStarts(goodRun(), "run-base-idempotent-126", 2));
  assert.equal(analysis.verdict, "PASSED");
  assert.equal(analysis.series.find(({ name }) => name === "base-idempotent")?.duplicated, 1);
});

test("a reset on the shared address at the kill counts as a lost connection, against its own bound", () => {
  const run = withCalls(
    goodRun(),
    (call) => call.series === "base-once" && at(call, 4_960, 5_160),
    (call) => ({ ...call, outcome: "reset", status: null, detail: "ECONNRESET" }),
  );
  const analysis = analyseRun(run);
  assert.equal(analysis.verdict, "PASSED");
  assert.equal(analysis.findings.find(({ bound }) => bound === "connectionLostMax")?.measured, 5);
  assert.deepEqual(
    analysis.causes.filter(({ series }) => series === "base-once"),
    [{ series: "base-once", cause: "reset ECONNRESET", calls: 5 }],
  );
  const drill = { ...run.drill, bounds: { ...run.drill.bounds, connectionLostMax: 4 } };
  assert.match(analyseRun({ ...run, drill }).reasons[0] ?? "", /^connectionLostMax broke: 5,/);
});

test("the timeline has every call once, by the second in which it was due", () => {
  const { timeline } = analyseRun(goodRun());
  assert.equal(timeline.length, 40);
  assert.equal(
    timeline.reduce((sum, second) => sum + second.sent, 0),
    SERIES.length * 1_000,
  );
  for (const second of timeline)
    assert.equal(second.sent, second.succeeded + second.failed + second.connectionLost);
  assert.equal(timeline[8]?.byZone[TARGET], undefined);
});
