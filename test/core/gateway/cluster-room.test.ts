import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Tier, TIERS } from "#lib/plan/placement-class.ts";
import {
  type AdaptiveLimit,
  type ClusterLoad,
  roomFor,
  stepLimit,
  unlimited,
} from "../../../gateway/core/cluster-room.ts";
import { createClusterRooms } from "../../../gateway/core/cluster-rooms.ts";
import { createRoundTrip } from "../../../gateway/core/round-trip.ts";

const limitOf = (calls: number, shortestMs = 1): AdaptiveLimit => ({ calls, shortestMs });

const steps: readonly (readonly [
  name: string,
  from: AdaptiveLimit,
  roundTripMs: number | undefined,
  inFlightMost: number,
  calls: number,
])[] = [
  ["no answer to any ping says nothing of a limit", limitOf(500), undefined, 400, 500],
  ["a quick round trip doubles it", limitOf(100), 1, 100, 210],
  ["up to the most", limitOf(16_000), 1, 16_000, 16_384],
  ["a hundred milliseconds are no queue", limitOf(100), 100, 100, 110],
  ["twice as long takes half, but for √", limitOf(400), 200, 400, 220],
  ["never more than half at once", limitOf(400), 10_000, 400, 220],
  ["from what is under way, not from what nobody used", limitOf(16_384), 200, 64, 40],
  ["never below 32", limitOf(33), 10_000, 33, 32],
  ["a cluster that is far away is not slow", limitOf(400, 240), 240, 400, 820],
];

for (const [name, from, roundTripMs, inFlightMost, calls] of steps)
  test(name, () => {
    assert.equal(stepLimit(from, { roundTripMs, inFlightMost }).calls, calls);
  });

const loadOf = (limit: AdaptiveLimit, inFlight: number, taken = inFlight): ClusterLoad => ({
  limit,
  inFlight,
  taken,
});

test("tiers are turned away from the bottom up", () => {
  const served = (inFlight: number): readonly string[] =>
    TIERS.filter(
      (tier) => roomFor(tier, loadOf(limitOf(100), inFlight), undefined).kind === "room",
    );
  assert.deepEqual(served(74), ["critical", "normal", "batch"]);
  assert.deepEqual(served(75), ["critical", "normal"]);
  assert.deepEqual(served(90), ["critical"]);
  assert.deepEqual(served(100), []);
  assert.deepEqual(roomFor("batch", loadOf(limitOf(100), 80), undefined), {
    kind: "full",
    inFlight: 80,
    limit: 75,
  });
});

const slotCases: readonly (readonly [
  name: string,
  slots: number | undefined,
  taken: number,
  served: readonly Tier[],
])[] = [
  ["one call may wait for each that is served", 100, 149.9, ["critical", "normal", "batch"]],
  ["then the lowest tier goes elsewhere", 100, 150, ["critical", "normal"]],
  ["then the next", 100, 180, ["critical"]],
  ["and at last all", 100, 200, []],
  ["a small cluster has a queue that takes a small crowd", 2, 12, ["critical", "normal", "batch"]],
  ["and no more", 2, 18, []],
  ["where nobody knows the slots nothing is full", undefined, 9_999, [...TIERS]],
];

for (const [name, slots, taken, served] of slotCases)
  test(`slots: ${name}`, () => {
    const load = loadOf(unlimited, Math.ceil(taken), taken);
    assert.deepEqual(
      TIERS.filter((tier) => roomFor(tier, load, slots).kind !== "full"),
      served,
    );
  });

test("calls that share an instance share its slot, and workers share a cluster", () => {
  const rooms = createClusterRooms(() => 1, 2);
  const ends = Array.from({ length: 400 }, () => rooms.begin("eu-west-1", 10));
  assert.equal(rooms.roomFor("eu-west-1", "critical", 82, 1_000).kind, "room");
  assert.equal(rooms.roomFor("eu-west-1", "critical", 78, 1_000).kind, "queue");
  for (let index = 0; index < 60; index += 1) ends.push(rooms.begin("eu-west-1", 1));
  assert.equal(rooms.roomFor("eu-west-1", "critical", 100, 1_000).kind, "full");
  assert.equal(rooms.roomFor("eu-west-1", "critical", 120, 1_000).kind, "queue");
  for (const end of ends) end();
  assert.equal(rooms.roomFor("eu-west-1", "batch", 2, 1_000).kind, "room");
});

test("whatever the pings say, 24 batch and 32 critical calls are always served, and a limit recovers", () => {
  const sample = fc.record({
    roundTripMs: fc.option(fc.double({ min: 0, max: 100_000, noNaN: true }), { nil: undefined }),
    inFlightMost: fc.integer({ min: 0, max: 10_000 }),
  });
  fc.assert(
    fc.property(fc.array(sample, { maxLength: 60 }), (samples) => {
      let limit = unlimited;
      for (const one of samples) {
        limit = stepLimit(limit, one);
        assert.ok(limit.calls >= 32 && limit.calls <= 16_384);
        assert.equal(roomFor("critical", loadOf(limit, 31), undefined).kind, "room");
        assert.equal(roomFor("batch", loadOf(limit, 23), undefined).kind, "room");
      }
      for (let second = 0; second < 10; second += 1)
        limit = stepLimit(limit, { roundTripMs: 2, inFlightMost: 0 });
      assert.equal(limit.calls, 16_384);
    }),
  );
});

test("a cluster's room follows its pings, once a second, and only its own calls fill it", () => {
  let roundTripMs = 1;
  const rooms = createClusterRooms(() => roundTripMs);
  const ends = Array.from({ length: 200 }, () => rooms.begin("eu-west-1", 1));
  assert.equal(rooms.roomFor("eu-west-1", "critical", undefined, 1_000).kind, "room");
  roundTripMs = 250;
  assert.equal(rooms.roomFor("eu-west-1", "critical", undefined, 1_500).kind, "room");
  assert.deepEqual(rooms.roomFor("eu-west-1", "critical", undefined, 2_000), {
    kind: "full",
    inFlight: 200,
    limit: 114,
  });
  assert.equal(rooms.roomFor("us-east-1", "batch", undefined, 2_000).kind, "room");
  for (const end of ends) end();
  assert.equal(rooms.roomFor("eu-west-1", "batch", undefined, 2_100).kind, "room");
});

test("the typical round trip is of the last second, and one slow ping is not typical", () => {
  const trips = createRoundTrip();
  assert.equal(trips.typicalMs(), undefined);
  for (const tookMs of [1, 2, 1, 900]) trips.add(tookMs);
  assert.equal(trips.typicalMs(), 1);
  for (const tookMs of [300, 310, 320]) trips.add(tookMs);
  assert.equal(trips.typicalMs(), 310);
  assert.ok(trips.isWithin(1));
});

test("a gateway that is busy itself does not take its clusters for slow, nor for near", () => {
  const trips = createRoundTrip();
  for (let pings = 0; pings < 4; pings += 1) trips.add(400, 3);
  assert.equal(trips.typicalMs(), 3);
  assert.equal(trips.shortestMs(), 400);
  assert.ok(!trips.isWithin(5));
});
