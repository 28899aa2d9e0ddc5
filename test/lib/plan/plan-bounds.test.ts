import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ANYWHERE, TIERS } from "#lib/plan/placement-class.ts";
import type { PlannedCluster, PlanInputs } from "#lib/plan/plan-inputs.ts";
import { planShares } from "#lib/plan/plan-shares.ts";
import { anyLoss, anyRule, anyWorld, assignedCalls, roomOf, usableIds } from "./plan-worlds.ts";

/** The rounding of floating-point numbers, in calls. */
const NEARLY = 1e-4;
const nothing = new Set<string>();

test("nothing is shed while a cluster that it may use has room, ramps counted", () => {
  fc.assert(
    fc.property(anyWorld, anyRule, anyLoss, (world, rule, loss) => {
      const { calls } = assignedCalls(world, loss);
      const spare = usableIds(world, rule, loss).filter((id) => {
        const cluster = clusterOf(world, id);
        return roomOf(cluster, true) - (calls.get(id) ?? 0) > NEARLY;
      });
      if (spare.length === 0) return;
      for (const origin of planShares(world, rule, loss).values())
        for (const tier of TIERS) assert.equal(origin[tier].shed, 0, `${spare.join()} has room`);
    }),
    { numRuns: 500 },
  );
});

test("a step up of a cluster's ramp never takes calls away from it", () => {
  const ramp = fc.constantFrom(10, 25, 40, 55, 70, 85);
  fc.assert(
    fc.property(anyWorld, ramp, fc.nat(3), (world, percent, index) => {
      const at = (rampPercent: number) =>
        assignedCalls(
          {
            ...world,
            // A shift takes its percentage of what the ramp gives.
            shifts: [],
            clusters: world.clusters.map((one, its) =>
              its === index ? { ...one, rampPercent } : { ...one, rampPercent: 100 },
            ),
          },
          nothing,
        );
      const id = world.clusters[index]?.clusterId ?? "";
      const before = at(percent).calls.get(id) ?? 0;
      const after = at(percent + 15).calls.get(id) ?? 0;
      assert.ok(after >= before - NEARLY, `${before} at ${percent} %, then ${after}`);
    }),
    { numRuns: 500 },
  );
});

const clusterOf = (world: PlanInputs, id: string): PlannedCluster => {
  const found = world.clusters.find(({ clusterId }) => clusterId === id);
  assert.ok(found !== undefined);
  return found;
};

test("an origin's overflow takes more than 30 % of the room in a cluster only when it has 30 % of that in every other", () => {
  fc.assert(
    fc.property(anyWorld, fc.constantFrom(...TIERS), (world, tier) => {
      const origins = Object.fromEntries(
        Object.entries(world.demand[0]?.origins ?? {}).map(([zone, demand]) => [
          zone,
          { critical: 0, normal: 0, batch: 0, [tier]: demand[tier] },
        ]),
      );
      const clusters = world.clusters.map((one) => ({
        ...one,
        isInService: true,
        rampPercent: 100,
      }));
      const calm = { ...world, clusters, demand: [{ ...ANYWHERE, origins }], shifts: [] };
      const shares = planShares(calm, ANYWHERE, nothing);
      const taken = (zone: string, id: string): number =>
        (origins[zone]?.[tier] ?? 0) *
        (shares.get(zone)?.[tier].clusters.find(({ clusterId }) => clusterId === id)?.share ?? 0);
      const roomAfterHome = (id: string): number => {
        const home = world.zones.find(({ clusterId }) => clusterId === id)?.name ?? "";
        return roomOf(clusterOf(calm, id), true) - taken(home, id);
      };
      const { calls } = assignedCalls(calm, nothing);
      for (const { name, clusterId: home } of world.zones)
        for (const { clusterId } of clusters) {
          if (clusterId === home || roomAfterHome(clusterId) === Infinity) continue;
          if (taken(name, clusterId) <= 0.3 * roomAfterHome(clusterId) + NEARLY) continue;
          for (const { clusterId: other } of clusters) {
            if (other === home || other === clusterId) continue;
            const isFull = (calls.get(other) ?? 0) >= roomOf(clusterOf(calm, other), true) - NEARLY;
            assert.ok(isFull || taken(name, other) >= 0.3 * roomAfterHome(other) - NEARLY);
          }
        }
    }),
    { numRuns: 500 },
  );
});
