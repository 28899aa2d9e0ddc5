import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { evenGrants, WHOLE } from "#lib/divide-grants.ts";
import type { GrantRecord } from "#lib/contracts/quota-records.ts";
import {
  freeMillionths,
  planGrants,
  withLease,
} from "../../../../federator/core/quota/plan-grants.ts";

type Zones = GrantRecord["zones"];
type Demand = Readonly<Record<string, number>>;
const ZONES = ["a", "b", "c"];
const LIMIT = 1_000;
const even = evenGrants("demo", ZONES).zones;

const plan = (zone: string, zones: Zones, demand: Demand, lost: readonly string[] = []) =>
  planGrants({
    zone,
    zones,
    limitPerSecond: LIMIT,
    demandPerSecond: new Map(Object.entries(demand)),
    lostZones: new Set(lost),
  });
/** One write of the zone, its gateways obeying at once. */
const step = (zone: string, zones: Zones, demand: Demand, lost: readonly string[] = []): Zones => {
  const planned = plan(zone, zones, demand, lost);
  if (planned.kind === "keep") return zones;
  return planned.kind === "write" ? planned.zones : withLease(zones, zone, planned.leaseMillionths);
};
const rightOf = (zones: Zones, zone: string): number =>
  (zones[zone]?.floorMillionths ?? 0) + (zones[zone]?.leaseMillionths ?? 0);

test("while every zone's right covers its demand, nothing moves", () => {
  for (const zone of ZONES)
    assert.deepEqual(plan(zone, even, { a: 200, b: 10, c: 0 }), { kind: "keep" });
});

test("a zone with all the demand has 85 % of the limit after each zone moved twice", () => {
  const demand = { a: 2_000 };
  let zones = even;
  for (const zone of [...ZONES, ...ZONES]) zones = step(zone, zones, demand);
  assert.ok(rightOf(zones, "a") >= 0.85 * WHOLE, `${rightOf(zones, "a")}`);
});

test("a zone gives up its lease only when another is short", () => {
  assert.deepEqual(plan("b", even, { a: 1_000 }), { kind: "lower", leaseMillionths: 0 });
  assert.deepEqual(plan("b", even, { a: 100 }), { kind: "keep" });
});

test("a lost zone's lease goes to the survivor that is short, its floor does not", () => {
  const planned = plan("a", even, { a: 1_000 }, ["c"]);
  assert.ok(planned.kind === "write");
  assert.deepEqual(planned.zones["c"], {
    floorMillionths: even["c"]?.floorMillionths,
    leaseMillionths: 0,
  });
  assert.ok(rightOf(planned.zones, "a") > rightOf(even, "a"));
});

test("a zone that joins gets its part from the others", () => {
  let zones = even;
  const demand = { a: 1_000, b: 1_000, c: 1_000, d: 1_000 };
  for (const zone of ["a", "b", "c", "d", "d"]) zones = step(zone, zones, demand);
  assert.ok(rightOf(zones, "d") > 0.15 * WHOLE, `${rightOf(zones, "d")}`);
});

const anyDemand = fc.record({
  a: fc.integer({ min: 0, max: 3_000 }),
  b: fc.integer({ min: 0, max: 3_000 }),
  c: fc.integer({ min: 0, max: 3_000 }),
});

test("under any order of looks, lowerings and writes, the parts never exceed the limit", () => {
  /** A zone looks (and plans on what it saw), or tries to write what it planned: a write on an old record fails. */
  const action = fc.record({
    zone: fc.constantFrom(...ZONES),
    does: fc.constantFrom("look", "write"),
    demand: anyDemand,
    lost: fc.subarray(["b", "c"]),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      let zones = even;
      let revision = 0;
      const planned = new Map<string, { readonly revision: number; readonly zones: Zones }>();
      for (const { zone, does, demand, lost } of actions) {
        const own = planned.get(zone);
        if (does === "look")
          planned.set(zone, { revision, zones: step(zone, zones, demand, lost) });
        else if (own?.revision === revision) {
          zones = own.zones;
          revision += 1;
        }
        assert.ok(freeMillionths(zones) >= 0, JSON.stringify(zones));
        for (const name of ZONES)
          assert.equal(zones[name]?.floorMillionths, even[name]?.floorMillionths);
      }
    }),
  );
});

test("a steady demand is settled in a few rounds and then left alone", () => {
  fc.assert(
    fc.property(anyDemand, (demand) => {
      let zones = even;
      for (let round = 0; round < 5; round += 1)
        for (const zone of ZONES) zones = step(zone, zones, demand);
      for (const zone of ZONES) assert.equal(plan(zone, zones, demand).kind, "keep");
    }),
  );
});
