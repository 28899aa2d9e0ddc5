import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { ClassDemand, PlanInputRecord } from "#lib/contracts/control-records.ts";
import { DEMAND_CLASSES_MAX } from "#lib/contracts/control-records.ts";
import { ANYWHERE } from "#lib/plan/placement-class.ts";
import { totalDemand } from "#lib/plan/sum-demand.ts";
import { endWaits, nextPlanInput } from "../../../../federator/core/leading/plan-input.ts";
import { threeZones } from "../../gateway/zones.ts";

const calls = (normal: number) => ({ critical: 0, normal, batch: 0 });
const anywhere = (normal: number): ClassDemand[] => [
  { ...ANYWHERE, regions: [], origins: { "eu-west": calls(normal) } },
];
const onlyEu = (normal: number): ClassDemand => ({
  ...ANYWHERE,
  regions: ["eu"],
  origins: { "eu-west": calls(normal) },
});
const heard = (capacitySlots: number, classDemand: ClassDemand[]) => [
  { zone: "eu-west", capacitySlots, classDemand },
];
/** As it is after eu-west has told 200 slots and so many calls. */
const recordAt = (normal: number): PlanInputRecord => {
  const record = nextPlanInput(undefined, heard(200, anywhere(normal)), threeZones);
  assert.ok(record !== undefined);
  return record;
};

test("nothing known is not written down", () => {
  assert.equal(nextPlanInput(undefined, [], threeZones), undefined);
});

const restingCases = [
  {
    name: "a step of demand is a twentieth of the zone's capacity",
    from: 0,
    to: 7,
    says: undefined,
  },
  { name: "demand that has moved far enough is rounded to a step", from: 0, to: 8, says: 10 },
  { name: "it rests while it goes up and down within a step", from: 10, to: 17, says: undefined },
  { name: "and down again", from: 10, to: 3, says: undefined },
  { name: "it goes back to nothing", from: 10, to: 2, says: 0 },
];
for (const { name, from, to, says } of restingCases)
  test(name, () => {
    const next = nextPlanInput(recordAt(from), heard(200, anywhere(to)), threeZones);
    if (says === undefined) assert.equal(next, undefined);
    else assert.equal(next?.demand?.["eu-west"]?.normal ?? 0, says);
  });

const capacityCases = [
  { name: "capacity is written as it is told", from: undefined, to: 200, says: 200 },
  { name: "capacity that moves by a twentieth stays as it was", from: 200, to: 209, says: 200 },
  { name: "capacity that moves by more is written anew", from: 200, to: 214, says: 210 },
  { name: "a cluster that is lost keeps its capacity", from: 200, to: undefined, says: 200 },
  { name: "a cluster without any is known to have none", from: undefined, to: 0, says: 0 },
];
const tell = (slots: number | undefined) =>
  slots === undefined ? [] : [{ zone: "eu-west", capacitySlots: slots }];
for (const { name, from, to, says } of capacityCases)
  test(name, () => {
    const before = nextPlanInput(undefined, tell(from), threeZones);
    const after = nextPlanInput(before, tell(to), threeZones) ?? before;
    assert.equal(after?.capacitySlots?.["eu-west-1"], says);
  });

const levelCases = [
  { name: "a level is written as it is told", from: "L1", slots: 10, to: "L2", says: "L2" },
  { name: "a level that fell is written at once", from: "L3", slots: 10, to: "L0", says: "L0" },
  {
    name: "an agent that says no level, as one that has just started, has proved none",
    from: "L2",
    slots: 10,
    to: undefined,
    says: undefined,
  },
  {
    name: "a cluster that is lost keeps its level: it may be back at any moment",
    from: "L2",
    slots: undefined,
    to: undefined,
    says: "L2",
  },
] as const;
for (const { name, from, slots, to, says } of levelCases)
  test(name, () => {
    const levelled = (
      capacitySlots: number | undefined,
      isolationLevel: "L0" | "L1" | "L2" | "L3" | undefined,
    ) => [
      {
        zone: "eu-west",
        ...(capacitySlots !== undefined && { capacitySlots }),
        ...(isolationLevel !== undefined && { isolationLevel }),
      },
    ];
    const before = nextPlanInput(undefined, levelled(10, from), threeZones);
    const after = nextPlanInput(before, levelled(slots, to), threeZones) ?? before;
    assert.equal(after?.isolationLevels?.["eu-west-1"], says);
  });

test("ramps, what waits for an operator and what is not known here stay as they are", () => {
  const before = { rampPercent: { "us-east-1": 40 }, awaitsFailback: ["us-east-1"], later: true };
  const next = nextPlanInput(before, heard(200, []), threeZones);
  assert.deepEqual(next, {
    ...before,
    capacitySlots: { "eu-west-1": 200 },
    isolationLevels: {},
    demand: {},
    classDemand: [],
  });
});

test("without a function whose failback is manual nobody waits for an operator any more", () => {
  const before = { rampPercent: { "us-east-1": 40 }, awaitsFailback: ["us-east-1"], later: true };
  assert.deepEqual(endWaits(undefined, before), { ...before, awaitsFailback: [] });
  const next = { ...before, demand: {} };
  assert.deepEqual(endWaits(next, before), { ...next, awaitsFailback: [] });
  const none = { rampPercent: {}, awaitsFailback: [] };
  assert.equal(endWaits(undefined, none), undefined);
  assert.equal(endWaits(none, before), none);
  assert.equal(endWaits(undefined, undefined), undefined);
});

test("a placement with too few calls to plan for is planned with those that may run anywhere", () => {
  const few = nextPlanInput(undefined, heard(200, [...anywhere(6), onlyEu(4)]), threeZones);
  assert.deepEqual(few?.demand, { "eu-west": calls(10) });
  assert.deepEqual(few.classDemand, []);
  const many = nextPlanInput(undefined, heard(200, [...anywhere(10), onlyEu(40)]), threeZones);
  assert.deepEqual(many?.demand, { "eu-west": calls(10) });
  assert.deepEqual(many.classDemand, [onlyEu(40)]);
});

test("a zone of the version before tells its calls without saying whose", () => {
  const next = nextPlanInput(undefined, [{ zone: "us-east", inFlight: calls(30) }], threeZones);
  assert.deepEqual(next?.demand, { "us-east": calls(30) });
});

test("told the same again it says nothing, however it came there, and no call is forgotten", () => {
  const demand = fc.array(
    fc.record({
      regions: fc.subarray(["eu", "us", "in", "eu-west", "us-east"]),
      spread: fc.constantFrom("nearest" as const, "even" as const),
      failback: fc.constantFrom("automatic" as const, "manual" as const),
      origins: fc.dictionary(
        fc.constantFrom("eu-west", "us-east", "ap-south"),
        fc.record({ critical: fc.nat(300), normal: fc.nat(300), batch: fc.nat(300) }),
        { noNullPrototype: true },
      ),
    }),
    { maxLength: 30 },
  );
  const zones = fc.tuple(
    ...threeZones.map(({ name }) =>
      fc.record({
        zone: fc.constant(name),
        capacitySlots: fc.nat(1_000),
        classDemand: demand,
      }),
    ),
  );
  fc.assert(
    fc.property(zones, zones, (first, second) => {
      const before = nextPlanInput(undefined, first, threeZones);
      const after = nextPlanInput(before, second, threeZones) ?? before;
      assert.equal(nextPlanInput(after, second, threeZones), undefined);
      assert.ok((after?.classDemand?.length ?? 0) <= DEMAND_CLASSES_MAX);
      const told = totalDemand(second.flatMap(({ classDemand }) => classDemand));
      const planned = totalDemand([
        { ...ANYWHERE, regions: [], origins: after?.demand ?? {} },
        ...(after?.classDemand ?? []),
      ]);
      // Each class, origin and tier rests within a step of at most 50 calls.
      const slack = (DEMAND_CLASSES_MAX + 1) * threeZones.length * 50;
      assert.ok(Math.abs(planned.normal - told.normal) <= slack);
    }),
    { numRuns: 200 },
  );
});
