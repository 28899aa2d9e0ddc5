import type { DrillPhase, DrillReport } from "#lib/contracts/drill.ts";
import type { Moments } from "./drill.ts";
import type { JudgedCall } from "./judge-calls.ts";
import { percentile, sortedUpwards } from "./percentile.ts";

/** One point a second, by when the calls were due. */
export function buildTimeline(
  judged: readonly JudgedCall[],
  loadStartedMs: number,
  lateAfterMs: number,
): DrillReport["timeline"] {
  const bySecond = Map.groupBy(judged, ({ call }) =>
    Math.max(0, Math.floor((call.intendedMs - loadStartedMs) / 1_000)),
  );
  return [...bySecond.entries()]
    .toSorted(([left], [right]) => left - right)
    .map(([second, calls]) => {
      const good = calls.filter((call) => call.verdict === "good");
      const latencies = sortedUpwards(good.map((call) => call.latencyMs));
      return {
        second,
        sent: calls.filter((call) => call.verdict !== "unsent").length,
        succeeded: good.length,
        failed: calls.filter((call) => call.verdict === "lost").length,
        late: latencies.filter((latencyMs) => latencyMs > lateAfterMs).length,
        connectionLost: calls.filter((call) => call.verdict === "connection-lost").length,
        p50Ms: latencies.length === 0 ? null : percentile(latencies, 50),
        p99Ms: latencies.length === 0 ? null : percentile(latencies, 99),
        byZone: countZones(good),
      };
    });
}

function countZones(good: readonly JudgedCall[]): Record<string, number> {
  const byZone: Record<string, number> = {};
  for (const { call } of good) {
    const zone = call.zone ?? "unknown";
    byZone[zone] = (byZone[zone] ?? 0) + 1;
  }
  return byZone;
}

/** The phases that were reached, in milliseconds since the load began. */
export function listPhases(moments: Moments): DrillReport["phases"] {
  const { loadStartedMs, faultedMs, healedMs, loadEndedMs } = moments;
  const phase = (name: DrillPhase, fromMs: number, untilMs: number) => ({
    name,
    fromMs: fromMs - loadStartedMs,
    untilMs: untilMs - loadStartedMs,
  });
  if (loadEndedMs <= loadStartedMs) return [];
  if (faultedMs === null) return [phase("baseline", loadStartedMs, loadEndedMs)];
  const baseline = phase("baseline", loadStartedMs, faultedMs);
  if (healedMs === null) return [baseline, phase("fault", faultedMs, loadEndedMs)];
  return [
    baseline,
    phase("fault", faultedMs, healedMs),
    phase("recovery", healedMs, Math.max(healedMs, loadEndedMs)),
  ];
}
