import type { DrillReport } from "#lib/contracts/drill.ts";
import type { CallRecord, LoadSeries } from "#lib/contracts/drill-load.ts";
import { buildTimeline, listPhases } from "./build-timeline.ts";
import { checkBounds, steadyStateFinding } from "./check-bounds.ts";
import { countCauses, countSeries } from "./count-series.ts";
import type { Drill, Moments } from "./drill.ts";
import { explainInvalid } from "./explain-invalid.ts";
import { judgeCalls } from "./judge-calls.ts";
import { judgeGenerator, judgeValidity } from "./judge-validity.ts";
import { type EarlyEnd, type Judgement, judgeVerdict } from "./judge-verdict.ts";
import { measureTimings } from "./measure-timings.ts";
import type { Ledger } from "./read-ledger.ts";

/** Everything a run left behind to be judged. */
export interface RunRecord {
  readonly runId: string;
  readonly drill: Drill;
  readonly moments: Moments;
  readonly series: readonly LoadSeries[];
  readonly calls: readonly CallRecord[];
  readonly callsAnnounced: number | null;
  readonly ledger: Ledger;
  /** Null when the system was not asked again after the fault. */
  readonly steadyStateProbesFailed: number | null;
  readonly earlyEnd: EarlyEnd | null;
}

export type Analysis = Judgement &
  Pick<
    DrillReport,
    "timings" | "findings" | "series" | "generator" | "timeline" | "causes" | "phases"
  >;

/** The client's log and the function's ledger, held against each other and against the drill's bounds. */
export function analyseRun(run: RunRecord): Analysis {
  const { drill, moments, ledger } = run;
  const { lateAfterMs } = drill.load;
  const targetZone = drill.target.zone;
  const judged = judgeCalls(run.calls, run.series, ledger, targetZone, moments);
  const timings = measureTimings(judged, targetZone, moments);
  const generator = judgeGenerator(run.calls, lateAfterMs);
  const findings =
    moments.faultedMs === null
      ? []
      : [
          ...checkBounds(drill.bounds, timings, judged, targetZone, lateAfterMs),
          ...(run.steadyStateProbesFailed === null
            ? []
            : [steadyStateFinding(run.steadyStateProbesFailed)]),
        ];
  const invalidBecause = judgeValidity({
    judged,
    generator,
    ledger,
    callsAnnounced: run.callsAnnounced,
    runId: run.runId,
    targetZone,
    moments,
  });
  const { verdict, reasons } = judgeVerdict(run.earlyEnd, invalidBecause, findings);
  return {
    verdict,
    reasons: verdict === "INVALID" ? [...reasons, ...explainInvalid(judged, generator)] : reasons,
    timings,
    findings,
    series: countSeries(run.series, judged, lateAfterMs),
    generator,
    timeline: buildTimeline(judged, moments.loadStartedMs, lateAfterMs),
    causes: countCauses(judged),
    phases: listPhases(moments),
  };
}
