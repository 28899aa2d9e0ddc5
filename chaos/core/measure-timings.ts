import type { DrillReport } from "#lib/contracts/drill.ts";
import type { Moments } from "./drill.ts";
import type { JudgedCall } from "./judge-calls.ts";

export const RESTORED_WINDOW_MS = 2_000;
/** A zone counts as restored with this part of the share it had before the fault. */
const RESTORED_SHARE = 0.95;
const BUCKET_MS = 100;
/** A window with fewer calls proves nothing. */
const WINDOW_CALLS_MIN = 10;

/** The three times that a zone's loss is judged by; null for what did not happen while the drill watched. */
export function measureTimings(
  judged: readonly JudgedCall[],
  targetZone: string,
  moments: Moments,
): DrillReport["timings"] {
  const { faultedMs, detectedMs } = moments;
  const throughSurvivors = judged.filter(
    ({ series, verdict }) => series.gatewayZone !== targetZone && verdict !== "unsent",
  );
  return {
    detectedAfterMs:
      faultedMs === null || detectedMs === null ? null : Math.max(0, detectedMs - faultedMs),
    shiftedAfterMs: measureShift(throughSurvivors, moments),
    restoredAfterMs: measureRestoration(throughSurvivors, targetZone, moments),
  };
}

/**
 * When the last call was sent, after the fault and before its undoing, that had to be tried a second time or failed: the last
 * sign that a gateway still made first attempts at the dead zone.
 */
function measureShift(judged: readonly JudgedCall[], moments: Moments): number | null {
  const { faultedMs, healCommandedMs } = moments;
  if (faultedMs === null) return null;
  const untilMs = healCommandedMs ?? moments.loadEndedMs;
  return judged
    .filter(({ call, verdict }) => verdict === "lost" || (call.attempts ?? 1) > 1)
    .map(({ call }) => call.sentMs)
    .filter((sentMs) => sentMs >= faultedMs && sentMs < untilMs)
    .reduce((latest, sentMs) => Math.max(latest, sentMs - faultedMs), 0);
}

/**
 * The smallest time after the undoing from which every later window of 2 s, up to the end, shows the zone with 95 % of the share
 * it had before. Judged by the callers near that zone, whose calls it serves when it is well.
 */
function measureRestoration(
  judged: readonly JudgedCall[],
  targetZone: string,
  { loadStartedMs, faultCommandedMs, detectedMs, healedMs, loadEndedMs }: Moments,
): number | null {
  // A zone that was never taken out cannot come back.
  if (faultCommandedMs === null || detectedMs === null || healedMs === null) return null;
  const near = judged.filter(({ call }) => call.callerZone === targetZone);
  const isServed = ({ call, verdict }: JudgedCall) =>
    verdict === "good" && call.zone === targetZone;

  const before = near.filter(
    ({ call }) => call.intendedMs >= loadStartedMs && call.endedMs < faultCommandedMs,
  );
  const shareBefore = before.filter(isServed).length / Math.max(1, before.length);
  if (shareBefore === 0) return null;

  const buckets = Array.from({ length: Math.floor((loadEndedMs - healedMs) / BUCKET_MS) }, () => ({
    calls: 0,
    served: 0,
  }));
  for (const one of near) {
    const bucket = buckets[Math.floor((one.call.intendedMs - healedMs) / BUCKET_MS)];
    if (bucket === undefined) continue;
    bucket.calls += 1;
    if (isServed(one)) bucket.served += 1;
  }
  return firstLastingWindow(buckets, RESTORED_SHARE * shareBefore);
}

function firstLastingWindow(
  buckets: readonly { readonly calls: number; readonly served: number }[],
  shareMin: number,
): number | null {
  const width = RESTORED_WINDOW_MS / BUCKET_MS;
  let restoredAfterMs: number | null = null;
  for (let first = buckets.length - width; first >= 0; first -= 1) {
    const window = buckets.slice(first, first + width);
    const calls = window.reduce((sum, bucket) => sum + bucket.calls, 0);
    const served = window.reduce((sum, bucket) => sum + bucket.served, 0);
    if (calls < WINDOW_CALLS_MIN || served < shareMin * calls) break;
    restoredAfterMs = first * BUCKET_MS;
  }
  return restoredAfterMs;
}
