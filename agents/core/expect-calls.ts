import type { Placement } from "#lib/contracts/placement.ts";
import type { VersionCalls } from "#lib/contracts/zone-report.ts";
import type { PlanInputs } from "#lib/plan/plan-inputs.ts";
import { classOfPlacement } from "#lib/plan/placement-class.ts";
import { planShares } from "#lib/plan/plan-shares.ts";

/** What ran in a zone before its cluster was lost. */
export interface LostLoad {
  readonly zone: string;
  readonly calls: readonly VersionCalls[];
}

/**
 * What this cluster is about to receive of the calls that lost clusters ran: as much of them as the plan gives it, by the shares that
 * every gateway works out for the same loss. Undefined placement: the version may not run here.
 */
export function expectCalls(
  lost: readonly LostLoad[],
  inputs: PlanInputs,
  without: ReadonlySet<string>,
  clusterId: string,
  placementOf: (of: VersionCalls) => Placement | undefined,
): readonly VersionCalls[] {
  const expected = new Map<string, VersionCalls>();
  for (const { zone, calls } of lost)
    for (const version of calls) {
      const placement = placementOf(version);
      if (placement === undefined) continue;
      const shares = planShares(inputs, classOfPlacement(placement), without).get(zone);
      const own = shares?.[placement.tier].clusters.find((one) => one.clusterId === clusterId);
      const key = `${version.tenant}/${version.functionName}@${version.version}`;
      const sum = (expected.get(key)?.calls ?? 0) + version.calls * (own?.share ?? 0);
      if (sum > 0) expected.set(key, { ...version, calls: sum });
    }
  return [...expected.values()].map((one) => ({ ...one, calls: Math.ceil(one.calls) }));
}
