import type { DrillReport } from "#lib/contracts/drill.ts";
import type { CallRecord } from "#lib/contracts/drill-load.ts";
import type { Moments } from "./drill.ts";
import type { JudgedCall } from "./judge-calls.ts";
import { percentile, sortedUpwards } from "./percentile.ts";
import type { Ledger } from "./read-ledger.ts";

/** A slip counts in the latency of its call, so it may be a small part of what counts as late, and no more. */
const SLIP_SHARE_OF_LATE_MAX = 0.1;
const UNSENT_SHARE_MAX = 0.001;
/** Each series has to make this many calls in each phase, and the zone has to serve this many before it is killed. */
const CALLS_MIN = 20;
/** Of the calls before the fault; with more, its effect cannot be told from what was wrong before. */
export const BASELINE_FAILED_SHARE_MAX = 0.01;
/** Calls with which each zone is warmed up before the load; they are in the ledger and nowhere else. */
export const WARM_UP_MARK = "-warm-";

/** Whether the generator kept its own promise: to send each call when it was due. */
export function judgeGenerator(
  calls: readonly CallRecord[],
  lateAfterMs: number,
): DrillReport["generator"] {
  const sent = calls.filter((call) => call.outcome !== "unsent");
  const slips = sortedUpwards(sent.map((call) => call.sentMs - call.intendedMs));
  const slipP999Ms = percentile(slips, 99.9);
  const unsent = calls.length - sent.length;
  const slipP999MsMax = lateAfterMs * SLIP_SHARE_OF_LATE_MAX;
  const isHealthy =
    slipP999Ms <= slipP999MsMax && unsent <= calls.length * UNSENT_SHARE_MAX && sent.length > 0;
  return { slipP999Ms, slipP999MsMax, unsent, isHealthy };
}

export interface Evidence {
  readonly judged: readonly JudgedCall[];
  readonly generator: DrillReport["generator"];
  readonly ledger: Ledger;
  /** How many calls the generator says it wrote down. */
  readonly callsAnnounced: number | null;
  readonly runId: string;
  readonly targetZone: string;
  readonly moments: Moments;
}

/** Why nothing can be concluded from the run; empty when it proves something. A drill never passes for want of evidence. */
export function judgeValidity(evidence: Evidence): string[] {
  return [
    ...judgeGeneratorHealth(evidence),
    ...judgeLedger(evidence),
    ...judgeAmounts(evidence),
    ...judgeBaseline(evidence),
    ...judgeEfficacy(evidence),
  ];
}

function judgeGeneratorHealth({ generator, judged, callsAnnounced }: Evidence): string[] {
  const reasons: string[] = [];
  if (!generator.isHealthy)
    reasons.push(
      `the load generator was starved: slip p99.9 ${generator.slipP999Ms.toFixed(1)} ms (at most ${generator.slipP999MsMax}), ${generator.unsent} calls unsent (at most ${UNSENT_SHARE_MAX * 100} %)`,
    );
  if (callsAnnounced !== judged.length)
    reasons.push(
      callsAnnounced === null
        ? "the load generator ended without saying how many calls it made"
        : `the load generator made ${callsAnnounced} calls, but ${judged.length} are written down`,
    );
  return reasons;
}

function judgeLedger({ ledger, judged, runId }: Evidence): string[] {
  const reasons: string[] = [];
  if (ledger.brokenLines > 0)
    reasons.push(
      `${ledger.brokenLines} lines of the ledger cannot be read, so nobody knows which calls they were`,
    );
  const known = new Set(judged.map(({ call }) => call.id));
  const strangers = [...ledger.startsById.keys()].filter(
    (id) => !known.has(id) && !id.startsWith(`${runId}${WARM_UP_MARK}`),
  );
  if (strangers.length > 0)
    reasons.push(
      `the ledger holds ${strangers.length} calls that the generator did not make, such as ${strangers[0]}`,
    );
  if (ledger.startsById.size === 0) reasons.push("the ledger is empty: the function never ran");
  return reasons;
}

function judgeAmounts({ judged, moments }: Evidence): string[] {
  const { faultCommandedMs, faultedMs, healCommandedMs, healedMs } = moments;
  const phases = [
    { name: "before the fault", fromMs: moments.loadStartedMs, untilMs: faultCommandedMs },
    { name: "during the fault", fromMs: faultedMs, untilMs: healCommandedMs },
    { name: "after the fault", fromMs: healedMs, untilMs: moments.loadEndedMs },
  ];
  const names = new Set(judged.map(({ series }) => series.name));
  if (names.size === 0) return ["no call was made"];
  return phases.flatMap(({ name, fromMs, untilMs }) => {
    if (fromMs === null || untilMs === null) return [];
    const inPhase = judged.filter(
      ({ call }) => call.intendedMs >= fromMs && call.intendedMs < untilMs,
    );
    return [...names]
      .map((series) => ({ series, calls: inPhase.filter((one) => one.series.name === series) }))
      .filter(({ calls }) => calls.length < CALLS_MIN)
      .map(
        ({ series, calls }) =>
          `series ${series} made ${calls.length} calls ${name}; ${CALLS_MIN} are the least that say anything`,
      );
  });
}

function judgeBaseline({ judged, moments }: Evidence): string[] {
  const untilMs = moments.faultCommandedMs ?? Number.POSITIVE_INFINITY;
  const before = judged.filter(
    ({ call, verdict }) => call.endedMs < untilMs && verdict !== "unsent",
  );
  const failed = before.filter(({ verdict }) => verdict !== "good").length;
  if (failed <= before.length * BASELINE_FAILED_SHARE_MAX) return [];
  return [`${failed} of ${before.length} calls already failed before the fault`];
}

function judgeEfficacy({ judged, targetZone, moments }: Evidence): string[] {
  const { faultCommandedMs, faultedMs, healCommandedMs } = moments;
  if (faultCommandedMs === null) return ["the fault was never injected"];
  if (faultedMs === null) return ["the fault was never proved to act"];
  const served = judged.filter(
    ({ call, verdict }) => verdict === "good" && call.zone === targetZone,
  );
  const before = served.filter(({ call }) => call.endedMs < faultCommandedMs).length;
  const during = served.filter(
    ({ call }) =>
      call.sentMs >= faultedMs && call.endedMs < (healCommandedMs ?? Number.POSITIVE_INFINITY),
  ).length;
  const reasons: string[] = [];
  if (before < CALLS_MIN)
    reasons.push(
      `zone ${targetZone} served ${before} calls before it was killed, so its loss proves nothing`,
    );
  if (during > 0)
    reasons.push(`zone ${targetZone} answered ${during} calls although it was proved dead`);
  return reasons;
}
