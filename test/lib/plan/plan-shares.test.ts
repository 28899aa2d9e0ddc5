import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ANYWHERE, type PlacementClass, TIERS } from "#lib/plan/placement-class.ts";
import type { PlannedCluster, PlanInputs } from "#lib/plan/plan-inputs.ts";
import { planShares } from "#lib/plan/plan-shares.ts";
import {
  anyLoss,
  anyRule,
  anyWorld,
  assignedCalls,
  roomOf,
  RULES,
  usableIds,
} from "./plan-worlds.ts";

/** The rounding of floating-point numbers. */
const NEARLY = 1e-6;
const RUNS = { numRuns: 500 };
const nothing = new Set<string>();

test("the same inputs give the same shares, in whatever order they are listed", () => {
  fc.assert(
    fc.property(anyWorld, anyRule, anyLoss, (world, rule, loss) => {
      const reversed: PlanInputs = {
        ...world,
        zones: world.zones.toReversed(),
        clusters: world.clusters.toReversed(),
        demand: world.demand.toReversed(),
      };
      const byName = (inputs: PlanInputs) =>
        [...planShares(inputs, rule, loss)].toSorted(([one], [other]) => (one < other ? -1 : 1));
      assert.deepEqual(byName(reversed), byName(world));
    }),
    RUNS,
  );
});

test("only clusters that the placement permits and that are in service get calls, and the shares make a whole", () => {
  fc.assert(
    fc.property(anyWorld, anyRule, anyLoss, (world, rule, loss) => {
      const usable = usableIds(world, rule, loss);
      for (const origin of planShares(world, rule, loss).values())
        for (const tier of TIERS) {
          const { clusters, shed } = origin[tier];
          assert.deepEqual(
            clusters.map(({ clusterId }) => clusterId).toSorted(),
            usable.toSorted(),
          );
          const sum = clusters.reduce((total, { share }) => total + share, shed);
          assert.ok(Math.abs(sum - 1) < NEARLY, `${sum}`);
          assert.ok(clusters.every(({ share }) => share >= 0) && shed >= 0);
        }
    }),
    RUNS,
  );
});

test("no cluster is filled beyond 0.85 of what it can serve, ramps counted", () => {
  fc.assert(
    fc.property(anyWorld, anyLoss, (world, loss) => {
      const { calls } = assignedCalls(world, loss);
      for (const cluster of world.clusters) {
        const isOnlyRamping = RULES.some(
          (rule) =>
            usableIds(world, rule, loss).includes(cluster.clusterId) &&
            isHeldByRampsAlone(world, rule, loss),
        );
        const assigned = calls.get(cluster.clusterId) ?? 0;
        const room = roomOf(cluster, !isOnlyRamping);
        assert.ok(assigned <= room + NEARLY, `${cluster.clusterId}: ${assigned} of ${room}`);
      }
    }),
    RUNS,
  );
});

/** All that it may use ramps up. */
const isHeldByRampsAlone = (
  world: PlanInputs,
  rule: PlacementClass,
  loss: ReadonlySet<string>,
): boolean => usableIds(world, rule, loss).every((id) => isRamping(world, id));

const isRamping = (world: PlanInputs, id: string): boolean =>
  world.clusters.some(({ clusterId, rampPercent }) => clusterId === id && rampPercent < 100);

test("more capacity anywhere never sheds more of any class, origin or tier", () => {
  fc.assert(
    fc.property(anyWorld, anyLoss, fc.nat(3), fc.nat(200), (world, loss, index, more) => {
      const clusters = world.clusters.map((cluster, at): PlannedCluster =>
        at === index && cluster.capacitySlots !== undefined
          ? { ...cluster, capacitySlots: cluster.capacitySlots + more }
          : cluster,
      );
      for (const rule of RULES) {
        const before = planShares(world, rule, loss);
        const after = planShares({ ...world, clusters }, rule, loss);
        for (const [zone, origin] of before)
          for (const tier of TIERS)
            assert.ok((after.get(zone)?.[tier].shed ?? 1) <= origin[tier].shed + NEARLY);
      }
    }),
    RUNS,
  );
});

test("nothing of a tier is shed while a lower one is carried by a cluster that it may use", () => {
  fc.assert(
    fc.property(anyWorld, anyRule, anyLoss, (world, rule, loss) => {
      for (const origin of planShares(world, rule, loss).values())
        for (const [index, tier] of TIERS.entries()) {
          if (origin[tier].shed < NEARLY) continue;
          const mayUse = new Set(usableIds(world, rule, loss));
          for (const lower of TIERS.slice(index + 1))
            // Those that have nowhere else are not held to the ramps; whoever has may go there in its time.
            for (const other of world.demand.filter((one) => !isHeldByRampsAlone(world, one, loss)))
              for (const [zone, planned] of planShares(world, other, loss)) {
                const calls = other.origins[zone]?.[lower] ?? 0;
                for (const { clusterId, share } of planned[lower].clusters)
                  assert.ok(!mayUse.has(clusterId) || calls * share < NEARLY, clusterId);
              }
        }
    }),
    { numRuns: 300 },
  );
});

test("what a gateway works out for the loss of a cluster is the plan of a table in which it is down", () => {
  fc.assert(
    fc.property(anyWorld, anyRule, fc.nat(3), (world, rule, index) => {
      const lost = world.clusters[index];
      assert.ok(lost !== undefined);
      const clusters = world.clusters.map((one) =>
        one === lost ? { ...one, isInService: false } : one,
      );
      assert.deepEqual(
        planShares(world, rule, new Set([lost.clusterId])),
        planShares({ ...world, clusters }, rule, nothing),
      );
    }),
    RUNS,
  );
});

test("a few calls more near one zone move about as few calls between the clusters", () => {
  fc.assert(
    fc.property(anyWorld, fc.nat(3), fc.constantFrom(...TIERS), (world, index, tier) => {
      const zone = world.zones[index]?.name ?? "";
      const [first, ...others] = world.demand;
      const before = first?.origins[zone];
      // Where next to no calls are known they come first: one call is a change of kind, not of degree.
      fc.pre(first !== undefined && before !== undefined && before[tier] > 0);
      const origins = { ...first.origins, [zone]: { ...before, [tier]: before[tier] + 1 } };
      const after = assignedCalls(
        { ...world, demand: [{ ...first, origins }, ...others] },
        nothing,
      );
      const { calls } = assignedCalls(world, nothing);
      const moved = world.clusters.reduce(
        (sum, { clusterId }) =>
          sum + Math.abs((after.calls.get(clusterId) ?? 0) - (calls.get(clusterId) ?? 0)),
        0,
      );
      assert.ok(moved <= 2 * world.clusters.length + NEARLY, `${moved} calls moved for one`);
    }),
    RUNS,
  );
});

test("with little demand everything goes to the nearest", () => {
  fc.assert(
    fc.property(anyWorld, (world) => {
      const calm: PlanInputs = {
        ...world,
        clusters: world.clusters.map((one) => ({
          ...one,
          isInService: true,
          rampPercent: 100,
          capacitySlots: 200,
        })),
        demand: [],
        shifts: [],
      };
      for (const [zone, { normal }] of planShares(calm, ANYWHERE, nothing)) {
        const home = world.zones.find(({ name }) => name === zone)?.clusterId;
        assert.deepEqual(
          normal.clusters.find(({ share }) => share > 0),
          { clusterId: home, share: 1 },
        );
      }
    }),
    { numRuns: 100 },
  );
});

test("a cluster that ramps up takes no more than its part of anybody's calls while others have room", () => {
  fc.assert(
    fc.property(anyWorld, anyRule, (world, rule) => {
      const roomy: PlanInputs = {
        ...world,
        clusters: world.clusters.map((one) => ({ ...one, capacitySlots: undefined })),
        shifts: [],
      };
      const usable = usableIds(roomy, rule, nothing);
      fc.pre(usable.some((id) => !isRamping(roomy, id)));
      for (const origin of planShares(roomy, rule, nothing).values())
        for (const { clusterId, share } of origin.normal.clusters) {
          const ramp = roomy.clusters.find((one) => one.clusterId === clusterId)?.rampPercent ?? 0;
          assert.ok(share <= ramp / 100 + NEARLY);
        }
    }),
    RUNS,
  );
});

test("a shift moves its percentage of a cluster's calls, and sheds nothing for it", () => {
  fc.assert(
    fc.property(anyWorld, fc.integer({ min: 1, max: 100 }), fc.nat(3), (world, percent, index) => {
      const from = world.zones[index];
      assert.ok(from !== undefined);
      const roomy: PlanInputs = {
        ...world,
        clusters: world.clusters.map((one) => ({
          ...one,
          isInService: true,
          rampPercent: 100,
          capacitySlots: undefined,
        })),
        shifts: [{ id: "sh-00000000", fromCluster: from.clusterId, toCluster: null, percent }],
      };
      const { clusters, shed } = planShares(roomy, ANYWHERE, nothing).get(from.name)?.normal ?? {};
      const kept = clusters?.find(({ clusterId }) => clusterId === from.clusterId)?.share ?? 0;
      assert.ok(Math.abs(kept - (1 - percent / 100)) < NEARLY);
      assert.equal(shed, 0);
    }),
    { numRuns: 200 },
  );
});
