import type { DrillReport, DrillSeries } from "#lib/contracts/drill.ts";
import type { LoadSeries } from "#lib/contracts/drill-load.ts";
import type { JudgedCall } from "./judge-calls.ts";
import { percentile, sortedUpwards } from "./percentile.ts";

/** `sent` is always `succeeded` + `lost` + `connectionLost`; late ones are among the succeeded. */
export function countSeries(
  series: readonly LoadSeries[],
  judged: readonly JudgedCall[],
  lateAfterMs: number,
): DrillSeries[] {
  return series.map((one) => {
    const calls = judged.filter((call) => call.series.name === one.name);
    const good = calls.filter((call) => call.verdict === "good");
    const latencies = sortedUpwards(good.map((call) => call.latencyMs));
    return {
      name: one.name,
      endpoint: one.endpoint,
      isIdempotent: one.isIdempotent,
      sent: calls.filter((call) => call.verdict !== "unsent").length,
      succeeded: good.length,
      lost: calls.filter((call) => call.verdict === "lost").length,
      duplicated: calls.filter((call) => call.starts > 1).length,
      late: good.filter((call) => call.latencyMs > lateAfterMs).length,
      connectionLost: calls.filter((call) => call.verdict === "connection-lost").length,
      latencyMs: {
        p50: percentile(latencies, 50),
        p99: percentile(latencies, 99),
        max: latencies.at(-1) ?? 0,
      },
    };
  });
}

/** Why calls did not go well, the most frequent reason of each series first. */
export function countCauses(judged: readonly JudgedCall[]): DrillReport["causes"] {
  const counts = new Map<string, { series: string; cause: string; calls: number }>();
  for (const { series, cause } of judged) {
    if (cause === null) continue;
    const key = `${series.name}\n${cause}`;
    const calls = (counts.get(key)?.calls ?? 0) + 1;
    counts.set(key, { series: series.name, cause, calls });
  }
  return [...counts.values()].toSorted(
    (left, right) => left.series.localeCompare(right.series) || right.calls - left.calls,
  );
}
