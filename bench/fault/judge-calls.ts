import { callNumberText, type DrivenCall } from "../drive/plan.ts";

/** What the callers saw of a fault, and what the functions saw of the calls. */
export interface FaultFigures {
  readonly calls: number;
  readonly failed: number;
  /** Failed or slow, and not before the fault. */
  readonly failedOrSlow: number;
  /** Failed or slow, and over before the fault: what else there is on the machine, and no fault of the proxy. */
  readonly badBefore: number;
  /** How long after the fault the last of those was due; 0 where there are none. */
  readonly lastAfterSeconds: number;
  readonly slowestMs: number;
  readonly executedTwice: number;
  /** Calls that were sent and not answered at the moment of the fault: nobody can know of all of these whether they ran. */
  readonly inFlight: number;
  /** How late the load was at most: more than some milliseconds says that the machine had too much to do. */
  readonly slipMs: number;
  /** How often each failure occurred. */
  readonly failures: Readonly<Record<string, number>>;
}

/** A call that takes longer is one that its caller notices. */
export const SLOW_MS = 300;

/** Latency counts from when a call was due, so that calls which a stalled system kept from being sent are not forgiven. */
export function judgeCalls(
  calls: readonly DrivenCall[],
  startedIds: readonly string[],
  faultAtMs: number,
): FaultFigures {
  const failed = calls.filter(({ failure }) => failure !== null);
  const tookMs = ({ dueMs, endedMs }: DrivenCall): number => endedMs - dueMs;
  const allBad = calls.filter((call) => call.failure !== null || tookMs(call) > SLOW_MS);
  const bad = allBad.filter(({ endedMs }) => endedMs > faultAtMs);
  const lastBadMs = bad.reduce((last, { dueMs }) => Math.max(last, dueMs), faultAtMs);
  const starts = countEach(startedIds);
  return {
    calls: calls.length,
    failed: failed.length,
    failedOrSlow: bad.length,
    badBefore: allBad.length - bad.length,
    lastAfterSeconds: Math.round((lastBadMs - faultAtMs) / 10) / 100,
    slowestMs: Math.round(calls.reduce((most, call) => Math.max(most, tookMs(call)), 0)),
    executedTwice: calls.filter(({ number }) => (starts[callNumberText(number)] ?? 0) > 1).length,
    inFlight: calls.filter(({ sentMs, endedMs }) => sentMs <= faultAtMs && endedMs > faultAtMs)
      .length,
    slipMs: Math.round(calls.reduce((most, call) => Math.max(most, call.sentMs - call.dueMs), 0)),
    failures: countEach(failed.map(({ failure }) => failure ?? "")),
  };
}

/** More than this part of the calls bad before the fault: the machine had other things to do, and the run says nothing. */
const DISTURBED_SHARE = 0.002;
export const isDisturbed = ({ calls, badBefore }: FaultFigures): boolean =>
  badBefore > calls * DISTURBED_SHARE;

/** Of several rounds: the worst of what must never happen, the median of what else runs on the machine moves. */
export function ofRounds(rounds: readonly FaultFigures[]): FaultFigures {
  const most = (figure: (round: FaultFigures) => number): number => Math.max(...rounds.map(figure));
  const median = (figure: (round: FaultFigures) => number): number =>
    rounds.map(figure).toSorted((one, other) => one - other)[Math.floor(rounds.length / 2)] ?? 0;
  return {
    calls: rounds.reduce((sum, { calls }) => sum + calls, 0),
    failed: most(({ failed }) => failed),
    executedTwice: most(({ executedTwice }) => executedTwice),
    failedOrSlow: median(({ failedOrSlow }) => failedOrSlow),
    lastAfterSeconds: median(({ lastAfterSeconds }) => lastAfterSeconds),
    slowestMs: median(({ slowestMs }) => slowestMs),
    inFlight: most(({ inFlight }) => inFlight),
    badBefore: most(({ badBefore }) => badBefore),
    slipMs: most(({ slipMs }) => slipMs),
    failures: sumsOf(rounds.map(({ failures }) => failures)),
  };
}

function countEach(texts: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const text of texts) counts[text] = (counts[text] ?? 0) + 1;
  return counts;
}

function sumsOf(counts: readonly FaultFigures["failures"][]): FaultFigures["failures"] {
  const sums: Record<string, number> = {};
  for (const [text, count] of counts.flatMap((each) => Object.entries(each)))
    sums[text] = (sums[text] ?? 0) + count;
  return sums;
}
