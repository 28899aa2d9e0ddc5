import { MeridianError } from "#lib/errors.ts";
import { TIERS } from "#lib/plan/placement-class.ts";
import { assumedDemand } from "#lib/plan/plan-inputs.ts";
import type { Clock } from "#lib/ports/clock.ts";
import type { Random } from "#lib/ports/random.ts";
import { problemAnswer } from "../answers.ts";
import type { LocatedCall } from "../call.ts";
import type { CallMeter } from "../core/measure-calls.ts";
import type { SharePlanner } from "../core/share-planner.ts";
import type { TenantLimits } from "../core/tenant-limits.ts";
import type { Stage } from "../pipeline.ts";
import type { Answer } from "../ports.ts";
import { type ClusterRanking, toRank } from "./survey-clusters.ts";

export interface PlanPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly planner: SharePlanner;
  readonly ranking: Pick<ClusterRanking, "planned">;
  readonly meter: CallMeter;
  readonly limits: TenantLimits;
}

/** Calls in flight go up and down around what the plan counts on; with less than this part of it, its crowd has gone. */
const PLANNED_MIN = 0.8;
/** Plans follow demand within seconds; sooner the answer would be the same. */
const RETRY_AFTER_SECONDS = 2;

/** Counts the call for the plan, and sheds the part of its tier that the plan has no room for anywhere it may go. */
export function keepPlan(ports: PlanPorts): Stage<LocatedCall, LocatedCall> {
  const { clock, meter, planner, limits } = ports;
  return (next) => async (call) => {
    const { placement } = call.version.manifest;
    const { originZone } = call;
    const kind = { placed: planner.classOf(placement), originZone, tier: placement.tier };
    if (isShed(call, ports)) {
      meter.shed(kind, clock.nowMs());
      limits.returnRate(call.door.tenant);
      return shedAnswer(call);
    }
    const end = meter.begin(kind, clock.nowMs());
    void call.arrival.finished.then(() => end(clock.nowMs()));
    return next(call);
  };
}

/** A plan is a second or two old: while less is in flight than it would carry, there is room that it does not know of. */
function isShed(call: LocatedCall, { planner, ranking, meter, random }: PlanPorts): boolean {
  const { table, originZone, version } = call;
  const shares = ranking.planned(toRank(call));
  const its = shares?.[version.manifest.placement.tier];
  if (shares === undefined || its === undefined) return false;
  if (its.shed === 0 || its.clusters.length === 0) return false;
  const inputs = planner.inputs((key) => table.entries.get(key));
  const carried = TIERS.reduce(
    (sum, tier) => sum + assumedDemand(inputs, originZone, tier) * (1 - shares[tier].shed),
    0,
  );
  const isAsPlanned = meter.inFlight(originZone) >= carried * PLANNED_MIN;
  return isAsPlanned && random.next() < its.shed;
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
