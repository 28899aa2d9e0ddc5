import { MeridianError } from "#lib/errors.ts";
import type { Clock } from "#lib/ports/clock.ts";
import { problemAnswer } from "../answers.ts";
import type { LocatedCall } from "../call.ts";
import { isBeyondPlan } from "../core/keep-within-plan.ts";
import type { CallMeter } from "../core/measure-calls.ts";
import type { SharePlanner } from "../core/share-planner.ts";
import { waitedMs } from "../core/stage-times.ts";
import type { TenantLimits } from "../core/tenant-limits.ts";
import type { Stage } from "../pipeline.ts";
import type { Answer } from "../ports.ts";
import { type ClusterRanking, toRank } from "./survey-clusters.ts";

export interface PlanPorts {
  readonly clock: Clock;
  readonly planner: Pick<SharePlanner, "classOf">;
  readonly ranking: Pick<ClusterRanking, "planned">;
  readonly meter: CallMeter;
  readonly limits: TenantLimits;
}

/** Plans follow demand within seconds; sooner the answer would be the same. */
const RETRY_AFTER_SECONDS = 2;

/** Counts the call for the plan, and sheds it where the plan has no room for its tier anywhere it may go. */
export function keepPlan(ports: PlanPorts): Stage<LocatedCall, LocatedCall> {
  const { clock, meter, planner, ranking, limits } = ports;
  return (next) => async (call) => {
    const { manifest } = call.version;
    const { originZone, receipt } = call;
    const { tier } = manifest.placement;
    const kind = { placed: planner.classOf(manifest), originZone, tier };
    const nowMs = clock.nowMs();
    const planned = ranking.planned(toRank(call));
    if (planned !== undefined && isBeyondPlan(tier, planned, meter.crowd(kind), nowMs)) {
      meter.shed(kind, nowMs);
      limits.returnRate(call.door.tenant);
      return shedAnswer(call);
    }
    const end = meter.begin(kind, nowMs);
    void call.arrival.finished.then(() =>
      end(
        clock.nowMs(),
        receipt.limitedBy === "cluster" ? "turned-away" : waitedMs(receipt.attemptNotes),
      ),
    );
    return next(call);
  };
}

function shedAnswer(call: LocatedCall): Answer {
  const { tier } = call.version.manifest.placement;
  call.receipt.limitedBy = "plan";
  return problemAnswer(
    new MeridianError(
      "MERIDIAN_SHED",
      `The clusters that this call may use are full, and of the ${tier} calls from near ${call.originZone} a part is turned away so that the rest is served; the function was not started. Try again in ${RETRY_AFTER_SECONDS} s.`,
      { members: { tier, zone: call.originZone } },
    ),
    call.requestId,
    { "retry-after": String(RETRY_AFTER_SECONDS) },
  );
}
