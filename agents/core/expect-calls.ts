import type { VersionCalls } from "#lib/contracts/zone-report.ts";
import type { PlanInputs } from "#lib/plan/plan-inputs.ts";
import { classOf, type Placed } from "#lib/plan/placement-class.ts";
import { planShares } from "#lib/plan/plan-shares.ts";

/** What ran in a zone before its cluster was lost. */
export interface LostLoad {
  readonly zone: string;
  readonly calls: readonly VersionCalls[];
}

/**
 * What this cluster is about to receive of the calls that lost clusters ran: as much of them as the plan gives it, by the shares that
 * every gateway works out for the same loss. Nothing placed: the version may not run here.
 */
export function expectCalls(
  lost: readonly LostLoad[],
  inputs: PlanInputs,
  without: ReadonlySet<string>,
  clusterId: string,
  placedAs: (of: VersionCalls) => Placed | undefined,
): readonly VersionCalls[] {
  const expected = new Map<string, VersionCalls>();
  for (const { zone, calls } of lost)
    for (const version of calls) {
      const placed = placedAs(version);
      if (placed === undefined) continue;
      const shares = planShares(inputs, classOf(placed), without).get(zone);
      const own = shares?.[placed.placement.tier].clusters.find(
        (one) => one.clusterId === clusterId,
      );
      const key = `${version.tenant}/${version.functionName}@${version.version}`;
      const sum = (expected.get(key)?.calls ?? 0) + version.calls * (own?.share ?? 0);
      if (sum > 0) expected.set(key, { ...version, calls: sum });
    }
  return [...expected.values()].map((one) => ({ ...one, calls: Math.ceil(one.calls) }));
}
