import fc from "fast-check";
import type { ClassDemand } from "#lib/contracts/control-records.ts";
import type { Zone } from "#lib/contracts/zone.ts";
import { type PlacementClass, TIERS } from "#lib/plan/placement-class.ts";
import type { PlannedCluster, PlanInputs } from "#lib/plan/plan-inputs.ts";
import { isProved } from "#lib/isolation.ts";
import { permittedZones } from "#lib/residency.ts";
import { planShares } from "#lib/plan/plan-shares.ts";
import { threeZones } from "../../core/gateway/zones.ts";

const frankfurt: Zone = {
  name: "eu-central",
  region: "eu-central",
  jurisdiction: "eu",
  clusterId: "eu-central-1",
  latitudeDegrees: 50.1,
  longitudeDegrees: 8.7,
};
const zones: readonly Zone[] = [...threeZones, frankfurt];
const clusterIds = zones.map(({ clusterId }) => clusterId);

const tierDemand = fc.record({
  critical: fc.nat(60),
  normal: fc.nat(120),
  batch: fc.nat(60),
});
const origins = fc
  .tuple(tierDemand, tierDemand, tierDemand, tierDemand)
  .map((demands) =>
    Object.fromEntries(zones.map(({ name }, index) => [name, demands[index] ?? none])),
  );
const none = { critical: 0, normal: 0, batch: 0 };

/** No two of a world have the same rule. */
export const RULES: readonly PlacementClass[] = [
  { regions: [], spread: "nearest", failback: "automatic" },
  { regions: ["eu"], spread: "nearest", failback: "automatic" },
  { regions: ["eu", "us"], spread: "nearest", failback: "manual" },
  { regions: [], spread: "even", failback: "automatic" },
  { regions: [], spread: "nearest", failback: "automatic", minIsolation: "L2" },
];

const demand = fc
  .tuple(origins, fc.option(origins), fc.option(origins), fc.option(origins), fc.option(origins))
  .map((all) =>
    RULES.flatMap((rule, index): ClassDemand[] => {
      const its = all[index];
      return its === null || its === undefined
        ? []
        : [{ ...rule, regions: [...rule.regions], origins: its }];
    }),
  );

const capacity = fc.option(fc.nat(300), { nil: undefined, freq: 8 });
const cluster = (clusterId: string): fc.Arbitrary<PlannedCluster> =>
  fc.record({
    clusterId: fc.constant(clusterId),
    isInService: fc.constantFrom(true, true, true, false),
    rampPercent: fc.constantFrom(100, 100, 100, 10, 40),
    capacitySlots: capacity,
    isolationLevel: fc.constantFrom(undefined, "L1", "L2", "L3"),
  });

const shift = fc.record({
  id: fc.constant("sh-00000000"),
  fromCluster: fc.constantFrom(...clusterIds),
  toCluster: fc.option(fc.constantFrom(...clusterIds)),
  percent: fc.integer({ min: 1, max: 100 }),
});

/** Any state of a federation of four zones. */
export const anyWorld: fc.Arbitrary<PlanInputs> = fc.record({
  zones: fc.constant(zones),
  clusters: fc.tuple(...clusterIds.map(cluster)),
  demand,
  shifts: fc.array(shift, { maxLength: 2 }),
  awaitsFailback: fc.subarray(clusterIds, { maxLength: 1 }),
});

export const anyRule = fc.constantFrom(...RULES);
export const anyLoss = fc.subarray(clusterIds, { maxLength: 1 }).map((ids) => new Set(ids));

/** What may be used at all: permitted, in service, isolated well enough, not lost, not waiting for a release. */
export function usableIds(
  world: PlanInputs,
  rule: PlacementClass,
  without: ReadonlySet<string>,
): readonly string[] {
  const permitted = permittedZones(rule.regions, world.zones).map(({ clusterId }) => clusterId);
  return world.clusters
    .filter(({ clusterId, isInService }) => isInService && !without.has(clusterId))
    .filter(({ isolationLevel }) => isProved(rule.minIsolation ?? "L0", isolationLevel))
    .map(({ clusterId }) => clusterId)
    .filter((id) => permitted.includes(id))
    .filter((id) => rule.failback === "automatic" || !world.awaitsFailback.includes(id));
}

/** Calls in flight that the plan of all classes together gives each cluster, and those it sheds. */
export function assignedCalls(world: PlanInputs, without: ReadonlySet<string>) {
  const calls = new Map<string, number>();
  let shed = 0;
  for (const one of world.demand) {
    const shares = planShares(world, one, without);
    for (const [zone, its] of Object.entries(one.origins))
      for (const tier of TIERS) {
        const planned = shares.get(zone)?.[tier];
        shed += its[tier] * (planned?.shed ?? 1);
        for (const { clusterId, share } of planned?.clusters ?? [])
          calls.set(clusterId, (calls.get(clusterId) ?? 0) + its[tier] * share);
      }
  }
  return { calls, shed };
}

/** What a cluster may be filled to; ramps count unless all that a class may use ramps up. */
export const roomOf = ({ capacitySlots, rampPercent }: PlannedCluster, isRamped: boolean): number =>
  capacitySlots === undefined
    ? Infinity
    : 0.85 * capacitySlots * (isRamped ? rampPercent / 100 : 1);
