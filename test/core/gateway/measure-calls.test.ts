import assert from "node:assert/strict";
import { test } from "node:test";
import { DEMAND_CLASSES_MAX } from "#lib/contracts/control-records.ts";
import { classKey, classOfRule } from "#lib/plan/placement-class.ts";
import { totalDemand } from "#lib/plan/sum-demand.ts";
import { type CallKind, createCallMeter } from "../../../gateway/core/measure-calls.ts";

const kindOf = (regions: string[], originZone = "eu-west"): CallKind => {
  const rule = classOfRule({ regions });
  return { placed: { key: classKey(rule), rule }, originZone, tier: "normal" };
};
const normalAt = (meter: ReturnType<typeof createCallMeter>, nowMs: number): number =>
  totalDemand(meter.endInterval(nowMs)).normal;

test("what is in flight all the time becomes the average, and fades when it has ended", () => {
  const meter = createCallMeter(0);
  const ends = Array.from({ length: 20 }, () => meter.begin(kindOf([]), 0));
  assert.equal(meter.crowd(kindOf([])).cells.normal.inFlight, 20);
  let last = 0;
  for (let second = 1; second <= 10; second += 1) last = normalAt(meter, second * 1_000);
  assert.equal(last, 20);
  for (const end of ends) end(10_000, 0);
  assert.equal(meter.crowd(kindOf([])).cells.normal.inFlight, 0);
  for (let second = 11; second <= 30; second += 1) last = normalAt(meter, second * 1_000);
  assert.equal(last, 0);
});

test("short calls count by their time, not by their number", () => {
  const meter = createCallMeter(0);
  let last = 0;
  // A hundred calls a second of 100 ms each are ten at a time.
  for (let atMs = 0; atMs < 20_000; atMs += 10) {
    meter.begin(kindOf([]), atMs)(atMs + 100, 0);
    if (atMs % 1_000 === 990) last = normalAt(meter, atMs + 10);
  }
  assert.ok(Math.abs(last - 10) <= 1, `${last}`);
});

test("calls that were shed count without the wait of the others, or a queue would make itself longer", () => {
  const meter = createCallMeter(0);
  for (let index = 0; index < 100; index += 1) meter.begin(kindOf([]), 0)(400, 300);
  let last = 0;
  for (let second = 1; second <= 15; second += 1) {
    for (let index = 0; index < 100; index += 1) meter.shed(kindOf([]), second * 1_000 - 500);
    last = normalAt(meter, second * 1_000);
  }
  assert.ok(Math.abs(last - 10) <= 1, `${last}`);
});

test("a call that no cluster had room for counts as shed, and says nothing of how long calls take", () => {
  const meter = createCallMeter(0);
  for (let index = 0; index < 100; index += 1) meter.begin(kindOf([]), 0)(100, 0);
  let last = 0;
  for (let second = 1; second <= 15; second += 1) {
    const atMs = second * 1_000 - 500;
    for (let index = 0; index < 100; index += 1) meter.begin(kindOf([]), atMs)(atMs, "turned-away");
    last = normalAt(meter, second * 1_000);
  }
  assert.ok(Math.abs(last - 10) <= 1, `${last}`);
  assert.equal(meter.crowd(kindOf([])).shedAtMs.normal, 14_500);
});

test("a crowd is of one placement and one origin, and knows when its tiers were last shed", () => {
  const meter = createCallMeter(0);
  meter.begin(kindOf(["eu"]), 0);
  meter.shed({ ...kindOf(["eu"]), tier: "batch" }, 700);
  const crowd = meter.crowd(kindOf(["eu"]));
  assert.equal(crowd.cells.normal.inFlight, 1);
  assert.deepEqual(crowd.shedAtMs, { critical: -Infinity, normal: -Infinity, batch: 700 });
  for (const other of [kindOf([]), kindOf(["eu"], "us-east")])
    assert.deepEqual(meter.crowd(other).shedAtMs.batch, -Infinity);
});

test("what was shed counts as if it had been carried, also when nothing else comes", () => {
  const meter = createCallMeter(0);
  for (let index = 0; index < 100; index += 1) meter.begin(kindOf([]), 0)(100, 0);
  let last = 0;
  for (let second = 1; second <= 15; second += 1) {
    for (let index = 0; index < 100; index += 1) meter.shed(kindOf([]), second * 1_000 - 500);
    last = normalAt(meter, second * 1_000);
  }
  assert.ok(Math.abs(last - 10) <= 1, `${last}`);
  for (let second = 16; second <= 40; second += 1) last = normalAt(meter, second * 1_000);
  assert.equal(last, 0, "a crowd that has gone is forgotten");
});

test("callers are counted by the zone near them and by placement, up to a number of placements", () => {
  const meter = createCallMeter(0);
  for (let index = 0; index < DEMAND_CLASSES_MAX + 5; index += 1) {
    meter.begin(kindOf([`region-${index}`]), 0);
    meter.begin(kindOf([`region-${index}`], "us-east"), 0);
  }
  let classes = meter.endInterval(1_000);
  for (let second = 2; second <= 10; second += 1) classes = meter.endInterval(second * 1_000);
  assert.equal(classes.length, DEMAND_CLASSES_MAX + 1);
  assert.equal(totalDemand(classes).normal, 2 * (DEMAND_CLASSES_MAX + 5));
  const unbound = classes.find(({ regions }) => regions.length === 0);
  assert.deepEqual(
    Object.entries(unbound?.origins ?? {}).map(([zone, { normal }]) => [zone, normal]),
    [
      ["eu-west", 5],
      ["us-east", 5],
    ],
  );
});
